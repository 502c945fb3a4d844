"""Files written whole or not at all, and what is said of those that are no good."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from d2l_lite import DataError


@contextmanager
def replacing(path: str | Path, mode: str = "w", **options: Any) -> Iterator[IO]:
    """A file to write, which takes the place of `path` when all of it is there.

    If the writing fails, `path` stays as it was and nothing is left beside it. A
    symbolic link stays, and the file that it names is replaced; what is no file, a
    folder or a device, is refused. Takes what `open` takes; its OSErrors name `path`.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise FileExistsError(f"{path}: is not a file, and stays")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {target.parent}")
    # Names may have 255 bytes, and some characters have four.
    unique = f".{target.name[:50]}.{os.getpid()}.{threading.get_ident()}.part"
    temporary = target.with_name(unique)
    try:
        try:
            with temporary.open(mode, **options) as file:
                yield file
                # On the disk before the name is: a power cut leaves the old or the new.
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        # In the name of the file that was asked for, not of the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from None


def at_home(path: str | Path) -> Path:
    """A path as a user types it: ``~`` is the home; nobody's home stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's raises for nobody's


def read_text(path: str | Path) -> str:
    """A text's content, without the mark that some editors put in front of UTF-8.

    Raises:
        ValueError: text in another encoding; the message does not name the file.
        OSError: the file cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise ValueError(f"no text in UTF-8, {found}: save it as UTF-8") from None


def write_json(path: str | Path, value: Any) -> None:
    """Write what JSON can hold as a file for people, whole or not at all."""
    # A path that is no text, as in a command, is written as JSON's escapes.
    with replacing(path, encoding="utf-8", errors="backslashreplace") as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, missing: Any) -> Any:
    """What a JSON file holds, `missing` if there is none; DataError if it is none."""
    if not path.is_file():
        return missing
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise damaged(path, f"not a JSON file ({error})") from None


def damaged(place: str | Path, problem: object) -> DataError:
    """The error for a file, or a part of one, whose content is wrong."""
    return DataError(f"{place}: {problem}; replace it by a good copy")
