"""Padding, resizing, mirroring, shifting and normalising, against numbers by hand."""

import numpy as np
import pytest
import torch

from d2l_lite.data.transforms import mirror, normalise, pad, resize, shifted_crop


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def test_pad_adds_black_on_each_side():
    padded = pad(np.full((1, 1, 1, 2), 7, np.uint8), 1)
    assert padded.dtype == np.uint8
    assert padded[0, 0].tolist() == [[0, 0, 0, 0], [0, 7, 7, 0], [0, 0, 0, 0]]
    assert pad(random_images(3, 2, 28, 28), 2).shape == (3, 2, 32, 32)


def test_resize_two_by_two_by_hand():
    # Half-pixel centres: target pixel i lies at (i + 0.5) · 2/4 − 0.5 in the source:
    # −0.25, 0.25, 0.75, 1.25. Outside [0, 1] the border counts: 0, 1/4, 3/4, 1.
    # The source is 0 4 / 8 12, that is 4·x + 8·y, and bilinear keeps it.
    positions = np.array([0, 0.25, 0.75, 1])
    expected = 4 * positions[None, :] + 8 * positions[:, None]
    resized = resize(np.array([[[[0, 4], [8, 12]]]], np.uint8), (4, 4))
    assert resized.dtype == np.float32
    assert resized[0, 0].tolist() == expected.tolist()


def test_resize_is_not_rounded():
    # The middle of 0 and 1.
    resized = resize(np.array([[[[0, 1]]]], np.uint8), (1, 1))
    assert resized.item() == 0.5


def test_resize_to_the_same_size_changes_nothing():
    images = random_images(2, 1, 28, 28)
    assert np.array_equal(resize(images, (28, 28)), images)


sizes = [((28, 28), (96, 96)), ((28, 28), (224, 224)), ((32, 32), (28, 28))]
draw = np.random.default_rng(1)
sizes += [tuple(map(tuple, draw.integers(1, 60, (2, 2)).tolist())) for _ in range(20)]


@pytest.mark.parametrize("source, target", sizes)
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_equals_pytorch(source, target, channels):
    images = random_images(3, channels, *source)
    expected = torch.nn.functional.interpolate(
        torch.tensor(images, dtype=torch.float64),
        size=target,
        mode="bilinear",
        align_corners=False,
    )
    resized = resize(images, target)
    assert resized.shape == (3, channels, *target)
    # float32 holds 24 bits: 255 · 2⁻²⁴ = 1.5e-5 for each of a handful of roundings.
    assert np.abs(resized - expected.numpy()).max() < 1e-4


def test_mirror_only_the_chosen():
    images = np.arange(6, dtype=np.uint8).reshape(2, 1, 1, 3)
    before = images.copy()
    mirrored = mirror(images, np.array([False, True]))
    assert mirrored[:, 0, 0].tolist() == [[0, 1, 2], [5, 4, 3]]
    assert np.array_equal(images, before)


def test_shifted_crop_by_hand():
    image = np.array([[[[1, 2], [3, 4]]]], np.uint8)
    # Padded by one: 0 0 0 0 / 0 1 2 0 / 0 3 4 0 / 0 0 0 0.
    cases = {(1, 1): [[1, 2], [3, 4]], (0, 1): [[0, 0], [1, 2]]}
    cases |= {(2, 0): [[0, 3], [0, 0]], (1, 2): [[2, 0], [4, 0]]}
    cropped = shifted_crop(image.repeat(4, axis=0), np.array([*cases]), border=1)
    assert cropped[:, 0].tolist() == [*cases.values()]


def test_shifted_crop_shifts_all_channels_of_an_image_alike():
    images = random_images(1, 1, 8, 8).repeat(3, axis=1)
    cropped = shifted_crop(images, np.array([[7, 2]]))
    assert np.array_equal(cropped[:, 0], cropped[:, 2])
    # First row 7 of the padded image is row 7 − 4 of the image; column 2 is −2.
    assert np.array_equal(cropped[0, 0, :5, 2:], images[0, 0, 3:, :6])
    assert not cropped[0, 0, 5:].any() and not cropped[0, 0, :, :2].any()


def test_normalise_per_channel():
    images = np.array([[[[0]], [[255]]]], np.uint8)
    normalised = normalise(images, (0.5, 0.2), (0.25, 0.4))
    # (0 − 0.5) / 0.25 = −2 and (1 − 0.2) / 0.4 = 2.
    assert normalised.dtype == np.float32
    assert normalised[0, :, 0, 0].tolist() == pytest.approx([-2, 2])
