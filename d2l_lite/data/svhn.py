"""Street View House Numbers, the cropped digits, from their MATLAB files."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from d2l_lite import DataError
from d2l_lite.checks import check_switch
from d2l_lite.data.folders import named_file, named_folder
from d2l_lite.data.image_set import DataSet, ImageSet
from d2l_lite.files import damaged

FOLDER = "svhn"
MIRRORS = (
    "http://ufldl.stanford.edu/housenumbers/",
    "https://cseweb.ucsd.edu/~weijian/static/datasets/svhn/",
)
# Those of torchvision's data sets, which for the same files has the MD5 hashes
# e26dedcc434d2e4c54c9b2d4a06d8373, a93ce644f1a588dc4d68dda5feec44a7 and
# eb5a983be6a315427106f1b164d9cef3 as well.
SHA256 = {
    "train": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "extra": "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3",
    "test": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}


class SVHN(DataSet):
    """SVHN: 99,289 digits of house numbers, in colour, 32×32 pixels; 531,131 extra.

    `scale` "full" takes all 73,257 training and 26,032 test images, "quick" 4,000 +
    1,000 of them, each digit by its share, None what `data.scale.scale` says.
    `extra` adds the 531,131 easier images to the training set, as in the DenseNet
    paper: 604,388, a download of 1.3 GB that needs about 4 GB of memory. `resize` is
    the (height, width) of batches. `validation` training images (default: 6,000 as in
    the paper, of fewer than 60,000 a tenth), chosen by `seed` and by the digits'
    shares, are held out. Pixels are divided by 255 and no more, and there is no
    augmentation, also as in the paper: ``batches(augment=True)`` is a `ValueError`.

    Attributes: `train`, `validation` and `test` are `ImageSet`s, `classes` the digits
    as text, whose labels are the numbers, `scale` "quick" or "full".

    The data come from `root` (which implies "full" unless `scale` says otherwise) or
    ``D2L_LITE_DATA``: a folder of ``train_32x32.mat``, ``test_32x32.mat`` and, with
    `extra`, ``extra_32x32.mat``, or with a sub-folder ``svhn`` of them. They may hold a
    well-formed subset of one's own. Where no folder is named they come from the cache
    or, for a full run, the network, and are verified. Raises `DataError` for data that
    are missing or damaged, or without SciPy, which reads them and comes with ``pip
    install "d2l-lite[svhn]"``; `ValueError` for arguments.

    Format: <http://ufldl.stanford.edu/housenumbers/>, format 2. See chapter
    "densenet_zoo".
    """

    title = "SVHN"
    classes = tuple("0123456789")
    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)
    _augmentable = False
    _most_held_out = 6_000

    def __init__(
        self,
        scale: str | None = None,
        resize: tuple[int, int] | None = None,
        validation: int | None = None,
        seed: int = 0,
        root: str | Path | None = None,
        extra: bool = False,
    ) -> None:
        check_switch(extra, f"SVHN(extra={extra!r})")
        self._parts = ("train", "extra") if extra else ("train",)
        super().__init__(scale, resize, validation, seed, root)

    def _read(self, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
        if find_spec("scipy") is None:
            raise DataError(
                "SVHN: its MATLAB files need SciPy: pip install 'd2l-lite[svhn]'"
            )
        folder = named_folder(root, FOLDER)
        # All files are found before the first one is read, which takes long.
        *training, test = (self._path(part, folder) for part in (*self._parts, "test"))
        images, labels = map(np.concatenate, zip(*map(read_digits, training)))
        return self._image_set(images, labels), self._image_set(*read_digits(test))

    def _path(self, part: str, folder: Path | None) -> Path:
        name = f"{part}_32x32.mat"
        if folder is not None:
            return named_file(folder, name)
        urls = [f"{mirror}{name}" for mirror in MIRRORS]
        return self._published(name, urls, SHA256[part], FOLDER)


def read_digits(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a MATLAB file of X, uint8 32×32×3×N, and y, N×1, 1 to 10.

    Returns the images, uint8 N×3×32×32, and the labels, int64 N, where a zero is 0; in
    the file it is 10. Raises `DataError`, naming the file, when it holds anything else.
    """
    from scipy.io import loadmat  # an extra, and slow to import

    try:
        arrays = loadmat(path, variable_names=("X", "y"))
        images, labels = arrays["X"], arrays["y"]
    # Of a damaged file SciPy raises whatever it stumbles over.
    except Exception as error:
        problem = f"not a MATLAB file of X and y ({type(error).__name__}: {error})"
        raise damaged(path, problem) from error
    count = images.shape[-1]
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, count) or not count:
        raise damaged(path, f"X is {images.dtype} {images.shape}, not uint8 32×32×3×N")
    if labels.shape != (count, 1) or not np.isin(labels, np.arange(1, 11)).all():
        raise damaged(path, f"y is not one label, 1 to 10, for each of {count} images")
    images = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
    return images, labels[:, 0].astype(np.int64) % 10
