"""Fashion-MNIST, from wherever it can be had."""

from pathlib import Path

from d2l_lite import DataError
from d2l_lite.data.download import cache_folder, fetch
from d2l_lite.data.folders import named_file, named_folder
from d2l_lite.data.idx import read_idx
from d2l_lite.data.image_set import DataSet, ImageSet
from d2l_lite.files import damaged

SAMPLE = Path(__file__).parent / "sample"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
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
    come from Debian's package or, verified, from the cache or the network. Raises
    `DataError` for data that are missing or damaged, `ValueError` for arguments.

    See chapter "training".
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

    def _read(self, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
        if root is not None and self.scale == "quick":
            raise ValueError(
                f"FashionMNIST(scale='quick', root={str(root)!r}): a quick run uses "
                "the embedded sample; leave one of the two out"
            )
        return read(self.scale, root)


def read(scale: str, root: str | Path | None = None) -> tuple[ImageSet, ImageSet]:
    """Read the sample, or the full data, from `root` or ``D2L_LITE_DATA`` if given.

    Returns the training and the test set, N×1×28×28. Raises `DataError` for files that
    are missing, damaged, or do not fit together; the message has the remedy.
    """
    folder = SAMPLE if scale == "quick" else named_folder(root, "fashion-mnist")
    sets = []
    for part in ("train", "t10k"):
        names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        paths = [_path(folder, name) for name in names]
        images, labels = map(read_idx, paths)
        if images.shape[1:] != (28, 28):
            raise damaged(paths[0], f"shape {images.shape}, not N×28×28")
        try:
            sets.append(FashionMNIST._image_set(images[:, None], labels))
        except ValueError as error:
            raise DataError(
                f"{paths[0]} and {paths[1].name}: {error}; replace both by good copies"
            ) from error
    return tuple(sets)


def _path(folder: Path | None, name: str) -> Path:
    """A file of the folder that was named, of Debian's package, or verified."""
    file = f"{name}.gz"
    if folder is not None:
        return named_file(folder, name, file)
    if (DEBIAN / file).is_file():
        return DEBIAN / file
    urls = [f"{mirror}{file}" for mirror in MIRRORS]
    return fetch(file, urls, SHA256[file], cache_folder() / "fashion-mnist", REMEDY)
