"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


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
        temporary.replace(path)
    except OSError as error:
        # In the name of the file that was asked for, not of the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
