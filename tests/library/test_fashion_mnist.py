"""Fashion-MNIST from every place it may lie in."""

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from few_images import write_idx

from d2l_lite import DataError
from d2l_lite.data import fashion_mnist as data
from d2l_lite.data.fashion_mnist import DEBIAN, SHA256, FashionMNIST, read
from d2l_lite.data.transforms import pad

pytestmark = pytest.mark.usefixtures("offline")

NAMES = [name.removesuffix(".gz") for name in SHA256]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
# Of the real files' content: Debian packs it in its own way.
CONTENT_SHA256 = [
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
]


@pytest.fixture(scope="module")
def full():
    """The real data; where they must not be missing, that is a failure."""
    if not DEBIAN.is_dir():
        reason = f"{DEBIAN} is not there: apt install dataset-fashion-mnist"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return read("full", DEBIAN)


def own_data(folder, count=40, suffix=""):
    """A small data set of a reader's own, well-formed."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    for name in NAMES:
        shape = (count, 28, 28) if "images" in name else count
        high = 256 if "images" in name else 10
        array = draw.integers(high, size=shape, dtype=np.uint8)
        write_idx(folder / f"{name}{suffix}", array)
    return folder


# The embedded sample


def test_quick_run_needs_no_disk_and_no_network(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "missing"))
    clothes = FashionMNIST(scale="quick")
    assert clothes.scale == "quick"
    parts = clothes.train, clothes.validation, clothes.test
    assert [len(part) for part in parts] == [3600, 400, 1000]
    for part in parts:
        assert part.images.shape[1:] == (1, 32, 32)
        assert len(set(np.bincount(part.labels, minlength=10))) == 1


def test_sample_is_drawn_from_the_real_data(full):
    # This is how it was made.
    for sample, real, count in zip(read("quick"), full, (4_000, 1_000)):
        drawn = real.split(count, seed=0)[1]
        assert np.array_equal(sample.images, drawn.images)
        assert np.array_equal(sample.labels, drawn.labels)


# Fashion-MNIST


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("name, sha256", zip(NAMES, CONTENT_SHA256))
def test_debians_files_are_the_published_ones(name, sha256):
    content = gzip.decompress((DEBIAN / f"{name}.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() == sha256


@pytest.mark.usefixtures("full")
def test_full_data():
    clothes = FashionMNIST(scale="full")
    parts = clothes.train, clothes.validation, clothes.test
    assert [len(part) for part in parts] == [54_000, 6_000, 10_000]
    assert np.bincount(clothes.validation.labels).tolist() == [600] * 10
    assert np.bincount(clothes.test.labels).tolist() == [1000] * 10


def test_mean_and_std_are_those_of_the_training_images(full):
    counts = np.bincount(full[0].images.ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    std = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    assert (round(mean, 4),) == FashionMNIST.mean
    assert (round(std, 4),) == FashionMNIST.std


def test_classes():
    assert FashionMNIST.classes == (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )


def test_two_black_pixels_on_each_side_or_resized():
    clothes, (_, test) = FashionMNIST("quick"), read("quick")
    assert np.array_equal(clothes.test.images, pad(test.images, 2))
    clothes = FashionMNIST("quick", resize=(96, 64))
    for part in (clothes.train, clothes.validation, clothes.test):
        images, _ = next(part.batches(2))
        assert images.shape == (2, 1, 96, 64)
        # Stored small: 60,000 large ones would not fit.
        assert part.images.shape[2:] == (28, 28)


def test_validation_and_seed():
    first, same = (FashionMNIST("quick", validation=50, seed=1) for _ in range(2))
    other = FashionMNIST("quick", validation=50, seed=2)
    assert [len(first.train), len(first.validation)] == [3950, 50]
    assert np.array_equal(first.validation.images, same.validation.images)
    assert not np.array_equal(first.validation.images, other.validation.images)
    assert np.array_equal(first.test.images, other.test.images)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"resize": (0, 96)}, "(resize=(0, 96)): height and width must be at least 1"),
        ({"resize": (9.5, 9)}, "(resize=(9.5, 9)): height and width must be integers"),
        ({"resize": 96}, "(resize=96): must be (height, width)"),
        ({"scale": "huge"}, "(scale='huge'): choose from quick, full"),
        ({"validation": 0}, "(validation=0): must be an integer, 1 to 3999"),
        ({"validation": 4000}, "(validation=4000): must be an integer, 1 to 3999"),
        ({"seed": -1}, "(seed=-1): must be an integer, at least 0"),
        ({"scale": "quick", "root": "x"}, "(scale='quick', root='x'): a quick run"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as caught:
        FashionMNIST(**arguments)
    assert str(caught.value).startswith("FashionMNIST" + message)


@pytest.mark.usefixtures("full")
def test_one_line_says_how_large_the_run_is(capsys, monkeypatch):
    FashionMNIST()
    FashionMNIST()
    FashionMNIST(scale="quick")
    assert capsys.readouterr() == (
        "quick run: 4,000 training images of Fashion-MNIST; "
        "for all set D2L_LITE_SCALE=full\n",
        "",
    )
    monkeypatch.setenv("D2L_LITE_SCALE", "full")
    assert FashionMNIST().scale == "full"
    assert capsys.readouterr().out == (
        "full run: 60,000 training images of Fashion-MNIST; "
        "D2L_LITE_SCALE=quick trains on 4,000 of them\n"
    )


# Where the full data come from


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "fashion-mnist"])
def test_named_folder(monkeypatch, tmp_path, suffix, below, capsys):
    own_data(tmp_path / "own" / below, suffix=suffix)
    clothes = FashionMNIST(root=tmp_path / "own")
    assert clothes.scale == "full"
    assert [len(clothes.train), len(clothes.validation)] == [36, 4]
    assert len(clothes.test) == 40
    # Named by the environment it does not change the scale.
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "own"))
    assert len(FashionMNIST().test) == 1000
    assert len(FashionMNIST(scale="full").test) == 40
    # What is named in the program comes first.
    assert len(FashionMNIST(root=own_data(tmp_path / "b", 30)).test) == 30


def test_named_folder_without_files_is_an_error(monkeypatch, tmp_path):
    # Not the cache nor the network instead: the reader named this folder.
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "nothing"))
    path = tmp_path / "nothing" / TRAIN_IMAGES
    with pytest.raises(DataError, match="named by root or D2L_LITE_DATA") as caught:
        FashionMNIST(scale="full")
    assert str(caught.value).startswith(f"{path}: not found, nor {path.name}.gz")


def zeros(*shape):
    return np.zeros(shape, np.uint8)


@pytest.mark.parametrize(
    "name, array, problem",
    [
        (TRAIN_LABELS, zeros(39), "40 images but 39 labels; replace both"),
        (TEST_LABELS, zeros(40) + 10, "labels from 10 to 10, but there are 10 classes"),
        (TEST_LABELS, zeros(40, 28, 28), r"labels must be int64 N, not int64 \(40, 28"),
        (TRAIN_IMAGES, zeros(40), r"shape \(40,\), not N×28×28; replace it"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, name, array, problem):
    write_idx(own_data(tmp_path) / name, array)
    with pytest.raises(DataError, match=problem) as caught:
        FashionMNIST(root=tmp_path)
    assert str(tmp_path) in str(caught.value) and name in str(caught.value)


def test_debian_comes_before_cache_before_the_network(monkeypatch, tmp_path, server):
    packed = own_data(tmp_path / "packed", suffix=".gz")
    for name in SHA256:
        server.files[name] = (packed / name).read_bytes()
        digest = hashlib.sha256(server.files[name]).hexdigest()
        monkeypatch.setitem(SHA256, name, digest)
    monkeypatch.setattr(data, "MIRRORS", [f"{server.url}/good/"])
    monkeypatch.setattr(data, "DEBIAN", packed)
    assert len(FashionMNIST("full").test) == 40
    assert server.requests == []
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "none")
    for _ in range(2):
        assert len(FashionMNIST("full").test) == 40
        assert server.requests == [f"good/{name}" for name in SHA256]
    # A damaged copy is not used.
    cached = tmp_path / "cache" / "fashion-mnist" / f"{TRAIN_IMAGES}.gz"
    write_idx(cached, zeros(40, 28, 28))
    assert FashionMNIST("full").train.images.any()
    assert server.requests[4:] == [f"good/{cached.name}"]


def test_no_network_is_one_error_with_the_remedies(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "none")
    with pytest.raises(DataError) as caught:
        FashionMNIST("full")
    message = str(caught.value)
    assert message.startswith(f"{TRAIN_IMAGES}.gz: no mirror delivered it\n")
    for part in (*data.MIRRORS, "D2L_LITE_DATA", 'scale="quick"', "apt install"):
        assert part in message


def test_neutral_modules_import_no_framework():
    code = (
        "import sys, d2l_lite.data.cifar, d2l_lite.data.fashion_mnist, "
        "d2l_lite.data.svhn; "
        "print({'torch', 'tensorflow', 'jax', 'mxnet'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    output = subprocess.check_output([sys.executable, "-c", code], cwd=root)
    assert output.decode().strip() == "set()"
