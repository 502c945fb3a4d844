"""The operations of a dense network in NumPy, N×C×H×W."""

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


def norm(
    x: Array, weight: Array, bias: Array, mean: Array, var: Array, epsilon: float
) -> Array:
    """Batch normalisation by a given mean and variance."""
    scale = np.asarray(weight, float) / np.sqrt(np.asarray(var, float) + epsilon)
    return column(scale) * (x - column(mean)) + column(bias)


def average(x: Array, size: int = 2, stride: int = 2) -> Array:
    return windows(x, size, stride).mean(axis=(4, 5))


def maximum(x: Array, size: int = 3, stride: int = 2, sides: Sides = 1) -> Array:
    return windows(pad(x, sides, -np.inf), size, stride).max(axis=(4, 5))
