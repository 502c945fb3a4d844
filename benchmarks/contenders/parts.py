"""One kind of part of all dense layers of a network, alone, forward and backward.

python -m benchmarks.contenders.parts FRAMEWORK PART NETWORK SIZE BATCH STEPS
"""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.contender import serve
from benchmarks.contenders.tasks import Task, convolutions
from d2l_lite.networks import zoo


def layers(task: Task) -> Iterator[tuple[list[int], int, int]]:
    """Dense layers without bottleneck: the channels of each array that one reads, those
    that it makes, and the pixels of a side."""
    growth, widths = zoo.NETWORKS[task.network]["growth_rate"], []
    for found in convolutions(task.network, task.size):
        if found.kernel_size == 3:
            widths = [*widths, growth] if widths else [found.in_channels]
            yield widths, growth, found.pixels
        else:
            widths = []


def read(part: str, widths: list[int]) -> list[int]:
    """The channels of the arrays that a part reads."""
    return widths if part == "concatenation" else [sum(widths)]


def pytorch(part: str, task: Task) -> Callable[[], object]:
    import torch
    from torch import nn

    def make(channels: int, growth: int) -> nn.Module:
        return {
            "concatenation": nn.Identity,
            "normalisation": lambda: nn.BatchNorm2d(channels),
            "ReLU": nn.ReLU,
            "convolution": lambda: nn.Conv2d(channels, growth, 3, padding=1),
        }[part]()

    jobs, form = [], torch.channels_last
    for widths, growth, pixels in layers(task):
        layer = make(sum(widths), growth).to(memory_format=form)
        sizes = [(task.batch_size, c, pixels, pixels) for c in read(part, widths)]
        Xs = [torch.randn(size).to(memory_format=form) for size in sizes]
        jobs.append((layer, [X.requires_grad_() for X in Xs]))

    def step() -> None:
        for layer, Xs in jobs:
            Y = torch.cat(Xs, dim=1) if part == "concatenation" else layer(*Xs)
            torch.autograd.grad(Y, [*Xs, *layer.parameters()], Y.detach())

    return step


def tensorflow(part: str, task: Task) -> Callable[[], object]:
    import tensorflow as tf
    from keras import layers as kinds

    def make(growth: int) -> Callable:
        return {
            "concatenation": lambda: partial(tf.concat, axis=-1),
            "normalisation": lambda: kinds.BatchNormalization(epsilon=1e-5),
            "ReLU": lambda: tf.nn.relu,
            "convolution": lambda: kinds.Conv2D(growth, 3, padding="same"),
        }[part]()

    jobs, arrays = [], []
    for widths, growth, pixels in layers(task):
        layer = make(growth)
        sizes = [(task.batch_size, pixels, pixels, c) for c in read(part, widths)]
        arrays.append([tf.random.normal(size) for size in sizes])
        if isinstance(layer, kinds.Layer):
            layer.build(sizes[0])
        jobs.append(layer)

    @tf.function
    def compute(arrays):
        found = []
        for layer, Xs in zip(jobs, arrays):
            variables = getattr(layer, "trainable_variables", [])
            asked = [*Xs, *(variable.value for variable in variables)]
            options = {"training": True} if part == "normalisation" else {}
            with tf.GradientTape() as tape:
                tape.watch(Xs)
                Y = layer(Xs if part == "concatenation" else Xs[0], **options)
            found += tape.gradient(Y, asked, Y)
        return found

    return lambda: [gradient.numpy() for gradient in compute(arrays)[-1:]]


def jax(part: str, task: Task) -> Callable[[], object]:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    rngs = nnx.Rngs(0)

    @partial(jax.jit, static_argnums=0)
    def differentiate(graphdef, weights, rest, Xs):
        def forward(weights, Xs):
            if part == "concatenation":
                return jnp.concatenate(Xs, axis=-1)
            if part == "ReLU":
                return jax.nn.relu(*Xs)
            return nnx.merge(graphdef, weights, rest, copy=True)(*Xs)

        Y, back = jax.vjp(forward, weights, Xs)
        return back(Y)

    jobs = []
    for widths, growth, pixels in layers(task):
        if part == "convolution":
            layer = nnx.Conv(sum(widths), growth, (3, 3), padding=1, rngs=rngs)
        else:
            layer = nnx.BatchNorm(sum(widths), use_fast_variance=False, rngs=rngs)
        sizes = [(task.batch_size, pixels, pixels, c) for c in read(part, widths)]
        Xs = [jax.random.normal(rngs(), size) for size in sizes]
        jobs.append((*nnx.split(layer, nnx.Param, ...), Xs))
    return lambda: jax.block_until_ready([differentiate(*job) for job in jobs])


def mxnet(part: str, task: Task) -> Callable[[], object]:
    import mxnet as mx
    from mxnet import autograd
    from mxnet.gluon import nn

    def make(growth: int) -> nn.HybridBlock:
        return {
            "concatenation": lambda: nn.HybridLambda(concatenated),
            "normalisation": nn.BatchNorm,
            "ReLU": lambda: nn.Activation("relu"),
            "convolution": lambda: nn.Conv2D(growth, 3, padding=1),
        }[part]()

    jobs = []
    for widths, growth, pixels in layers(task):
        layer = make(growth)
        layer.initialize()
        layer.hybridize(static_alloc=True, static_shape=True)
        sizes = [(task.batch_size, c, pixels, pixels) for c in read(part, widths)]
        Xs = [mx.np.random.normal(size=size) for size in sizes]
        for X in Xs:
            X.attach_grad()
        jobs.append((layer, Xs))

    def step() -> None:
        for layer, Xs in jobs:
            with autograd.record():
                Y = layer(*Xs)
            Y.backward(Y)
        mx.npx.waitall()

    return step


def concatenated(F, *Xs):
    return F.np.concatenate(Xs, axis=1)


def set_up(framework: str, part: str, task: Task) -> Callable[[], float]:
    """Milliseconds for all parts of a kind, as many as one step of training has."""
    step = globals()[framework](part, task)

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(task.steps):
            step()
        return 1000 * (time.perf_counter() - start) / task.steps

    measure()
    return measure


if __name__ == "__main__":
    framework, part, *words = sys.argv[1:]
    importlib.import_module(f"d2l_lite.{framework}")
    serve(partial(set_up, framework, part, Task.parse(words)))
