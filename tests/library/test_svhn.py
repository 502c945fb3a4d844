"""SVHN from small MATLAB files, written by SciPy as the published ones are made."""

import hashlib
import io

import numpy as np
import pytest
from scipy.io import savemat

from d2l_lite import DataError
from d2l_lite.data import download, svhn
from d2l_lite.data.svhn import SVHN, read_digits

pytestmark = pytest.mark.usefixtures("offline")

TRAIN, EXTRA, TEST = svhn.SHA256


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


# The format


@pytest.mark.parametrize("compress", [False, True])
def test_pixels_by_hand(tmp_path, compress):
    images = np.zeros((32, 32, 3, 2), np.uint8)
    images[4, 7, 2, 1] = 99
    path = tmp_path / "x.mat"
    stored = {"X": images, "y": np.array([[3], [10]], np.uint8)}
    savemat(path, stored, do_compression=compress)
    found, labels = read_digits(path)
    assert found.shape == (2, 3, 32, 32) and found.dtype == np.uint8
    assert np.argwhere(found).tolist() == [[1, 2, 4, 7]] and found.max() == 99
    # Ten stands for zero.
    assert labels.tolist() == [3, 0] and labels.dtype == np.int64
    assert found.flags.c_contiguous


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float64])
def test_labels_of_any_kind_of_number(tmp_path, kind):
    content = digits()
    savemat(tmp_path / "x.mat", content | {"y": content["y"].astype(kind)})
    expected = (np.arange(40) + 1) % 10
    assert np.array_equal(read_digits(tmp_path / "x.mat")[1], expected)


def test_other_variables_are_passed_over(tmp_path):
    savemat(tmp_path / "x.mat", {"name": "digits", "a": 1j, **digits()})
    assert len(read_digits(tmp_path / "x.mat")[1]) == 40


# The data set


def test_parts_and_batches(tmp_path):
    data = SVHN(root=own_data(tmp_path))
    assert data.scale == "full" and sizes(data) == [36, 4, 40]
    assert data.classes == tuple(str(digit) for digit in range(10))
    images, labels = next(data.test.batches(7))
    content = digits(seed=1)
    # Divided by 255 and no more, as in section 4.2 of the paper.
    expected = content["X"].transpose(3, 2, 0, 1)[:7] / 255
    assert np.abs(images - expected).max() < 1e-7
    assert images.min() >= 0 and images.max() <= 1
    assert labels.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_extra_images_join_the_training_set(tmp_path):
    root = own_data(tmp_path, extra=60)
    assert sizes(SVHN(root=root)) == [36, 4, 40]
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


@pytest.mark.parametrize("count, held_out", [(40, 4), (59_990, 5_999), (60_010, 6_000)])
def test_default_of_validation(tmp_path, monkeypatch, count, held_out):
    # The paper's 6,000; of fewer than 60,000 images a tenth.
    images, labels = np.zeros((count, 3, 32, 32), np.uint8), np.arange(count) % 10
    monkeypatch.setattr(svhn, "read_digits", lambda path: (images, labels))
    for name in (TRAIN, TEST):
        (tmp_path / name).touch()
    assert len(SVHN(root=tmp_path).validation) == held_out


def test_digits_are_not_mirrored(tmp_path):
    train = SVHN(root=own_data(tmp_path)).train
    with pytest.raises(ValueError, match=r"^batches\(augment=True\)"):
        train.batches(4, augment=True, rng=np.random.default_rng(0))


def test_resize(tmp_path):
    data = SVHN(root=own_data(tmp_path), resize=(48, 40))
    for part in (data.train, data.validation, data.test):
        assert next(part.batches(2))[0].shape == (2, 3, 48, 40)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"extra": 1}, "(extra=1): choose from False, True"),
        ({"extra": None}, "(extra=None): choose from False, True"),
        ({"resize": (0, 96)}, "(resize=(0, 96)): height and width must be at least 1"),
        ({"scale": "huge"}, "(scale='huge'): choose from quick, full"),
        ({"seed": -1}, "(seed=-1): must be an integer, at least 0"),
        ({"validation": 40}, "(validation=40): must be an integer, 1 to 39"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    own_data(tmp_path)
    with pytest.raises(ValueError) as caught:
        SVHN(root=tmp_path, **arguments)
    assert str(caught.value).startswith("SVHN" + message)


def test_quick_takes_shares_of_the_real_images(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("D2L_LITE_DATA", str(own_data(tmp_path, 5000)))
    data = SVHN()
    assert data.scale == "quick" and sizes(data) == [3600, 400, 1000]
    assert np.bincount(data.train.labels).tolist() == [360] * 10
    assert capsys.readouterr().out == (
        "quick run: 4,000 training images of SVHN; "
        "D2L_LITE_SCALE=full trains on all of them\n"
    )


# Places


@pytest.mark.parametrize("below", ["", "svhn"])
def test_named_folder(monkeypatch, tmp_path, below):
    own_data(tmp_path / "own" / below)
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "nothing"))
    assert len(SVHN(root=tmp_path / "own").test) == 40
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "own"))
    assert len(SVHN("full").test) == 40


def test_named_folder_without_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("D2L_LITE_DATA", str(own_data(tmp_path)))
    with pytest.raises(DataError, match="named by root or D2L_LITE_DATA") as caught:
        SVHN("full", extra=True)
    assert str(caught.value).startswith(f"{tmp_path / EXTRA}: not found")
    with pytest.raises(DataError, match="^~nobody-has-this-name/x/.*: not found"):
        SVHN(root="~nobody-has-this-name/x")


def test_cache_comes_before_the_network(monkeypatch, tmp_path):
    published = own_data(tmp_path / "published")
    for name in (TRAIN, TEST):
        content = (published / name).read_bytes()
        monkeypatch.setitem(svhn.SHA256, name, hashlib.sha256(content).hexdigest())
    asked = []

    class Response(io.BytesIO):
        status, headers = 200, {}

    def second_mirror(request, **_):
        asked.append(request.full_url)
        if request.full_url.startswith(svhn.MIRRORS[0]):
            raise OSError("gone")
        return Response((published / request.full_url.rpartition("/")[2]).read_bytes())

    monkeypatch.setattr(download, "urlopen", second_mirror)
    with pytest.raises(DataError, match=r'no good copy.*SVHN\(scale="full"\) does'):
        SVHN("quick")
    assert not asked
    assert len(SVHN("full").test) == 40
    assert asked == [m + name for name in (TRAIN, TEST) for m in svhn.MIRRORS]
    assert len(SVHN("full").test) == len(SVHN("quick").test) == 40
    assert len(asked) == 4


def test_no_network_is_one_error():
    with pytest.raises(DataError) as caught:
        SVHN("full")
    message = str(caught.value)
    assert message.startswith(f"{TRAIN}: no mirror delivered it\n")
    for part in (*svhn.MIRRORS, "D2L_LITE_DATA"):
        assert part in message


# Bad files


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"X": None}, "has no variable X"),
        ({"y": None}, "has no variable y"),
        ({"X": np.zeros((40, 32, 32, 3), np.uint8)}, r"X is uint8 \(40, 32, 32, 3\)"),
        ({"X": np.zeros((32, 32, 3), np.uint8)}, r"\(32, 32, 3\), not uint8 32×32×3×N"),
        ({"X": np.zeros((32, 32, 3, 40))}, "X is float64"),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8)}, r"\(32, 32, 3, 0\), not uint8"),
        ({"X": np.zeros((1, 1), np.uint8)}, r"X is uint8 \(1, 1\)"),
        ({"y": np.ones((39, 1), np.uint8)}, r"y has shape \(39, 1\), .* 40 images"),
        ({"y": np.ones((1, 40), np.uint8)}, r"y has shape \(1, 40\)"),
        ({"y": np.zeros((40, 1), np.uint8)}, "y has other values than 1 to 10"),
        ({"y": np.full((40, 1), 11)}, "y has other values than 1 to 10"),
        ({"y": np.full((40, 1), 1.5)}, "y has other values than 1 to 10"),
        ({"y": np.full((40, 1), np.nan)}, "y has other values than 1 to 10"),
        ({"y": "digits"}, "y is not an array of real numbers"),
    ],
)
def test_wrong_content_is_named(tmp_path, change, problem):
    path = own_data(tmp_path) / TEST
    content = {k: v for k, v in (digits() | change).items() if v is not None}
    savemat(path, content)
    with pytest.raises(
        DataError, match=f"{problem}.*; replace it by a good copy$"
    ) as e:
        SVHN(root=tmp_path)
    assert str(e.value).startswith(f"{path}: ")


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_file(tmp_path, compress):
    path = own_data(tmp_path) / TRAIN
    savemat(path, digits(), do_compression=compress)
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(DataError, match="truncated; replace it") as caught:
        SVHN(root=tmp_path)
    assert str(caught.value).startswith(f"{path}: ")


def test_too_many_images_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(svhn, "MOST_IMAGES", 39)
    own_data(tmp_path)
    with pytest.raises(DataError, match="X has 122,880 bytes, more than 119,808"):
        SVHN(root=tmp_path)
