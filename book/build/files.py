"""Writes generated files whole or not at all, and only when they change."""

from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path

from d2l_lite.files import replacing

# What is no fault of the book, and what helps.
MACHINE = {
    **dict.fromkeys((ENOSPC, EDQUOT), "free some space and call it again"),
    **dict.fromkeys((EACCES, EPERM, EROFS), "take a copy in which you may write"),
}


def write_if_changed(path: Path, content: str | bytes) -> bool:
    """Replaces the file's content atomically; equal content keeps its time stamp."""
    if isinstance(content, str):
        content = content.encode("utf-8")
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "wb") as file:
        file.write(content)
    return True
