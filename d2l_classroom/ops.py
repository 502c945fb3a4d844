"""The operations of a dense network in NumPy, forward and backward, N×C×H×W."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EPSILON = 1e-5
KEEP = 0.9
Array = np.ndarray
Sides = int | tuple[tuple[int, int], tuple[int, int]]


def pad(x: Array, sides: Sides, value: float = 0.0) -> Array:
    """`sides` pixels around each map, or ((above, below), (left, right))."""
    if isinstance(sides, int):
        sides = ((sides, sides), (sides, sides))
    return np.pad(x, ((0, 0), (0, 0), *sides), constant_values=value)


def windows(x: Array, size: int, stride: int) -> Array:
    """The windows of a map, along two more axes."""
    view = sliding_window_view(x, (size, size), axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def column(vector: Array) -> Array:
    """A number for each channel, as it is laid over maps."""
    return np.asarray(vector, float).reshape(-1, 1, 1)


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance of each channel, the variance with divisor n."""
    return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))


def conv(
    x: Array, weight: Array, bias: Array, stride: int = 1, sides: Sides | None = None
) -> Array:
    """A convolution, padded by half its kernel unless `sides` say otherwise."""
    size = weight.shape[2]
    x = pad(x, size // 2 if sides is None else sides)
    y = np.einsum("nchwij,ocij->nohw", windows(x, size, stride), weight, optimize=True)
    return y + column(bias)


def conv_backward(
    x: Array, weight: Array, stride: int, dy: Array
) -> tuple[Array, Array, Array]:
    """Gradients by input, weight and bias."""
    size = weight.shape[2]
    half = size // 2
    padded = pad(x, half)
    view = windows(padded, size, stride)
    dweight = np.einsum("nohw,nchwij->ocij", dy, view, optimize=True)
    dx = np.zeros_like(padded)
    for part, i, j in _shifted(dx, size, stride, dy.shape[2:]):
        part += np.einsum("nohw,oc->nchw", dy, weight[:, :, i, j], optimize=True)
    height, width = x.shape[2:]
    inside = dx[:, :, half : half + height, half : half + width]
    return inside, dweight, dy.sum(axis=(0, 2, 3))


def _shifted(
    x: Array, size: int, stride: int, shape: tuple[int, ...]
) -> Iterator[tuple[Array, int, int]]:
    """For each place in a window, the pixels that stand there, of all windows."""
    rows, columns = (stride * length for length in shape)
    for i in range(size):
        for j in range(size):
            yield x[:, :, i : i + rows : stride, j : j + columns : stride], i, j


def norm(
    x: Array, weight: Array, bias: Array, mean: Array, var: Array, epsilon: float
) -> Array:
    """Batch normalisation by a given mean and variance."""
    scale = np.asarray(weight, float) / np.sqrt(np.asarray(var, float) + epsilon)
    return column(scale) * (x - column(mean)) + column(bias)


def norm_backward(
    x: Array, weight: Array, epsilon: float, dy: Array
) -> tuple[Array, Array, Array]:
    """Gradients by input, scale and shift, in training mode."""
    mean, var = moments(x)
    deviation = column(np.sqrt(var + epsilon))
    unit = (x - column(mean)) / deviation
    dbias, dweight = dy.sum(axis=(0, 2, 3)), (dy * unit).sum(axis=(0, 2, 3))
    n = x.size / x.shape[1]
    dx = dy - column(dbias) / n - unit * column(dweight) / n
    return column(weight) / deviation * dx, dweight, dbias


def average(x: Array, size: int = 2, stride: int = 2) -> Array:
    return windows(x, size, stride).mean(axis=(4, 5))


def average_backward(x: Array, dy: Array) -> Array:
    """For 2×2 pixels."""
    dx = np.zeros_like(x)
    for part, _, _ in _shifted(dx, 2, 2, dy.shape[2:]):
        part += dy / 4
    return dx


def maximum(x: Array, size: int = 3, stride: int = 2, sides: Sides = 1) -> Array:
    return windows(pad(x, sides, -np.inf), size, stride).max(axis=(4, 5))


def maximum_backward(x: Array, y: Array, dy: Array) -> Array:
    """For 3×3 pixels, stride 2, one pixel of padding; the first of equals gets it."""
    padded = pad(x, 1, -np.inf)
    dx, taken = np.zeros_like(padded), np.zeros(y.shape, bool)
    places = _shifted(padded, 3, 2, y.shape[2:])
    targets = _shifted(dx, 3, 2, y.shape[2:])
    for (part, _, _), (target, _, _) in zip(places, targets):
        here = (part == y) & ~taken
        target += dy * here
        taken |= here
    return dx[:, :, 1:-1, 1:-1]
