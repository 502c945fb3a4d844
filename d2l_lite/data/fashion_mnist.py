"""Fashion-MNIST, from wherever it can be had."""

from pathlib import Path

import numpy as np

from d2l_lite import DataError
from d2l_lite.data.download import cache_folder, fetch, named_place, verified
from d2l_lite.data.idx import read_idx
from d2l_lite.data.image_set import DataSet, ImageSet

SAMPLE = Path(__file__).parent / "sample"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
# Of the decompressed content: copies of the set differ in their compression.
SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
REMEDY = (
    'Name a folder that holds the files in D2L_LITE_DATA, use scale="quick", or '
    "install them: apt install dataset-fashion-mnist"
)


class FashionMNIST(DataSet):
    """Fashion-MNIST: 70,000 grey pictures of clothes in ten classes.

    `scale` "full" takes all of it, "quick" a sample of 4,000 + 1,000 that comes with
    the package, None what `data.scale.scale` says. `resize` is the (height, width)
    of batches; without it the 28×28 pictures get two black pixels on each side, 32×32.
    `validation` training images (default: a tenth), chosen by `seed` and by equal
    shares of the classes, are held out; the test set stays apart.

    Attributes: `train`, `validation` and `test` are `ImageSet`s, `classes` the names
    of the ten classes in the order of their labels, `scale` "quick" or "full".

    The full data come from `root` (which implies "full") or ``D2L_LITE_DATA``, a folder
    of the four IDX files, plain or ``.gz``, or with a sub-folder ``fashion-mnist`` of
    them. It may hold a well-formed subset of one's own. Where no folder is named they
    come from Debian's package, the cache or the network, and are verified. Raises
    `DataError` for data that are missing or damaged, `ValueError` for arguments.
    """

    title = "Fashion-MNIST"
    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    # Of the pixels of the 60,000 training images.
    mean = (0.2860,)
    std = (0.3530,)
    _border = 2

    def __init__(
        self,
        scale: str | None = None,
        resize: tuple[int, int] | None = None,
        validation: int | None = None,
        seed: int = 0,
        root: str | Path | None = None,
    ) -> None:
        if root is not None and scale == "quick":
            raise ValueError(
                f"FashionMNIST(scale='quick', root={str(root)!r}): a quick run uses "
                "the embedded sample; leave one of the two out"
            )
        super().__init__(scale, resize, validation, seed, root)

    def _read(self, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
        return read(self.scale, root)

    def _line(self, count: int) -> str:
        if self.scale == "quick":
            return (
                f"quick run: {count:,} training images of the embedded sample; "
                "D2L_LITE_SCALE=full trains on all 60,000"
            )
        return (
            f"full run: {count:,} training images; "
            "D2L_LITE_SCALE=quick trains on 4,000 of an embedded sample"
        )


def read(scale: str, root: str | Path | None = None) -> tuple[ImageSet, ImageSet]:
    """Read the sample, or the full data, from `root` or ``D2L_LITE_DATA`` if given.

    Returns the training and the test set, N×1×28×28. Raises `DataError` for files that
    are missing, damaged, or do not fit together; the message has the remedy.
    """
    place = named_place(root)
    sets = []
    for part in ("train", "t10k"):
        names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        if scale == "quick":
            paths = [SAMPLE / f"{name}.gz" for name in names]
        elif place is not None:
            paths = [_named(place, name) for name in names]
        else:
            paths = [_found(name) for name in names]
        images, labels = map(read_idx, paths)
        if images.shape[1:] != (28, 28):
            raise DataError(
                f"{paths[0]}: shape {images.shape}, not N×28×28; replace it by a good "
                "copy"
            )
        try:
            sets.append(
                ImageSet(
                    images[:, None],
                    labels.astype(np.int64),
                    FashionMNIST.classes,
                    FashionMNIST.mean,
                    FashionMNIST.std,
                )
            )
        except ValueError as error:
            raise DataError(
                f"{paths[0]} and {paths[1].name}: {error}; replace both by good copies"
            ) from error
    return tuple(sets)


def _named(root: Path, name: str) -> Path:
    """Where a file lies in the folder that the user named."""
    folder = root / "fashion-mnist" if (root / "fashion-mnist").is_dir() else root
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise DataError(
        f"{folder / name}: not found, nor with .gz; the folder is named by root or "
        "D2L_LITE_DATA: put the file there, or name no folder to have it downloaded"
    )


def _found(name: str) -> Path:
    """A verified file: of Debian's package, in the cache, or downloaded."""
    file = f"{name}.gz"
    if verified(DEBIAN / file, SHA256[name]):
        return DEBIAN / file
    urls = [f"{mirror}{file}" for mirror in MIRRORS]
    return fetch(file, urls, SHA256[name], cache_folder() / "fashion-mnist", REMEDY)
