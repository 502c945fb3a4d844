"""One measurement of RDNet's block, written in chapters/what_came_after.md.

As a script, `mixing_block.py FRAMEWORK PRECISION FILE`, it executes the chapter's cells
of a framework and writes an .npz of the block's output and gradients, in PyTorch's
layout, for the weights and images of `example`.
"""

import sys
from math import erf
from pathlib import Path
from typing import Any

import numpy as np

from book.build.source import Book, belongs, frameworks, read_chapter

LAYERS, CHANNELS, GROWTH = 2, 6, 4
# Where the frameworks have other names than PyTorch.
NAMES = {
    "tensorflow": {"weight": "kernel", "norm.weight": "gamma", "norm.bias": "beta"},
    "jax": {"weight": "kernel", "norm.weight": "scale"},
    "mxnet": {"norm.weight": "gamma", "norm.bias": "beta"},
}
# The axes of PyTorch's depthwise kernel, channels × 1 × height × width, in theirs.
KERNEL = {"tensorflow": (2, 3, 0, 1), "jax": (2, 3, 1, 0)}


def example() -> tuple[list[dict[str, np.ndarray]], np.ndarray, np.ndarray]:
    """Weights of each layer, N×C×H×W images, and what the outputs are weighted with."""
    rng = np.random.default_rng(0)
    layers = []
    for i in range(LAYERS):
        channels = CHANNELS + i * GROWTH
        shapes = {
            "depthwise.weight": (channels, 1, 7, 7),
            "depthwise.bias": (channels,),
            "norm.weight": (channels,),
            "norm.bias": (channels,),
            "expand.weight": (4 * channels, channels),
            "expand.bias": (4 * channels,),
            "reduce.weight": (GROWTH, 4 * channels),
            "reduce.bias": (GROWTH,),
            "scale": (GROWTH,),
        }
        layers.append({n: 0.3 * rng.standard_normal(s) for n, s in shapes.items()})
    X = rng.standard_normal((2, CHANNELS, 9, 8))
    return layers, X, rng.standard_normal((2, CHANNELS + LAYERS * GROWTH, 9, 8))


def in_numpy(layers: list[dict[str, np.ndarray]], X: np.ndarray) -> np.ndarray:
    """The output of the block, from the definition in the chapter's list."""
    gelu = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / 2**0.5)))
    for w in layers:
        padded = np.pad(X, ((0, 0), (0, 0), (3, 3), (3, 3)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))
        Y = np.einsum("nchwij,cij->nhwc", windows, w["depthwise.weight"][:, 0])
        Y += w["depthwise.bias"]
        centred = Y - Y.mean(axis=-1, keepdims=True)
        Y = centred / np.sqrt(Y.var(axis=-1, keepdims=True) + 1e-6)
        Y = Y * w["norm.weight"] + w["norm.bias"]
        Y = gelu(Y @ w["expand.weight"].T + w["expand.bias"])
        Y = w["scale"] * (Y @ w["reduce.weight"].T + w["reduce.bias"])
        X = np.concatenate([X, Y.transpose(0, 3, 1, 2)], axis=1)
    return X


def chapter_code(framework: str) -> dict[str, Any]:
    """What a framework's cells define, up to the class of the block."""
    chapter = read_chapter(Book().root / "chapters/what_came_after.md")
    names: dict[str, Any] = {}
    for cell in chapter.cells:
        own = cell.cell_type == "code" and frameworks(cell)
        if own and belongs(cell, framework) and "MixingBlock" not in names:
            exec(cell.source, names)
    return names


def place(framework: str, layer: Any, name: str) -> Any:
    """One of the framework's own parameters by PyTorch's name."""
    part, _, entry = name.rpartition(".")
    own = NAMES.get(framework, {})
    owner = getattr(layer, part) if part else layer
    return getattr(owner, own.get(name, own.get(entry, entry)))


def to_own(framework: str, name: str, array: np.ndarray) -> np.ndarray:
    """An array in PyTorch's layout, in the framework's."""
    if name == "depthwise.weight":
        return array.transpose(KERNEL.get(framework, (0, 1, 2, 3)))
    if framework == "mxnet" and name in ("expand.weight", "reduce.weight", "scale"):
        return array[..., None, None]
    return array.T if framework in KERNEL else array


def from_own(framework: str, name: str, array: np.ndarray) -> np.ndarray:
    """An array in the framework's layout, in PyTorch's."""
    if name == "depthwise.weight":
        return array.transpose(np.argsort(KERNEL.get(framework, (0, 1, 2, 3))))
    if framework == "mxnet" and name in ("expand.weight", "reduce.weight", "scale"):
        return array[..., 0, 0]
    return array.T if framework in KERNEL else array


def pytorch(block, parameters, X, G):
    """Output and gradients of the weighted sum of the outputs."""
    import torch

    block.to(X.dtype)
    for parameter, array in parameters():
        parameter.data = torch.tensor(array)
    Y = block(X)
    (Y * G).sum().backward()
    return Y, [parameter.grad.numpy() for parameter, _ in parameters()]


def tensorflow(block, parameters, X, G):
    """The same."""
    import tensorflow as tf

    block(X)
    for parameter, array in parameters():
        parameter.assign(array)
    with tf.GradientTape() as tape:
        Y = block(X)
        total = tf.reduce_sum(Y * G)
    found = tape.gradient(total, block.trainable_variables)
    by_id = {id(v): g for v, g in zip(block.trainable_variables, found, strict=True)}
    return Y, [by_id[id(parameter)].numpy() for parameter, _ in parameters()]


def jax(block, parameters, X, G):
    """The same."""
    from flax import nnx

    for parameter, array in parameters():
        parameter.set_value(array)
    gradients = nnx.grad(lambda block: (block(X) * G).sum())(block)
    nnx.update(found := nnx.clone(block), gradients)
    return block(X), [np.array(p.get_value()) for p, _ in parameters(found)]


def mxnet(block, parameters, X, G):
    """The same."""
    from mxnet import autograd

    block.initialize()
    block.cast(X.dtype)
    for parameter, array in parameters():
        parameter.set_data(array)
    with autograd.record():
        Y = block(X)
        total = (Y * G).sum()
    total.backward()
    return Y, [parameter.grad().asnumpy() for parameter, _ in parameters()]


def measure(framework: str, precision: str) -> dict[str, np.ndarray]:
    """The block's output, and the gradient of each of its weights."""
    if framework == "tensorflow":
        import keras

        keras.config.set_floatx(precision)
    code = chapter_code(framework)
    layers, X, G = example()
    rest = {"rngs": code["nnx"].Rngs(0)} if framework == "jax" else {}
    block = code["MixingBlock"](LAYERS, CHANNELS, GROWTH, **rest)

    def parameters(block=block):
        for layer, weights in zip(block.layers, layers, strict=True):
            for name, array in weights.items():
                own = to_own(framework, name, array).astype(precision)
                yield place(framework, layer, name), own

    d2l = code["d2l"]
    tensors = (d2l.to_tensor(array.astype(precision)) for array in (X, G))
    Y, gradients = globals()[framework](block, parameters, *tensors)
    names = [(i, name) for i, weights in enumerate(layers) for name in weights]
    return {"output": d2l.to_numpy(Y)} | {
        f"gradient of {name} {i}": from_own(framework, name, gradient)
        for (i, name), gradient in zip(names, gradients, strict=True)
    }


if __name__ == "__main__":
    framework, precision, path = sys.argv[1:]
    np.savez(Path(path), **measure(framework, precision))
