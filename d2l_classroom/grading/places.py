"""Where returned notebooks lie, whose they are, and copies of them to run."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from d2l_classroom.grading.notebook import clean
from d2l_lite import PACKAGES

# What systems and tools leave in folders.
SKIPPED = {"__MACOSX"}
# What browsers and Jupyter add to the name of a second copy.
COPY = re.compile(r"(-Copy\d+|[ _]\(\d+\)|-checkpoint)$")
MOST_BYTES, MOST_FILES = 64 << 20, 500


@dataclass(frozen=True)
class Returned:
    """A returned notebook: its file, its student, and the names in its path."""

    path: Path
    file: str
    student: str
    words: frozenset[str]
    shared: bool


def find(folder: Path, worksheets: Iterable[str]) -> list[Returned]:
    """The notebooks below a folder, in order; links to folders are not followed.

    The student is the first folder of the path that names neither a worksheet nor a
    framework, without folders what the file's name has beside the worksheet's.
    """
    known = set(worksheets)
    found = [
        _returned(Path(entry.path), folder, known)
        for entry in _walk(folder)
        if entry.name.endswith(".ipynb")
    ]
    return sorted(found, key=lambda one: one.file)


def _walk(folder: Path) -> Iterator[os.DirEntry]:
    """All that lies in a folder, hidden names and what lies behind links aside."""
    # By a list, not by calls: a folder may be nested deeper than Python's functions.
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name not in SKIPPED:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)


def _returned(path: Path, folder: Path, known: set[str]) -> Returned:
    *folders, file = path.relative_to(folder).parts
    if folders[:1] == ["submitted"]:  # nbgrader's
        del folders[0]
    stem = COPY.sub("", file.removesuffix(".ipynb"))
    words = {name for name in folders if name in known or name in PACKAGES}
    # The longest first: "dense_block" is in "recompute_dense_block".
    for name in sorted({*known, *PACKAGES}, key=len, reverse=True):
        rest = re.sub(rf"(^|[_\W]){re.escape(name)}(?=$|[_\W])", r"\1", stem, count=1)
        if rest != stem:
            # What the file is called says more than where it lies.
            words = {w for w in words if (w in PACKAGES) != (name in PACKAGES)} | {name}
            stem = rest
    own = [name for name in folders if name not in known and name not in PACKAGES]
    student = own[0] if own else re.sub(r"^[_\W]+|[_\W]+$", "", stem)
    relative = str(path.relative_to(folder))
    return Returned(
        path,
        clean(relative),
        clean(student) or "(no name)",
        frozenset(words),
        not own,
    )


@contextmanager
def workspace(returned: Returned) -> Iterator[Path]:
    """A new folder with a copy of the notebook's own in `work`; removed afterwards.

    Where students share a folder, only the notebook is copied. Links are left out, and
    so is what goes beyond 500 files or 64 MiB.
    """
    room = Path(tempfile.mkdtemp(prefix="d2l-grade-"))
    try:
        for name in ("work", "home", "tmp"):
            (room / name).mkdir()
        if returned.shared:
            shutil.copyfile(
                returned.path, room / "work" / returned.path.name, follow_symlinks=False
            )
        else:
            _copy(returned.path.parent, room / "work")
        yield room
    finally:
        # The notebook may have nested folders deeper than Python's functions go, and
        # taken their permissions away.
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*command, "--", room], stderr=subprocess.DEVNULL)


def _copy(source: Path, target: Path) -> None:
    room = MOST_BYTES
    for entry in islice(_walk(source), MOST_FILES):
        if entry.is_file(follow_symlinks=False):
            room -= entry.stat().st_size
            if room < 0:
                break
            path = target / Path(entry.path).relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.path, path, follow_symlinks=False)


def used(folder: Path, most_files: int) -> tuple[int, int]:
    """Bytes and number of the files in a folder, of the first `most_files` at least."""
    size = count = 0
    waiting = [str(folder)]
    while waiting and count <= most_files:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    if count > most_files:
                        break
        except OSError:  # removed or locked meanwhile, or too long a path
            continue
    return size, count
