"""MXNet without the book's library: bare loops, Gluon's model zoo and its data."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon import nn
from mxnet.gluon.data.vision import transforms

from benchmarks.contender import Measure, Run
from benchmarks.contenders import reading
from benchmarks.workload import Layer, Workload
from d2l_lite.models.mxnet import DenseNet

mx.npx.set_np()
SGD = {"learning_rate": 0.01, "momentum": 0.9, "wd": 1e-4}


def bare(workload: Workload, hybridised: bool = True, static: bool = True) -> Run:
    """The book's network as an expert trains it: a static graph, no wait in a step."""
    model = DenseNet(**workload.arguments)
    return _training(workload, model, mx.np.array, False, hybridised, static)


def reference(workload: Workload) -> Run:
    """Gluon's loop, which reads the loss of each step."""
    return _training(workload, *_network(workload), read=True)


def _training(workload, model, array, read, hybridised=True, static=False):
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
    model.initialize()
    for block in (model, loss_function):
        block.hybridize(hybridised, static_alloc=static, static_shape=static)
    trainer = gluon.Trainer(model.collect_params(), "nag", SGD)
    images, labels = (list(map(array, part)) for part in workload.batches())

    def run() -> None:
        running_loss, losses = 0.0, []
        for X, y in zip(images, labels):
            with autograd.record():
                loss = loss_function(model(X), y)
            loss.backward()
            trainer.step(workload.batch_size)
            if read:
                running_loss += loss.mean().asnumpy().item()
            else:
                losses.append(loss)
        mx.npx.waitall()

    return run


def inference(workload: Workload) -> Run:
    """The model zoo's network, hybridised."""
    model, array = _network(workload)
    model.initialize()
    model.hybridize()
    images = list(map(array, workload.batches()[0]))

    def run() -> None:
        for X in images:
            model(X).asnumpy()

    return run


def _network(workload: Workload) -> tuple[gluon.HybridBlock, Callable]:
    """Gluon's own network, else the book's, and what makes arrays for it."""
    if workload.network in ("densenet121", "densenet161", "densenet169", "densenet201"):
        # The zoo is older than MXNet's NumPy interface, and does not run under it.
        mx.npx.reset_np()
        return gluon.model_zoo.vision.get_model(workload.network), mx.nd.array
    return DenseNet(**workload.arguments), mx.np.array


class Concatenation(nn.HybridBlock):
    """Joins arrays along their channels."""

    def hybrid_forward(self, F, *Xs):
        return F.np.concatenate(Xs, axis=1)


MAKERS: dict[str, Callable[[Layer], nn.HybridBlock]] = {
    "concatenation": lambda layer: Concatenation(),
    "normalisation": lambda layer: nn.BatchNorm(),
    "ReLU": lambda layer: nn.Activation("relu"),
    "convolution": lambda layer: nn.Conv2D(
        layer.channels,
        layer.kernel_size,
        layer.stride,
        padding=layer.kernel_size // 2,
        use_bias=layer.bias,
    ),
}


def layers(found: Sequence[Layer], workload: Workload, training: bool) -> Run:
    """Layers, each by itself on arrays of its own."""
    calls = []
    for layer in found:
        block = MAKERS[layer.kind](layer)
        block.initialize()
        block.hybridize(static_alloc=True, static_shape=True)
        pixels = (layer.pixels, layer.pixels)
        sizes = [(workload.batch_size, c, *pixels) for c in layer.inputs]
        Xs = [mx.np.random.normal(size=size) for size in sizes]
        if training and layer.place != "stem":  # nobody asks for the images' gradient
            for X in Xs:
                X.attach_grad()
        calls.append((block, Xs))

    def run() -> None:
        for _ in range(workload.steps):
            for block, Xs in calls:
                if training:
                    with autograd.record():
                        Y = block(*Xs)
                    Y.backward(Y)
                else:
                    block(*Xs)
        mx.npx.waitall()

    return run


def read(size: int, workers: int) -> Measure:
    """Epochs of Fashion-MNIST as Gluon's tutorials read them, in images/s."""
    steps = [
        transforms.Resize(size),
        transforms.ToTensor(),
        transforms.Normalize(reading.MEAN, reading.STD),
    ]
    # Its transforms are older than MXNet's NumPy interface.
    mx.npx.reset_np()
    images, labels = reading.pictures()
    images = mx.nd.array(images, dtype=np.uint8)
    data = gluon.data.ArrayDataset(images, labels)
    data = data.transform_first(transforms.Compose(steps))
    loader = gluon.data.DataLoader(
        data, reading.BATCH_SIZE, shuffle=True, num_workers=workers
    )

    def epoch() -> Iterator[tuple[mx.nd.NDArray, mx.nd.NDArray]]:
        for pair in loader:
            # MXNet answers before it has finished.
            pair[0].wait_to_read()
            yield pair

    return partial(reading.images_per_second, epoch)
