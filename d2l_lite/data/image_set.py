"""Sets of labelled images as NumPy arrays, and the batches made from them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from d2l_lite import DataError
from d2l_lite.checks import check_choice, check_integer, check_size
from d2l_lite.data import scale as scales
from d2l_lite.data.download import cache_folder, fetch, verified
from d2l_lite.data.transforms import mirror, normalise, pad, resize, shifted_crop

# Training and test images of a quick run.
QUICK = 4_000, 1_000


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their labels, and how batches are made from them.

    `images` are uint8 N×C×H×W, `labels` int64 N, `mean` and `std` those of the pixels
    per channel on the scale from 0 to 1. Batches are resized to `size` (height, width)
    if given. `augmentable` says whether an image keeps its label when it is mirrored
    and shifted. Raises `ValueError` when the parts do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] | None = None
    augmentable: bool = True

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(
                f"images must be uint8 N×C×H×W, not {images.dtype} {images.shape}"
            )
        if labels.dtype != np.int64 or labels.ndim != 1:
            raise ValueError(
                f"labels must be int64 N, not {labels.dtype} {labels.shape}"
            )
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images but {len(labels)} labels")
        if not images.size:
            raise ValueError(f"there are no images: shape {images.shape}")
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise ValueError(
                f"labels from {labels.min()} to {labels.max()}, but there are "
                f"{len(self.classes)} classes"
            )
        if not len(self.mean) == len(self.std) == images.shape[1]:
            raise ValueError(
                f"mean {self.mean} and std {self.std} must have one value for each of "
                f"{images.shape[1]} channels"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std {self.std}: must be positive")
        if self.size is not None:
            check_size(self.size, f"size={self.size!r}")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, count: int) -> "ImageSet":
        """Return the first `count` examples."""
        check_integer(count, 1, len(self), f"take({count!r})")
        return replace(self, images=self.images[:count], labels=self.labels[:count])

    def per_class(self, count: int, seed: int) -> "ImageSet":
        """Return `count` examples of each class; of a seed, fewer are among more."""
        check_integer(seed, 0, None, f"per_class(seed={seed!r})")
        fewest = int(np.bincount(self.labels, minlength=len(self.classes)).min())
        check_integer(count, 1, fewest, f"per_class({count!r})")
        rng, chosen = np.random.default_rng(seed), np.zeros(len(self), bool)
        for label in range(len(self.classes)):
            members = np.flatnonzero(self.labels == label)
            chosen[rng.permutation(members)[:count]] = True
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def split(self, count: int, seed: int) -> tuple["ImageSet", "ImageSet"]:
        """Hold `count` examples out, each class by its share: (the rest, held out).

        See chapter "training".
        """
        check_integer(count, 1, len(self) - 1, f"split({count!r})")
        check_integer(seed, 0, None, f"split(seed={seed!r})")
        rng = np.random.default_rng(seed)
        sizes = np.bincount(self.labels, minlength=len(self.classes))
        shares = sizes * count / len(self)
        quotas = np.floor(shares).astype(int)
        largest_remainders = np.argsort(quotas - shares, kind="stable")
        quotas[largest_remainders[: count - quotas.sum()]] += 1
        held_out = np.zeros(len(self), bool)
        for label, quota in enumerate(quotas):
            members = np.flatnonzero(self.labels == label)
            held_out[rng.choice(members, quota, replace=False)] = True
        return tuple(
            replace(self, images=self.images[chosen], labels=self.labels[chosen])
            for chosen in (~held_out, held_out)
        )

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        augment: bool = False,
        rng: np.random.Generator | None = None,
        drop_last: bool = False,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Iterate once over (float32 N×C×H×W normalised, int64 N).

        `augment` mirrors every second image, by chance, and shifts it by up to four of
        its stored pixels. Draws from `rng`, in this order: with `shuffle` the
        permutation of all examples, at the call; then, for each batch with `augment`,
        ``integers(2, size=N)`` for the mirror and ``integers(9, size=(N, 2))`` for
        rows and columns of the shift. See chapter "training"; for resizing see chapter
        "how_fast".
        """
        check_integer(batch_size, 1, None, f"batches(batch_size={batch_size!r})")
        if rng is None and (shuffle or augment):
            raise ValueError(
                "batches(rng=None): shuffle and augment need a generator, for example "
                "rng=numpy.random.default_rng(0)"
            )
        if augment and not self.augmentable:
            raise ValueError(
                "batches(augment=True): mirrored, these images would show something "
                "else, as digits do; leave augment out"
            )
        order = rng.permutation(len(self)) if shuffle else np.arange(len(self))
        if drop_last:
            order = order[: len(self) - len(self) % batch_size]
        return self._iterate(order, batch_size, rng if augment else None)

    def _iterate(
        self, order: np.ndarray, batch_size: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            images = self.images[chosen]
            if rng is not None:
                images = mirror(images, rng.integers(2, size=len(chosen)) == 1)
                images = shifted_crop(images, rng.integers(9, size=(len(chosen), 2)))
            images = normalise(images, self.mean, self.std)
            # Large images never exist but for one batch: they would fill gigabytes,
            # and to make them anew costs less than the step that they are for.
            if self.size is not None:
                images = resize(images, self.size)
            yield images, self.labels[chosen]


class DataSet(ABC):
    """A training, a validation and a test set: what the data sets have in common.

    A subclass reads the images in `_read`, has the names of the `classes`, and `mean`
    and `std` as `ImageSet` takes them.
    """

    title: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    _augmentable = True
    # Black pixels on each side of an image that is not resized.
    _border = 0
    # At most so many images are held out unless the caller says how many.
    _most_held_out: float = math.inf

    def __init__(
        self,
        scale: str | None = None,
        resize: tuple[int, int] | None = None,
        validation: int | None = None,
        seed: int = 0,
        root: str | Path | None = None,
    ) -> None:
        name = type(self).__name__
        if resize is not None:
            check_size(resize, f"{name}(resize={resize!r})")
        check_integer(seed, 0, None, f"{name}(seed={seed!r})")
        if scale is not None:
            check_choice(scale, scales.SCALES, f"{name}(scale={scale!r})")
        self.scale = scale or ("full" if root is not None else scales.scale())
        train, test = self._read(root)
        if self.scale == "quick":
            train, test = map(_share, (train, test), QUICK)
        if scale is None and root is None:
            scales.announce(self._line(len(train)))
        if validation is None:
            validation = min(max(1, len(train) // 10), self._most_held_out)
        call = f"{name}(validation={validation!r})"
        check_integer(validation, 1, len(train) - 1, call)
        self.train, self.validation, self.test = (
            self._sized(part, resize) for part in (*train.split(validation, seed), test)
        )

    @abstractmethod
    def _read(self, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
        """Training and test set of `self.scale`; raises `DataError`."""

    @classmethod
    def _image_set(cls, images: np.ndarray, labels: np.ndarray) -> ImageSet:
        return ImageSet(
            images,
            labels.astype(np.int64),
            cls.classes,
            cls.mean,
            cls.std,
            augmentable=cls._augmentable,
        )

    def _published(
        self, name: str, urls: Sequence[str], sha256: str, folder: str
    ) -> Path:
        """A verified file of the cache or, in a full run only, of the network."""
        remedy = f"Name a folder that holds {name} in D2L_LITE_DATA"
        path = cache_folder() / folder / name
        if self.scale == "full":
            return fetch(name, urls, sha256, path.parent, remedy)
        if verified(path, sha256):
            return path
        raise DataError(
            f"{path}: no good copy there; a quick run takes some of the real images "
            f'and downloads none: {type(self).__name__}(scale="full") does. {remedy}'
        )

    def _line(self, count: int) -> str:
        """What is printed when the scale was not the caller's choice."""
        if self.scale == "quick":
            rest = "for all set D2L_LITE_SCALE=full"
        else:
            rest = f"for {QUICK[0]:,} set D2L_LITE_SCALE=quick"
        return f"{self.scale} run: {count:,} training images of {self.title}; {rest}"

    def _sized(self, part: ImageSet, size: tuple[int, int] | None) -> ImageSet:
        if size is not None:
            return replace(part, size=tuple(size))
        if self._border:
            return replace(part, images=pad(part.images, self._border))
        return part


def _share(part: ImageSet, count: int) -> ImageSet:
    """At most `count` images, of each class its share."""
    # Always the same ones: a caller's seed chooses what is held out of them.
    return part if len(part) <= count else part.split(count, seed=0)[1]
