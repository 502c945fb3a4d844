"""The folders of data that the user names."""

import os
from pathlib import Path

from d2l_lite import DataError
from d2l_lite.files import at_home


def named_folder(root: str | Path | None, below: str) -> Path | None:
    """`root`, else ``D2L_LITE_DATA``; of that the sub-folder `below`, if it has one.

    Returns None if neither is named.
    """
    if root is None:
        root = os.environ.get("D2L_LITE_DATA") or None
    if root is None:
        return None
    folder = at_home(root)
    return folder / below if (folder / below).is_dir() else folder


def named_file(folder: Path, *names: str) -> Path:
    """The first of `names` that the folder has; `DataError` if it has none."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    others = "".join(f", nor {name}" for name in names[1:])
    raise DataError(
        f"{folder / names[0]}: not found{others}; the folder is named by root or "
        "D2L_LITE_DATA: put the file there, or name no folder to have it downloaded"
    )
