"""SVHN from small MATLAB files, written by SciPy as the published ones are made."""

import hashlib
import sys

import numpy as np
import pytest
from scipy.io import savemat

from d2l_lite import DataError
from d2l_lite.data import svhn
from d2l_lite.data.svhn import SVHN, read_digits

pytestmark = pytest.mark.usefixtures("offline")

TRAIN, EXTRA, TEST = (f"{part}_32x32.mat" for part in svhn.SHA256)


def digits(count=40, seed=0):
    """X as in the file, 32×32×3×N, and y, 1 to 10 in turn."""
    draw = np.random.default_rng(seed)
    images = draw.integers(256, size=(32, 32, 3, count), dtype=np.uint8)
    labels = (np.arange(count) % 10 + 1).astype(np.uint8)
    return {"X": images, "y": labels[:, None]}


def own_data(folder, count=40, extra=None):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate((TRAIN, TEST)):
        savemat(folder / name, digits(count, seed), do_compression=True)
    if extra:
        savemat(folder / EXTRA, digits(extra, 2), do_compression=True)
    return folder


def sizes(data):
    return [len(part) for part in (data.train, data.validation, data.test)]


def test_pixels_by_hand(tmp_path):
    images = np.zeros((32, 32, 3, 2), np.uint8)
    images[4, 7, 2, 1] = 99
    savemat(tmp_path / "x.mat", {"X": images, "y": np.array([[3], [10]], np.uint8)})
    found, labels = read_digits(tmp_path / "x.mat")
    assert found.shape == (2, 3, 32, 32) and found.dtype == np.uint8
    assert np.argwhere(found).tolist() == [[1, 2, 4, 7]] and found.max() == 99
    # Ten stands for zero.
    assert labels.tolist() == [3, 0] and labels.dtype == np.int64
    assert found.flags.c_contiguous


def test_parts_and_batches(tmp_path):
    data = SVHN(root=own_data(tmp_path))
    assert data.scale == "full" and sizes(data) == [36, 4, 40]
    assert data.classes == tuple(str(digit) for digit in range(10))
    images, labels = next(data.test.batches(7))
    # Divided by 255 and no more, as in section 4.2 of the paper.
    expected = digits(seed=1)["X"].transpose(3, 2, 0, 1)[:7] / 255
    assert np.abs(images - expected).max() < 1e-7
    assert labels.tolist() == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match=r"^batches\(augment=True\)"):
        data.train.batches(4, augment=True, rng=np.random.default_rng(0))


def test_extra_images_join_the_training_set(tmp_path):
    root = own_data(tmp_path, extra=60)
    data = SVHN(root=root, extra=True, validation=10)
    assert sizes(data) == [90, 10, 40]
    assert np.bincount(data.validation.labels).tolist() == [1] * 10
    found = {
        image.tobytes()
        for part in (data.train, data.validation)
        for image in part.images
    }
    published = [digits(40, 0)["X"], digits(60, 2)["X"]]
    stored = np.concatenate(published, axis=3).transpose(3, 2, 0, 1)
    assert found == {image.tobytes() for image in stored}
    with pytest.raises(ValueError, match=r"^SVHN\(extra=1\): choose from False, True"):
        SVHN(root=root, extra=1)


@pytest.mark.parametrize("count, held_out", [(40, 4), (59_990, 5_999), (60_010, 6_000)])
def test_default_of_validation(tmp_path, monkeypatch, count, held_out):
    # The paper's 6,000; of fewer than 60,000 images a tenth.
    images, labels = np.zeros((count, 3, 32, 32), np.uint8), np.arange(count) % 10
    monkeypatch.setattr(svhn, "read_digits", lambda path: (images, labels))
    for name in (TRAIN, TEST):
        (tmp_path / name).touch()
    assert len(SVHN(root=tmp_path).validation) == held_out


@pytest.mark.parametrize("below", ["", "svhn"])
def test_named_folder(monkeypatch, tmp_path, below):
    folder = own_data(tmp_path / "own" / below)
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "own"))
    assert len(SVHN("full").test) == 40
    with pytest.raises(DataError, match="named by root or D2L_LITE_DATA") as caught:
        SVHN(root=tmp_path / "own", extra=True)
    assert str(caught.value).startswith(f"{folder / EXTRA}: not found")


def test_download(server, monkeypatch, tmp_path):
    for path in own_data(tmp_path / "published").iterdir():
        server.files[path.name] = path.read_bytes()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(svhn.SHA256, path.name.partition("_")[0], digest)
    mirrors = [f"{server.url}/{behaviour}/" for behaviour in ("lost", "good")]
    monkeypatch.setattr(svhn, "MIRRORS", mirrors)
    with pytest.raises(DataError, match=r'no good copy.*SVHN\(scale="full"\) does'):
        SVHN("quick")
    assert not server.requests
    for scale in ("full", "full", "quick"):
        assert len(SVHN(scale).test) == 40
    expected = [f"{how}/{name}" for name in (TRAIN, TEST) for how in ("lost", "good")]
    assert server.requests == expected


def test_without_scipy_nothing_is_downloaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(DataError, match=r"need SciPy: pip install 'd2l-lite\[svhn\]'"):
        SVHN("full")


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"X": None}, "not a MATLAB file of X and y .KeyError: 'X'"),
        ({"X": np.zeros((40, 32, 32, 3), np.uint8)}, r"X is uint8 \(40, 32, 32, 3\)"),
        ({"X": np.zeros((32, 32, 3, 40))}, "X is float64"),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8)}, r"\(32, 32, 3, 0\), not uint8"),
        ({"y": np.ones((39, 1), np.uint8)}, "y is not one label, 1 to 10, for each of"),
        ({"y": np.full((40, 1), 11)}, "y is not one label"),
        ({"y": np.full((40, 1), np.nan)}, "y is not one label"),
        ({"y": "digits"}, "y is not one label"),
    ],
)
def test_wrong_content_is_named(tmp_path, change, problem):
    path = own_data(tmp_path) / TEST
    content = {k: v for k, v in (digits() | change).items() if v is not None}
    savemat(path, content)
    with pytest.raises(DataError, match=f"{problem}.*; replace it by a good c") as e:
        SVHN(root=tmp_path)
    assert str(e.value).startswith(f"{path}: ")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("length", [0, 100, 50_000])
def test_truncated_file(tmp_path, compress, length):
    path = own_data(tmp_path) / TRAIN
    savemat(path, digits(), do_compression=compress)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match="not a MATLAB file.*; replace it") as caught:
        SVHN(root=tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
