"""Sets of images, their parts and their batches, against numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest

from d2l_lite.data.image_set import ImageSet
from d2l_lite.data.transforms import mirror, normalise, resize, shifted_crop


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


def generator():
    return np.random.default_rng(0)


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


def test_per_class_takes_more_to_fewer():
    labels = np.repeat([0, 1, 2], [9, 4, 6])
    pixels = np.arange(19, dtype=np.uint8).reshape(19, 1, 1, 1)
    images = ImageSet(pixels, labels, tuple("abc"), (0.5,), (0.5,))
    few, more = images.per_class(2, seed=1), images.per_class(4, seed=1)
    assert few.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.bincount(more.labels).tolist() == [4, 4, 4]
    found, wider = (part.images.ravel().tolist() for part in (few, more))
    assert set(found) < set(wider) and labels[wider].tolist() == more.labels.tolist()
    assert images.per_class(2, seed=2).images.ravel().tolist() != found
    for count in (0, 5):
        with pytest.raises(ValueError, match=rf"per_class\({count}\): .*1 to 4"):
            images.per_class(count, seed=0)
