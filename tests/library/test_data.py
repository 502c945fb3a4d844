"""Image sets, their batches, and Fashion-MNIST from every place it may lie in."""

import gzip
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from few_images import write_idx

from d2l_lite import DataError
from d2l_lite.data import fashion_mnist as data
from d2l_lite.data.fashion_mnist import (
    DEBIAN,
    SAMPLE,
    SHA256,
    FashionMNIST,
    ImageSet,
    read,
)
from d2l_lite.data.transforms import mirror, normalise, pad, resize, shifted_crop

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


def tiny(count=10, channels=1, size=None, classes=2):
    """`count` images whose pixels all hold their index, labels 0 1 0 1 ..."""
    images = np.arange(count, dtype=np.uint8).repeat(channels * 36)
    labels = np.arange(count) % classes
    return ImageSet(
        images.reshape(count, channels, 6, 6),
        labels,
        tuple(map(str, range(classes))),
        (0.0,) * channels,
        (1.0,) * channels,
        size,
    )


def indices(images):
    """Undo `tiny`: the index of each image."""
    return np.rint(images[:, 0, 0, 0] * 255).astype(int).tolist()


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


# Batches


def test_batches_in_order():
    batches = list(tiny().batches(4))
    assert [indices(images) for images, _ in batches] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    images, labels = batches[0]
    assert images.dtype == np.float32 and images.shape == (4, 1, 6, 6)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 1, 0, 1]
    sizes = [len(labels) for _, labels in tiny().batches(4, drop_last=True)]
    assert sizes == [4, 4]


def test_examples_are_shuffled_not_batches():
    numbers = tiny(100)
    rng = np.random.default_rng(0)
    batches = [indices(images) for images, _ in numbers.batches(10, True, rng=rng)]
    order = sum(batches, [])
    assert sorted(order) == list(range(100))
    # Shuffled batches would keep neighbours together.
    assert all(max(batch) - min(batch) > 9 for batch in batches)
    again = [indices(i) for i, _ in numbers.batches(10, True, rng=rng)]
    assert batches != again


def test_labels_follow_their_images():
    rng = np.random.default_rng(0)
    for images, labels in tiny(100).batches(7, True, True, rng):
        # A shift by four leaves two of six pixels, and black where nothing was: an
        # image is known by its brightest pixel.
        index = np.rint(images.max(axis=(1, 2, 3)) * 255).astype(int)
        assert np.array_equal(index % 2, labels)


def test_draws_come_in_the_documented_order():
    images = np.random.default_rng(1).integers(256, size=(10, 3, 8, 8), dtype=np.uint8)
    numbers = replace(
        tiny(10), images=images, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    rng, same = np.random.default_rng(5), np.random.default_rng(5)
    batches = numbers.batches(4, shuffle=True, augment=True, rng=rng)
    order = same.permutation(10)
    for start, (got, labels) in zip((0, 4, 8), batches, strict=True):
        chosen = order[start : start + 4]
        flips = same.integers(2, size=len(chosen)) == 1
        offsets = same.integers(9, size=(len(chosen), 2))
        expected = shifted_crop(mirror(images[chosen], flips), offsets)
        expected = normalise(expected, numbers.mean, numbers.std)
        assert np.array_equal(got, expected)
        assert np.array_equal(labels, numbers.labels[chosen])
    assert rng.random() == same.random()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [None, (6, 6), (9, 5)])
@pytest.mark.parametrize("augment", [False, True])
def test_batches_are_contiguous_and_belong_to_the_caller(channels, size, augment):
    numbers = tiny(5, channels, size)
    before = numbers.images.copy(), numbers.labels.copy()
    for images, labels in numbers.batches(2, augment=augment, rng=generator()):
        assert images.shape[1:] == (channels, *(size or (6, 6)))
        assert images.dtype == np.float32 and images.flags.c_contiguous
        images[:] = 99
        labels[:] = 99
    assert np.array_equal(numbers.images, before[0])
    assert np.array_equal(numbers.labels, before[1])


def generator():
    return np.random.default_rng(0)


def test_resizing_and_normalising_may_change_places():
    # Both are linear and the weights of a resized pixel sum to one.
    images = generator().integers(256, size=(3, 1, 6, 6), dtype=np.uint8)
    numbers = replace(tiny(3, size=(9, 7)), images=images, mean=(0.3,), std=(0.4,))
    [(got, _)] = numbers.batches(3)
    expected = (resize(images, (9, 7)) / 255 - 0.3) / 0.4
    assert np.abs(got - expected).max() < 1e-5


@pytest.mark.parametrize("batch_size", [0, 2.0, "64", None, True])
def test_batch_size(batch_size):
    with pytest.raises(ValueError, match="an integer, at least 1") as caught:
        tiny().batches(batch_size)
    assert str(caught.value).startswith(f"batches(batch_size={batch_size!r}): ")


@pytest.mark.parametrize("option", ["shuffle", "augment"])
def test_chance_needs_a_generator(option):
    with pytest.raises(ValueError, match="need a generator, for example rng=numpy"):
        tiny().batches(2, **{option: True})


def test_images_that_must_not_be_mirrored():
    digits = replace(tiny(), augmentable=False)
    with pytest.raises(
        ValueError, match=r"^batches\(augment=True\): mirrored, .*digit"
    ):
        digits.batches(2, augment=True, rng=generator())
    [(images, _)] = digits.batches(10, shuffle=True, rng=generator())
    assert sorted(indices(images)) == list(range(10))


# Image sets


def test_length_and_take():
    numbers = tiny()
    assert len(numbers) == 10
    assert len(numbers.take(3)) == 3
    assert numbers.take(3).labels.tolist() == [0, 1, 0]
    for count in (0, 11, 1.5):
        with pytest.raises(ValueError, match=rf"^take\({count}\): .* 1 to 10$"):
            numbers.take(count)


def test_split_is_stratified_and_complete():
    # 70 + 20 + 10 of three classes; a fifth of each: 14 + 4 + 2.
    labels = generator().permutation(np.repeat([0, 1, 2], [70, 20, 10]))
    numbers = replace(tiny(100, classes=3), labels=labels)
    rest, held_out = numbers.split(20, seed=0)
    assert np.bincount(held_out.labels).tolist() == [14, 4, 2]
    assert np.bincount(rest.labels).tolist() == [56, 16, 8]
    first, second = (part.images[:, 0, 0, 0].tolist() for part in (rest, held_out))
    assert sorted(first + second) == list(range(100))
    assert np.array_equal(held_out.labels, labels[second])


def test_split_of_shares_that_are_not_whole():
    # Shares of 5 of 10: 3.5 + 1.5, so one class is rounded up; the sum is kept.
    numbers = replace(tiny(), labels=np.repeat([0, 1], [7, 3]))
    _, held_out = numbers.split(5, seed=0)
    assert sorted(np.bincount(held_out.labels).tolist()) in ([1, 4], [2, 3])


def test_split_depends_on_the_seed_only():
    first, same, other = (tiny(100).split(10, seed)[1].images for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    for count in (0, 10, "2"):
        with pytest.raises(ValueError, match="an integer, 1 to 9$"):
            tiny().split(count, 0)
    for seed in (-1, "a", None):
        with pytest.raises(
            ValueError, match=rf"^split\(seed={seed!r}\): must be an int"
        ):
            tiny().split(2, seed)


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"images": np.zeros((10, 1, 6, 6))}, "uint8 N×C×H×W, not float64"),
        ({"images": np.zeros((10, 0, 6, 6), np.uint8)}, "there are no images"),
        ({"labels": np.zeros(9, np.int64)}, "10 images but 9 labels"),
        ({"labels": np.zeros(10, np.uint8)}, "labels must be int64 N, not uint8"),
        ({"labels": np.arange(10)}, "labels from 0 to 9, but there are 2 classes"),
        ({"mean": (0.1, 0.2)}, "one value for each of 1 channels"),
        ({"std": (0.0,)}, "must be positive"),
        ({"size": (0, 4)}, "at least 1"),
    ],
)
def test_image_set_refuses_parts_that_do_not_fit(change, problem):
    with pytest.raises(ValueError, match=problem):
        replace(tiny(), **change)


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


def test_sample_is_small_and_balanced():
    assert sum(path.stat().st_size for path in SAMPLE.glob("*.gz")) < 3_000_000
    train, test = read("quick")
    assert np.bincount(train.labels).tolist() == [400] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10


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
    assert FashionMNIST("quick").train.classes == FashionMNIST.classes


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
        "D2L_LITE_SCALE=full trains on all of them\n",
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
