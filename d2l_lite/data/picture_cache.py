"""Pictures decoded once: a file of their pixels, mapped into memory."""

import errno
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from math import prod
from pathlib import Path

import numpy as np

from d2l_lite import DataError
from d2l_lite.data.download import cache_folder
from d2l_lite.data.picture import middle, rgb
from d2l_lite.files import replacing

# Another number when a picture would be decoded to other pixels than before.
FORMAT = 1
# So many pictures are decoded ahead of the one that is written.
AHEAD = 256
# A file's name, size in bytes and time of change in nanoseconds.
Entry = tuple[str, int, int]
Shape = tuple[int, int, int]


def decoded(
    folder: Path, files: Sequence[str], shape: Shape
) -> tuple[np.ndarray, dict[str, str]]:
    """Pictures of a folder, uint8 N×C×H×W, and what is wrong with the unreadable ones.

    The array has the readable `files` in their order. It is mapped from a file beside
    the folder or, where that cannot be written or does not fit, in the cache folder.
    The file holds all pixels, and behind them, as JSON, which files they are of. Only
    what it has not, or what has changed since, is decoded; a picture that was
    unreadable is tried again. Raises `DataError` if the file can be kept nowhere.
    """
    wanted = [_entry(folder, file) for file in files]
    name = f"{folder.name[:40]}-{'x'.join(map(str, shape))}.pixels"
    digest = blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    beside = folder.with_name(f".{name}")
    places = [beside, cache_folder() / "pictures" / f"{digest}-{name}"]
    place = max(places, key=lambda place: len(_kept(place, shape)))
    kept = _kept(place, shape)
    old = _mapped(place, len(kept), shape)
    missing = [entry[0] for entry in wanted if entry not in kept]
    if kept and list(kept) == [entry for entry in wanted if entry in kept]:
        problems = {}
        for file, (pixels, note) in zip(missing, _read(folder, missing, shape)):
            if pixels is not None:
                break
            problems[file] = note
        else:
            return old, problems
    faults = []
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            problems = _write(place, folder, wanted, kept, old)
        except OSError as error:
            faults.append(f"\n  {place.parent}: {error.strerror}")
        else:
            return _mapped(place, len(wanted) - len(problems), shape), problems
    raise DataError(
        f"{folder}: its pixels, {prod((len(wanted), *shape)):,} bytes, can be kept "
        "nowhere; free some space, or name a folder that can be written in "
        f"D2L_LITE_CACHE:{''.join(faults)}"
    )


def _entry(folder: Path, file: str) -> Entry:
    try:
        about = (folder / file).stat()
    except OSError:  # for example a link to nowhere; reading it will say so
        return file, 0, 0
    return file, about.st_size, about.st_mtime_ns


def _kept(place: Path, shape: Shape) -> dict[Entry, int]:
    """Which picture of a file is of what, in their order; none if it is no good."""
    try:
        with place.open("rb") as file:
            end = file.seek(-8, os.SEEK_END)
            start = int.from_bytes(file.read(8), "little")
            file.seek(start)
            about = json.loads(file.read(end - start))
    # No file, or one that was cut: all is decoded again, and a good one replaces it.
    except (OSError, ValueError):
        return {}
    entries = {tuple(entry): row for row, entry in enumerate(about["files"])}
    good = about["format"] == FORMAT and start == prod((len(entries), *shape))
    return entries if good else {}


def _mapped(place: Path, count: int, shape: Shape) -> np.ndarray:
    if not count:
        return np.empty((0, *shape), np.uint8)
    return np.asarray(np.memmap(place, np.uint8, "r", shape=(count, *shape)))


def _write(
    place: Path,
    folder: Path,
    wanted: Sequence[Entry],
    kept: dict[Entry, int],
    old: np.ndarray,
) -> dict[str, str]:
    """Write what is wanted, in part from `old`; returns what is wrong with the rest."""
    from tqdm import tqdm

    shape = old.shape[1:]
    if shutil.disk_usage(place.parent).free < prod((len(wanted), *shape)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))
    missing = [entry[0] for entry in wanted if entry not in kept]
    new, problems, guesses, written = _read(folder, missing, shape), {}, [], []
    with replacing(place, "wb") as file:
        # On standard error, and in a terminal only.
        bar = {"unit": " pictures", "leave": False, "disable": None}
        for entry in tqdm(wanted, "reading", **bar):
            pixels, note = (old[kept[entry]], "") if entry in kept else next(new)
            if pixels is None:
                problems[entry[0]] = note
                continue
            if note:
                guesses.append(f"{folder / entry[0]}: {note}")
            file.write(pixels)
            written.append(entry)
        start = file.tell()
        file.write(json.dumps({"format": FORMAT, "files": written}).encode())
        file.write(start.to_bytes(8, "little"))
    if guesses:
        others = f", and {len(guesses) - 1} like it" if len(guesses) > 1 else ""
        rule = "if that is wrong, save the pictures with 8 bits"
        warnings.warn(f"{guesses[0]}{others}; {rule}", stacklevel=4)
    return problems


def _read(
    folder: Path, files: Sequence[str], shape: Shape
) -> Iterator[tuple[np.ndarray | None, str]]:
    """Pixels C×H×W and a guess that was made, or None and what is wrong, for each."""
    channels, *size = shape

    def read(file: str) -> tuple[np.ndarray | None, str]:
        call = str(folder / file)
        try:
            picture, note = rgb(folder / file, call)
            if min(picture.size) == 1:
                raise ValueError(f"{call}: {picture.width}×{picture.height} pixels")
            picture = picture.convert("RGB" if channels == 3 else "L")
            pixels = np.asarray(middle(picture, size, size, call))
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            return None, problem.removeprefix(f"{call}: ")
        pixels = pixels.reshape(*size, channels).transpose(2, 0, 1)
        return np.ascontiguousarray(pixels), note

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), AHEAD):
            yield from pool.map(read, files[start : start + AHEAD])
