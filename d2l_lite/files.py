"""Files written whole or not at all, and what is said of those that are no good."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from d2l_lite import DataError


@contextmanager
def replacing(path: str | Path, mode: str = "w", **options: Any) -> Iterator[IO]:
    """A file to write, which takes the place of `path` when all of it is there.

    If the writing fails, `path` stays as it was and nothing is left beside it. Takes
    what `open` takes; the OSErrors that it raises name `path`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open(mode, **options) as file:
            yield file
            # On the disk before the name is: a power cut leaves the old or the new.
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # In the name of the file that was asked for, not of the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write what JSON can hold as a file for people, whole or not at all."""
    with replacing(path, encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, missing: Any) -> Any:
    """What a JSON file holds, `missing` if there is none; DataError if it is none."""
    if not path.is_file():
        return missing
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise damaged(path, f"not a JSON file ({error})") from None


def damaged(place: str | Path, problem: object) -> DataError:
    """The error for a file, or a part of one, whose content is wrong."""
    return DataError(f"{place}: {problem}; replace it by a good copy")
