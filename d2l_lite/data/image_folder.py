"""One's own pictures, from a folder that has a folder for each class."""

import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

import numpy as np

from d2l_lite import DataError
from d2l_lite.checks import (
    check_choice,
    check_integer,
    check_real,
    check_size,
    check_switch,
)
from d2l_lite.data.image_set import ImageSet
from d2l_lite.files import at_home

# The names that folders of parts have, in any case.
PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
# What systems leave in folders, besides names with a dot in front.
LITTER = {"thumbs.db", "desktop.ini"}
# A part's pictures: of each class the files, relative to the folder.
Part = dict[str, list[str]]


class ImageFolder:
    """Pictures of one's own: a folder for each class, whose name is that of the class.

    The classes lie in `path`, or in its folders ``train``, ``validation`` and ``test``.
    Of a part that has no folder each class gives its share of ``train``, `validation`
    or `test`, at least one picture, chosen by `seed`. Below its class a picture may lie
    in further folders. Names that begin with a dot are left out.

    Every kind of file that Pillow reads is taken: turned upright as its camera noted,
    what is transparent laid on white, of an animation the first picture, grey of more
    than 8 bits as by `d2l_lite.networks.imagenet.prepare`. A picture is resized until
    it just covers `size`, a number or (height, width), and cut to its middle, as by
    torchvision's ``Resize`` and ``CenterCrop``; `channels` is 3 or, for grey, 1.

    Pictures are decoded once. Their pixels are kept beside the folder, in a file whose
    name begins with a dot, or in the cache folder; what has changed is decoded again.

    `mean` and `std`, of each channel on the scale from 0 to 1, are those of the
    training pictures unless given. With `skip_damaged` unreadable files are left out,
    and a warning names them; else they are an error.

    Attributes: `train`, `validation` and `test` are `ImageSet`s, uint8 N×C×H×W mapped
    from the file; `classes` the names, sorted; `mean`, `std`; `size` as (height,
    width); `title` the folder's name; `scale` is "full".

    Raises `DataError` for folders and files that do not fit this, `ValueError` for
    arguments. See chapter "your_pictures".
    """

    scale = "full"

    def __init__(
        self,
        path: str | Path,
        size: int | tuple[int, int] = 224,
        channels: int = 3,
        *,
        validation: float = 0.1,
        test: float = 0.1,
        seed: int = 0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        skip_damaged: bool = False,
    ) -> None:
        # Here, as below: Pillow is slow to import, and few runs need it.
        from d2l_lite.data.picture import MOST_PIXELS
        from d2l_lite.data.picture_cache import decoded

        if isinstance(size, (tuple, list)):
            check_size(size, f"ImageFolder(size={size!r})")
        else:
            check_integer(size, 1, None, f"ImageFolder(size={size!r})")
            size = size, size
        if prod(size) > MOST_PIXELS:
            rule = f"must have at most {MOST_PIXELS:,} pixels"
            raise ValueError(f"ImageFolder(size={size!r}): {rule}")
        check_choice(channels, (1, 3), f"ImageFolder(channels={channels!r})")
        for name, share in {"validation": validation, "test": test}.items():
            check_real(share, 0, 1, f"ImageFolder({name}={share!r})", above=True)
        check_integer(seed, 0, None, f"ImageFolder(seed={seed!r})")
        for name, value in {"mean": mean, "std": std}.items():
            if value is None:
                continue
            if np.shape(value) != (channels,) or not np.isfinite(value).all():
                rule = f"must be {channels} finite numbers, one for each channel"
                raise ValueError(f"ImageFolder({name}={value!r}): {rule}")
        check_switch(skip_damaged, f"ImageFolder(skip_damaged={skip_damaged!r})")
        # Absolute, so that the cache knows it again from another working folder.
        folder = at_home(path).resolve()
        self.title, self.size = folder.name, tuple(size)
        try:
            parts = _parts(folder)
            self.classes = tuple(sorted(parts["train"]))
            _split(folder, parts, {"test": test, "validation": validation}, seed)
            order = [
                (part, label, file)
                for part in ("train", "validation", "test")
                for label, name in enumerate(self.classes)
                for file in parts[part].get(name, [])
            ]
            files = [file for *_, file in order]
            images, problems = decoded(folder, files, (channels, *self.size))
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise DataError(f"{error.filename}: {problem}") from error
        if problems:
            _report(folder, problems, skip_damaged)
        order = [row for row in order if row[2] not in problems]
        labels = np.array([label for _, label, _ in order], np.int64)
        self._check_left(folder, order)
        count = sum(part == "train" for part, *_ in order)
        measured = _mean_and_std(images[:count])
        self.mean, self.std = (
            tuple(map(float, found if given is None else given))
            for given, found in zip((mean, std), measured)
        )
        if std is None and min(self.std) == 0:
            problem = "all pixels of the training pictures are equal in a channel"
            raise DataError(f"{folder}: {problem}; name std")
        start = 0
        for part in ("train", "validation", "test"):
            # A slice, not a choice, which would copy the pictures into memory.
            stop = start + sum(row[0] == part for row in order)
            rows = images[start:stop], labels[start:stop]
            setattr(self, part, ImageSet(*rows, self.classes, self.mean, self.std))
            start = stop

    def _check_left(self, folder: Path, order: list[tuple[str, int, str]]) -> None:
        """Raise `DataError` where damage has left nothing to learn or to measure."""
        trained = {label for part, label, _ in order if part == "train"}
        for label, name in enumerate(self.classes):
            if label not in trained:
                problem = f"class {name!r} has no readable picture to train on"
                raise DataError(f"{folder}: {problem}; add some, or remove the class")
        for part in {"validation", "test"} - {part for part, *_ in order}:
            raise DataError(f"{folder}: no readable picture for {part}; add some")


def pictures_in(place: Path) -> list[Path]:
    """The pictures in a folder and below it, by name; raises `DataError` for none."""
    from PIL import Image

    known = Image.registered_extensions()
    found = sorted(file for file in _files(place) if file.suffix.lower() in known)
    if not found:
        raise DataError(f"{place}: has no pictures")
    return found


def _parts(folder: Path) -> dict[str, Part]:
    """The files of each part that has a folder; "train" alone if none has."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    found: dict[str, Path] = {}
    others = []
    for below in _folders(folder):
        part = PARTS.get(below.name.lower())
        # A class may be called "train" as well; it has pictures, and no class below.
        if part is None or not _folders(below):
            others.append(below)
        elif part in found:
            rule = f"are both for {part}; join them"
            raise DataError(f"{folder}: {found[part].name} and {below.name} {rule}")
        else:
            found[part] = below
    if not found:
        parts = {"train": _classes(folder, folder)}
    elif others or "train" not in found:
        problem = f"{others[0].name} is none of them" if others else "train is missing"
        rule = "beside folders of parts only train, validation and test may be"
        raise DataError(f"{folder}: {problem}; {rule}")
    else:
        parts = {part: _classes(below, folder) for part, below in found.items()}
    classes = parts["train"]
    for part, of_part in parts.items():
        if unknown := sorted(of_part.keys() - classes.keys()):
            problem = f"class {unknown[0]!r} of {part} is not in train"
            raise DataError(f"{folder}: {problem}; its name must be spelled alike")
    if len(classes) < 2:
        found = f"only {[*classes][0]!r}" if classes else "none"
        rule = "name a folder that holds two or more, one for each class"
        raise DataError(f"{folder}: of folders with pictures it has {found}; {rule}")
    return parts


def _classes(place: Path, folder: Path) -> Part:
    """The classes in a folder; their files as they are called from another one."""
    from PIL import Image

    found, seen = {}, {}
    for below in _folders(place):
        # Some systems take names apart, é into e and an accent.
        name = unicodedata.normalize("NFC", below.name)
        if twin := seen.get(name.casefold()):
            rule = "differ in case or in the form of a letter only; join them"
            raise DataError(f"{place}: the classes {twin} and {below.name} {rule}")
        seen[name.casefold()] = below.name
        found[name] = sorted(
            file.relative_to(folder).as_posix() for file in _files(below)
        )
        if not found[name]:
            raise DataError(f"{below}: has no pictures; add some, or remove the folder")
    known = Image.registered_extensions()
    for file in sorted(place.iterdir()):
        if not _left_out(file.name) and file.is_file() and file.suffix.lower() in known:
            rule = "lies beside the folders of the classes; put it into one"
            raise DataError(f"{file}: {rule}")
    return found


def _folders(place: Path) -> list[Path]:
    return sorted(
        path for path in place.iterdir() if path.is_dir() and not _left_out(path.name)
    )


def _files(place: Path) -> Iterator[Path]:
    """All files in a folder and below it."""
    for path in place.iterdir():
        if _left_out(path.name):
            continue
        if path.is_dir():
            if path.resolve() in (place.resolve(), *place.resolve().parents):
                raise DataError(f"{path}: links to a folder above it; remove the link")
            yield from _files(path)
        else:
            yield path


def _left_out(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _split(
    folder: Path, parts: dict[str, Part], shares: dict[str, float], seed: int
) -> None:
    """Take the parts that have no folder out of the training pictures."""
    rng = np.random.default_rng(seed)
    shares = {part: share for part, share in shares.items() if part not in parts}
    parts |= {part: {} for part in shares}
    for name, files in sorted(parts["train"].items()):
        counts = {part: max(1, round(s * len(files))) for part, s in shares.items()}
        if sum(counts.values()) >= len(files):
            needs = " and ".join(f"{counts[part]} for {part}" for part in counts)
            problem = f"class {name!r} has too few pictures, {len(files)}"
            rule = f"{needs} would leave none to train on; add some"
            raise DataError(f"{folder}: {problem}: {rule}")
        order = rng.permutation(len(files))
        for part, count in counts.items():
            chosen, order = order[:count], order[count:]
            parts[part][name] = [files[index] for index in sorted(chosen)]
        parts["train"][name] = [files[index] for index in sorted(order)]


def _report(folder: Path, problems: dict[str, str], skip: bool) -> None:
    """Name the unreadable files, in a warning or in an error."""
    lines = [f"\n  {file}: {problem}" for file, problem in problems.items()]
    if len(lines) > 10:
        lines[10:] = [f"\n  and {len(lines) - 10} others"]
    found = f"{folder}: files that cannot be read as pictures: {len(problems)}"
    if not skip:
        rule = "replace or remove them, or leave them out with skip_damaged=True"
        raise DataError(f"{found}; {rule}:{''.join(lines)}")
    warnings.warn(f"{found}; they are left out:{''.join(lines)}", stacklevel=3)


def _mean_and_std(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each channel's pixels, on the scale from 0 to 1."""
    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(images), 256):
        for channel, count in enumerate(counts):
            pixels = images[start : start + 256, channel].ravel()
            count += np.bincount(pixels, minlength=256)
    shares, values = counts / counts[0].sum(), np.arange(256) / 255
    mean = shares @ values
    return mean, np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))
