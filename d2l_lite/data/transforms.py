"""Pure functions on batches of images, N×C×H×W.

See chapter "training" for padding and normalising, "how_fast" for resizing.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BAND = 16


def pad(images: np.ndarray, border: int) -> np.ndarray:
    """Put `border` black pixels on each side: N×C×H×W -> N×C×(H+2b)×(W+2b)."""
    count, channels, height, width = images.shape
    shape = (count, channels, height + 2 * border, width + 2 * border)
    padded = np.zeros(shape, images.dtype)
    padded[..., border : border + height, border : border + width] = images
    return padded


def mirror(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Swap left and right in the images where `chosen` (N booleans) is true."""
    mirrored = images.copy()
    mirrored[chosen] = images[chosen][..., ::-1]
    return mirrored


def shifted_crop(
    images: np.ndarray, offsets: np.ndarray, border: int = 4
) -> np.ndarray:
    """Pad by `border`, then cut a window of the old size out of each image.

    `offsets` (N×2, from 0 to 2 × border) are the window's first row and column;
    (border, border) gives the image back.
    """
    windows = sliding_window_view(pad(images, border), images.shape[2:], axis=(2, 3))
    return windows[np.arange(len(images)), :, offsets[:, 0], offsets[:, 1]]


def normalise(
    images: np.ndarray, mean: Sequence[float], std: Sequence[float]
) -> np.ndarray:
    """Return ``(images / 255 - mean) / std`` per channel, float32, from uint8."""
    mean, std = (np.reshape(v, (-1, 1, 1)).astype(float) for v in (mean, std))
    scaled = np.multiply(images, np.float32(1 / (255 * std)), dtype=np.float32)
    scaled -= np.float32(mean / std)
    return scaled


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize bilinearly to `size` (height, width); float32, values not rounded.

    Pixel centres lie at half-integers and nothing is smoothed before shrinking, as in
    PyTorch's ``interpolate(mode="bilinear", align_corners=False)``.
    """
    count, channels, height, width = images.shape
    rows = np.ascontiguousarray(images, np.float32).reshape(-1, width)
    wide = rows @ _weights(width, size[1]).T
    wide = wide.reshape(count, channels, height, size[1])
    resized = np.empty((count, channels, *size), np.float32)
    # A row mixes two neighbours: in bands most of the zeros are never multiplied.
    for target, source, weights in _bands(height, size[0]):
        np.matmul(weights, wide[:, :, source], out=resized[:, :, target])
    return resized


@cache
def _weights(source: int, target: int) -> np.ndarray:
    """The target × source matrix of linear interpolation along one axis."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    # Beyond the outer centres the border pixel is repeated.
    centres = centres.clip(0, source - 1)[:, None]
    weights = 1 - np.abs(centres - np.arange(source))
    return weights.clip(0).astype(np.float32)


@cache
def _bands(source: int, target: int) -> list[tuple[slice, slice, np.ndarray]]:
    """Split `_weights` by rows: (target rows, source rows, the block between them)."""
    bands = []
    for start in range(0, target, BAND):
        rows = slice(start, min(start + BAND, target))
        used = np.flatnonzero(_weights(source, target)[rows].any(axis=0))
        columns = slice(used[0], used[-1] + 1)
        block = np.ascontiguousarray(_weights(source, target)[rows, columns])
        bands.append((rows, columns, block))
    return bands
