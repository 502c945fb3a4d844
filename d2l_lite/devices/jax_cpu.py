"""Flax's layers as a processor computes them fast: the same functions, up to rounding.

XLA leaves to a processor, in naive loops, the gradient of max pooling, convolutions of
maps smaller than the kernel and sums over all but the channels; matrix products and
slices, which these functions are made of, it computes near the processor's limit.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

POOL = {"window_shape": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1))}


def speed_up(model: nnx.Module) -> None:
    """Have the layers of a model compute as here; their variables stay theirs."""
    for _, part in nnx.iter_graph(model):
        if isinstance(part, nnx.Conv) and _plain(part):
            part.conv_general_dilated = convolution
        elif type(part) is nnx.BatchNorm and _affine(part):
            part.__class__ = BatchNorm
        elif isinstance(part, nnx.Sequential):
            for i, layer in enumerate(part.layers):
                pools = getattr(layer, "func", None) is nnx.max_pool
                if pools and layer.keywords == POOL:
                    part.layers[i] = max_pool


def _plain(conv: nnx.Conv) -> bool:
    """Whether it reads whole N×H×W×C maps, pixel by pixel, without a mask."""
    dilations = (conv.input_dilation, conv.kernel_dilation)
    whole = conv.feature_group_count == 1 and conv.mask is None
    return whole and dilations == (1, 1) and len(conv.kernel_size) == 2


def _affine(norm: nnx.BatchNorm) -> bool:
    return norm.use_scale and norm.use_bias and norm.axis == -1 and not norm.axis_name


def convolution(X, kernel, strides, padding, **options):
    """`lax.conv_general_dilated` of N×H×W×C maps with a kernel h×w×C×D."""
    (height, width, channels, maps), size = kernel.shape, X.shape[1:3]
    same = [(height // 2, height // 2), (width // 2, width // 2)]
    odd = height % 2 == width % 2 == 1
    if odd and list(padding) == same and tuple(strides) == (1, 1):
        # Of a kernel that is larger than the map, the rest meets nothing but padding.
        rows, columns = (
            slice(max(0, k // 2 - n + 1), k // 2 + n)
            for k, n in zip(kernel.shape, size)
        )
        kernel = kernel[rows, columns]
        if channels < 4 or min(size) < height:
            return _product(_patches(X, *kernel.shape[:2]), kernel)
        if maps <= channels:
            return _convolution(X, kernel)
    two = tuple(strides) == (2, 2) and list(padding) == [(3, 3), (3, 3)]
    if two and (height, width) == (7, 7) and not (size[0] % 2 or size[1] % 2):
        return _two_apart(X, kernel, options)
    return lax.conv_general_dilated(X, kernel, strides, padding, **options)


def _two_apart(X, kernel, options):
    """Steps of two pixels as steps of one over blocks of 2×2 pixels, as channels."""
    X = _blocks(jnp.pad(X, ((0, 0), (4, 2), (4, 2), (0, 0))))
    kernel = jnp.pad(kernel, ((1, 0), (1, 0), (0, 0), (0, 0)))
    kernel = _blocks(kernel.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)
    return lax.conv_general_dilated(X, kernel, (1, 1), "VALID", **options)


def _blocks(X):
    """Each 2×2 pixels of N×H×W×C maps as one with 4·C channels."""
    images, rows, columns, channels = X.shape
    X = X.reshape(images, rows // 2, 2, columns // 2, 2, channels)
    return X.swapaxes(2, 3).reshape(images, rows // 2, columns // 2, 4 * channels)


def _patches(X, height, width):
    """Around each pixel of N×H×W×C maps its window of pixels: N×H×W×(h·w·C)."""
    _, rows, columns, _ = X.shape
    X = jnp.pad(X, ((0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)))
    X = jnp.concatenate([X[:, :, j : j + columns] for j in range(width)], axis=-1)
    return jnp.concatenate([X[:, i : i + rows] for i in range(height)], axis=-1)


def _product(X, kernel):
    """Each pixel's channels times a matrix, whose rows may be given as h×w×C."""
    maps = kernel.shape[-1]
    return (X.reshape(-1, X.shape[-1]) @ kernel.reshape(-1, maps)).reshape(
        *X.shape[:-1], maps
    )


@jax.custom_vjp
def _convolution(X, kernel):
    return lax.conv_general_dilated(
        X, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _convolution_backward(kept, dY):
    """Both gradients as products with one matrix: the windows of the narrow `dY`."""
    X, kernel = kept
    height, width, channels, maps = kernel.shape
    windows = _patches(dY, height, width)
    dX = _product(windows, kernel[::-1, ::-1].swapaxes(2, 3))
    flat = X.reshape(-1, channels).T @ windows.reshape(-1, windows.shape[-1])
    turned = flat.reshape(channels, height, width, maps).transpose(1, 2, 0, 3)
    return dX, turned[::-1, ::-1]


_convolution.defvjp(
    lambda X, kernel: (_convolution(X, kernel), (X, kernel)), _convolution_backward
)


def max_pool(X):
    """`nnx.max_pool` of 3×3 windows, 2 apart, with one pixel of padding.

    Of equal pixels the first has the gradient, as everywhere.
    """
    if X.shape[1] % 2 or X.shape[2] % 2:
        return nnx.max_pool(X, **POOL)
    return _largest(_largest(X, axis=2), axis=1)


def _threes(X, axis):
    """Along an axis, of each pair of pixels the one before, the first, the second."""
    even, odd = jnp.unstack(
        X.reshape(*X.shape[:axis], -1, 2, *X.shape[axis + 1 :]), axis=axis + 1
    )
    return _moved(odd, 1, axis, -jnp.inf), even, odd


def _moved(X, by, axis, filling):
    """All pixels one further along an axis, or with -1 one back."""
    edges = [(by, -by, 0) if i == axis else (0, 0, 0) for i in range(X.ndim)]
    return lax.pad(X, jnp.array(filling, X.dtype), edges)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _largest(X, axis):
    before, even, odd = _threes(X, axis)
    return jnp.maximum(jnp.maximum(before, even), odd)


def _largest_backward(axis, X, dY):
    before, even, odd = _threes(X, axis)
    last = odd > jnp.maximum(before, even)
    second = ~last & (even > before)
    to_odd = jnp.where(last, dY, 0)
    to_before = jnp.where(last | second, 0, dY)
    pairs = jnp.where(second, dY, 0), to_odd + _moved(to_before, -1, axis, 0)
    return (jnp.stack(pairs, axis=axis + 1).reshape(X.shape),)


_largest.defvjp(lambda X, axis: (_largest(X, axis), X), _largest_backward)


class BatchNorm(nnx.BatchNorm):
    """`nnx.BatchNorm` over all axes but the last."""

    def __call__(self, X):
        if self.use_running_average:
            return super().__call__(X)
        Y, mean, var = _normalised(X, self.scale.value, self.bias.value, self.epsilon)
        for kept, new in ((self.mean, mean), (self.var, var)):
            kept.value = self.momentum * kept.value + (1 - self.momentum) * new
        return Y


def _means(X):
    """The mean of each channel, by products with ones; in groups, for they round less.

    XLA makes of a sum over more than 32 groups two programs.
    """
    groups = X.reshape(math.gcd(len(X), 32), -1, X.shape[-1])
    ones = jnp.ones((len(groups), 1, groups.shape[1]), X.dtype)
    return (ones @ groups).sum(axis=(0, 1)) / (X.size // X.shape[-1])


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalised(X, scale, bias, epsilon):
    return _normalised_forward(X, scale, bias, epsilon)[0]


def _normalised_forward(X, scale, bias, epsilon):
    mean = _means(X)
    var = _means(lax.square(X - mean))
    factor = lax.rsqrt(var + epsilon)
    Y = (X - mean) * (factor * scale) + bias
    return (Y, mean, var), (X, mean, factor, scale)


def _normalised_backward(epsilon, kept, gradients):
    """In two sums; no loss reads the statistics that are returned beside `Y`."""
    X, mean, factor, scale = kept
    dY, unit = gradients[0], (X - mean) * factor
    along, across = _means(dY * unit), _means(dY)
    dX = (dY - across - unit * along) * (factor * scale)
    count = X.size // X.shape[-1]
    return dX, along * count, across * count


_normalised.defvjp(_normalised_forward, _normalised_backward)
