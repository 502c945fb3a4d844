"""CIFAR-10 and CIFAR-100 from small files in the binary version's very format."""

import hashlib
import io
import os
import pickle
import struct
import tarfile
from functools import cache

import numpy as np
import pytest

from d2l_lite import DataError
from d2l_lite.data.cifar import CIFAR10, CIFAR100
from d2l_lite.data.transforms import normalise

pytestmark = pytest.mark.usefixtures("offline")

TEN_FILES = [*(f"data_batch_{n}.bin" for n in (1, 2, 3, 4, 5)), "test_batch.bin"]
FILES = {CIFAR10: TEN_FILES, CIFAR100: ["train.bin", "test.bin"]}
FOLDERS = {CIFAR10: "cifar-10-batches-bin", CIFAR100: "cifar-100-binary"}
ARCHIVES = {CIFAR10: "cifar-10-binary.tar.gz", CIFAR100: "cifar-100-binary.tar.gz"}
both = pytest.mark.parametrize("loader", [CIFAR10, CIFAR100])


def record(*label_bytes, pixels=bytes(3072)):
    return bytes(label_bytes) + pixels


def contents(loader, count=20):
    """For each file `count` records: labels in turn, pixels by chance."""
    draw = np.random.default_rng(0)
    labels = [(n % 10,) if loader is CIFAR10 else (0, n % 100) for n in range(count)]
    return {
        name: b"".join(record(*label, pixels=draw.bytes(3072)) for label in labels)
        for name in FILES[loader]
    }


def write_folder(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@cache  # gzip writes the time of day: made twice, it would be another file
def packed(loader):
    """An archive as it is published, with members that nobody asks for."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        folder = tarfile.TarInfo(FOLDERS[loader])
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in {"readme.html": b"x", **contents(loader)}.items():
            member = tarfile.TarInfo(f"{FOLDERS[loader]}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def published(server, monkeypatch):
    """Small archives in place of the published ones; the first mirror is lost."""
    for loader, name in ARCHIVES.items():
        server.files[name] = packed(loader)
        sha256 = hashlib.sha256(server.files[name]).hexdigest()
        urls = tuple(f"{server.url}/{mirror}/{name}" for mirror in ("lost", "good"))
        monkeypatch.setattr(loader, "_sha256", sha256)
        monkeypatch.setattr(loader, "_urls", urls)
    return server


def sizes(data):
    return [len(part) for part in (data.train, data.validation, data.test)]


# The format


def test_a_record_by_hand(tmp_path):
    # Label, 1024 bytes red, 1024 green, 1024 blue, each row by row.
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[0, 0, 1] = 11
    pixels[1, 2, 0] = 22
    pixels[2, 31, 31] = 33
    stored = bytearray(record(7))
    stored[1 + 1] = 11
    stored[1 + 1024 + 2 * 32] = 22
    stored[1 + 3071] = 33
    files = dict.fromkeys(TEN_FILES, bytes(stored) * 2)
    data = CIFAR10(root=write_folder(tmp_path, files))
    assert sizes(data) == [9, 1, 2]
    for part in (data.train, data.validation, data.test):
        assert (part.images == pixels).all() and (part.labels == 7).all()
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int64


def test_fine_labels_are_the_second_byte(tmp_path):
    files = {"train.bin": record(4, 99) * 3 + record(5, 30), "test.bin": record(19, 0)}
    data = CIFAR100(root=write_folder(tmp_path, files), validation=1)
    labels = np.concatenate([data.train.labels, data.validation.labels])
    assert sorted(labels.tolist()) == [30, 99, 99, 99]
    assert data.test.labels.tolist() == [0]


def test_batches_of_training_files_come_in_their_order(tmp_path):
    files = {name: record(n) for n, name in enumerate(TEN_FILES)}
    data = CIFAR10(root=write_folder(tmp_path, files), validation=1)
    held_out = data.validation.labels.item()
    expected = [label for label in range(5) if label != held_out]
    assert data.train.labels.tolist() == expected
    assert data.test.labels.tolist() == [5]


def test_classes():
    assert CIFAR10.classes == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    assert len(set(CIFAR100.classes)) == 100
    # The publisher numbers the fine classes by the alphabet.
    assert list(CIFAR100.classes) == sorted(CIFAR100.classes)


def test_mean_and_std_are_near_those_of_the_papers_code():
    # fb.resnet.torch, on the scale of 255; DenseNet's code has taken them over.
    published = {
        CIFAR10: ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
        CIFAR100: ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
    }
    for loader, (mean, std) in published.items():
        assert np.allclose(np.multiply(loader.mean, 255), mean, atol=0.06)
        assert np.allclose(np.multiply(loader.std, 255), std, atol=0.06)


# What all data sets share


@both
def test_parts_and_batches(loader, tmp_path):
    data = loader(root=write_folder(tmp_path, contents(loader, 200)))
    count = 200 * (len(FILES[loader]) - 1)
    assert sizes(data) == [count - count // 10, count // 10, 200]
    assert data.scale == "full" and data.train.classes == loader.classes
    images, labels = next(data.train.batches(5))
    assert images.shape == (5, 3, 32, 32) and images.dtype == np.float32
    expected = normalise(data.train.images[:5], loader.mean, loader.std)
    assert np.array_equal(images, expected)
    assert np.array_equal(labels, data.train.labels[:5])


def test_quick_takes_equal_shares_of_the_real_images(tmp_path, monkeypatch, capsys):
    folder = write_folder(tmp_path, contents(CIFAR10, 1100))
    monkeypatch.setenv("D2L_LITE_DATA", str(folder))
    data = CIFAR10()
    assert data.scale == "quick" and sizes(data) == [3600, 400, 1000]
    for part, each in ((data.train, 360), (data.validation, 40), (data.test, 100)):
        assert np.bincount(part.labels).tolist() == [each] * 10
    other = CIFAR10(seed=1)
    assert np.array_equal(data.test.images, other.test.images)
    # The same 4,000, held out by another chance.
    first, second = (
        {image.tobytes() for part in (d.train, d.validation) for image in part.images}
        for d in (data, other)
    )
    assert first == second
    CIFAR10("full")
    monkeypatch.setenv("D2L_LITE_SCALE", "full")
    assert sizes(CIFAR10()) == [4950, 550, 1100]
    assert capsys.readouterr() == (
        "quick run: 4,000 training images of CIFAR-10; "
        "for all set D2L_LITE_SCALE=full\n"
        "full run: 5,500 training images of CIFAR-10; "
        "for 4,000 set D2L_LITE_SCALE=quick\n",
        "",
    )


# Places


@both
@pytest.mark.parametrize("named_by", ["root", "D2L_LITE_DATA"])
@pytest.mark.parametrize("what", ["files", "sub-folder", "archive", "with archive"])
def test_named_place(loader, named_by, what, published, tmp_path, monkeypatch):
    place = tmp_path / "own"
    if what == "files":
        write_folder(place, contents(loader))
    elif what == "sub-folder":
        write_folder(place / FOLDERS[loader], contents(loader))
    else:
        write_folder(place, {ARCHIVES[loader]: packed(loader)})
        place = place / ARCHIVES[loader] if what == "archive" else place
    if named_by == "root":
        # It comes before the environment.
        monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "nothing"))
        data = loader(root=str(place))
    else:
        monkeypatch.setenv("D2L_LITE_DATA", str(place))
        data = loader("full")
    stored = np.frombuffer(contents(loader)[FILES[loader][-1]], np.uint8)
    assert data.test.images.tobytes() == stored.reshape(20, -1)[:, -3072:].tobytes()
    assert published.requests == []


@both
def test_download_comes_once_and_into_the_cache(loader, published, tmp_path):
    count = 20 * len(FILES[loader]) - 20
    with pytest.raises(DataError, match="no good copy there") as caught:
        loader("quick")
    assert f'{loader.__name__}(scale="full")' in str(caught.value)
    assert published.requests == []
    for scale in ("full", "full", "quick"):
        assert sizes(loader(scale)) == [count - count // 10, count // 10, 20]
    name = ARCHIVES[loader]
    assert published.requests == [f"lost/{name}", f"good/{name}"]
    assert (tmp_path / "cache" / FOLDERS[loader] / name).is_file()


@both
def test_no_network_is_one_error(loader):
    with pytest.raises(DataError) as caught:
        loader("full")
    message = str(caught.value)
    assert message.startswith(f"{ARCHIVES[loader]}: no mirror delivered it\n")
    assert all(f"  {url}: tests have no network\n" in message for url in loader._urls)
    assert f"holds {ARCHIVES[loader]} in D2L_LITE_DATA" in message


# Bad files


def test_a_file_is_missing(tmp_path):
    write_folder(tmp_path, contents(CIFAR10))
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match="named by root or D2L_LITE_DATA") as caught:
        CIFAR10(root=tmp_path)
    missing = f"{tmp_path}/data_batch_3.bin: not found, nor {ARCHIVES[CIFAR10]}"
    assert str(caught.value).startswith(missing)


@both
def test_another_archive_than_the_published_one(loader, tmp_path):
    archive = write_folder(tmp_path, {ARCHIVES[loader]: b"x"}) / ARCHIVES[loader]
    with pytest.raises(DataError, match="published archive: its checksum") as caught:
        loader(root=tmp_path)
    assert str(caught.value).startswith(f"{archive}: ")


@pytest.mark.parametrize(
    "loader, bad, problem",
    [
        (CIFAR10, b"", "0 bytes are not whole records of 3,073"),
        (CIFAR10, record(9)[:-1], "3,072 bytes are not whole records of 3,073"),
        (CIFAR100, record(0, 9) + b"\0", "3,075 bytes are not whole records of 3,074"),
        (CIFAR10, record(10), "a label 10, but there are 10 classes"),
        (CIFAR100, record(0, 100), "a label 100, but there are 100 classes"),
    ],
)
def test_damaged_files_are_named(loader, bad, problem, tmp_path):
    name = FILES[loader][0]
    write_folder(tmp_path, contents(loader) | {name: bad})
    with pytest.raises(DataError) as caught:
        loader(root=tmp_path)
    message = f"{tmp_path / name}: {problem}; replace it by a good copy"
    assert str(caught.value) == message


# The version for Python


class Harm:
    """Unpickled, it would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def pickled(loader, protocol=2, **changes):
    """The files of `contents` as Python 2 wrote them, near enough."""
    label = "labels" if loader is CIFAR10 else "fine_labels"
    files = {}
    for name, content in contents(loader).items():
        bytes_ = np.frombuffer(content, np.uint8).reshape(20, -1)
        table = {"data": bytes_[:, -3072:].copy(), label: bytes_[:, -3073].tolist()}
        table = {key.encode(): value for key, value in (table | changes).items()}
        files[name.removesuffix(".bin")] = legacy(table)
    return files


def legacy(table):
    """Protocol 2 from Python 2, whose strings are bytes: pickle it by hand."""
    data = next(value for key, value in table.items() if key == b"data")
    rest = {key: value for key, value in table.items() if key != b"data"}

    def text(value):
        return b"T" + struct.pack("<I", len(value)) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01"
        + b"".join(b"M" + struct.pack("<H", n) for n in data.shape)
        + b"\x86cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + text(data.tobytes())
        + b"tb"
    )
    stream = b"\x80\x02}(" + text(b"data") + array
    for key, value in rest.items():
        body = pickle.dumps(value, 2)[2:-1]
        stream += text(key) + body
    return stream + b"u."


@both
@pytest.mark.parametrize("what", ["files", "sub-folder"])
def test_files_for_python_are_those_of_the_binary_version(loader, what, tmp_path):
    write_folder(tmp_path / "bin", contents(loader))
    name = "cifar-10-batches-py" if loader is CIFAR10 else "cifar-100-python"
    own = tmp_path / "own" / (name if what == "sub-folder" else "")
    write_folder(own, pickled(loader))
    found, expected = loader(root=tmp_path / "own"), loader(root=tmp_path / "bin")
    for part in ("train", "validation", "test"):
        a, b = getattr(found, part), getattr(expected, part)
        assert np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)


def test_a_pickle_runs_no_code(tmp_path):
    files = pickled(CIFAR10)
    write_folder(tmp_path / "own", files)
    path, made = tmp_path / "own" / "data_batch_2", tmp_path / "made"
    good = files["data_batch_2"]
    array = np.zeros((2, 3072), np.uint8)
    for content, problem in (
        (pickle.dumps(Harm(made)), f"holds {os.mkdir.__module__}.mkdir; only NumPy"),
        (pickle.dumps({"data": array, "labels": [0, Harm(made)]}, 4), "only NumPy"),
        (b"cnumpy\ntestutils\n.", "it holds numpy.testutils; only NumPy arrays"),
        (good[:900], "cannot be read"),
        (b"", "cannot be read"),
        (pickle.dumps([1, 2]), "has no data and labels"),
        (pickle.dumps({"data": array}, 4), "has no data and labels"),
        (pickle.dumps({"data": array, "labels": [1]}, 4), "not N×3072 bytes of data"),
        (pickle.dumps({"data": array[:0], "labels": []}, 4), "not N×3072 bytes"),
        (pickle.dumps({"data": array, "labels": [1, 10]}, 4), "a label 10, but there"),
        (pickle.dumps({"data": array, "labels": [1, -1]}, 4), "not whole numbers"),
        (pickle.dumps({"data": array, "labels": ["a", "b"]}, 4), "not whole numbers"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=problem) as caught:
            CIFAR10(root=tmp_path / "own")
        assert str(caught.value).startswith(f"{path}: ")
    assert not made.exists()
    path.unlink()
    with pytest.raises(DataError, match="data_batch_2: not found"):
        CIFAR10(root=tmp_path / "own")
