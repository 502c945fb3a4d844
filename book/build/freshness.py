"""Whether what was made of the sources is what they would give again."""

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from book.build.files import write_if_changed
from book.build.history import last_changes
from book.build.source import Book

PACKAGE = Path(__file__).parents[2]
FOLDERS = ("book", "chapters", "d2l_lite")
SETTINGS = ("_config.yml", "_toc.yml", "requirements.txt")


def sources(book: Book) -> str:
    """Hash of all that notebooks and site are made of: files, their days, packages."""
    digest = hashlib.sha256(sys.version.encode())
    packages = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    digest.update(repr(sorted(path.name for path in packages)).encode())
    # A page shows the day of the last commit that changed it.
    digest.update(repr(sorted(last_changes(book.root).items())).encode())
    for root in dict.fromkeys((book.root, PACKAGE)):
        for path in _files(root):
            name = path.relative_to(root).as_posix()
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\0{name}\0{content}".encode())
    return digest.hexdigest()


def is_fresh(book: Book, name: str, made_from: str, folder: Path | None = None) -> bool:
    """Whether `name` was made from these sources and nothing touched it since."""
    record = _record(book, name)
    state = _state(made_from, folder)
    return record.exists() and record.read_text(encoding="utf-8") == state


def remember(book: Book, name: str, made_from: str, folder: Path | None = None) -> None:
    """Records that `name`, whose files lie in `folder`, was made from these sources."""
    write_if_changed(_record(book, name), _state(made_from, folder))


def _record(book: Book, name: str) -> Path:
    return book.root / f"_build/{name}.sha256"


def _state(made_from: str, folder: Path | None) -> str:
    """The sources' hash, and one of the folder's files by name, size and time."""
    made = []
    for path in sorted(folder.rglob("*")) if folder else ():
        about = path.stat()
        if path.is_file():
            made.append((str(path), about.st_size, about.st_mtime_ns))
    digest = hashlib.sha256(repr(made).encode()).hexdigest()
    return f"{made_from}  sources\n{digest}  made\n"


def _files(root: Path) -> Iterator[Path]:
    yield from (root / name for name in SETTINGS if (root / name).exists())
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            # Hidden files are temporary ones, before they are complete.
            parts = path.relative_to(root).parts
            hidden = any(part.startswith((".", "__pycache__")) for part in parts)
            if path.is_file() and not hidden:
                yield path
