"""The book's tools for Apache MXNet: networks, canonical weights, training."""

import random
from collections.abc import Iterator
from functools import partial

import numpy as np

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

from d2l_lite import common, naming, scale, training
from d2l_lite.backend import Backend, Predict
from d2l_lite.common import *
from d2l_lite.models import mxnet as models
from d2l_lite.models.mxnet import *

__all__ = common.offers(models)

mx.npx.set_np()

KINDS = {
    nn.Conv2D: "conv",
    nn.BatchNorm: "norm",
    nn.Dense: "linear",
    nn.AvgPool2D: "pool",
}
GLUON_NAMES = {"norm": {"weight": "gamma", "bias": "beta"}}


def device() -> mx.Context:
    """The first accelerator, or the processor."""
    return mx.gpu() if mx.context.num_gpus() else mx.cpu()


scale.accelerator_found(device() != mx.cpu())


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and MXNet's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    mx.random.seed(seed)


def to_tensor(array: np.ndarray) -> mx.np.ndarray:
    """NumPy images N×C×H×W, or labels, as an MXNet array of the same shape."""
    return mx.np.array(array, dtype=array.dtype, ctx=device())


def to_numpy(tensor: mx.np.ndarray) -> np.ndarray:
    """An MXNet array as a NumPy array; feature maps N×C×H×W."""
    return tensor.asnumpy()


class Trainer(training.Trainer):
    """Trains a `gluon.Block`; see `d2l_lite.training.Trainer`."""

    def prepare(self, model: gluon.Block) -> training.Step:
        model.hybridize(False)  # whatever was made a graph before
        _hybridize(model)
        parameters = list(_backend.trainable(model).values())
        velocities = [mx.np.zeros(p.shape, p.dtype, ctx=device()) for p in parameters]

        check = _backend.batch_check(model, "Trainer.fit")

        def step(images, labels, learning_rate):
            X, y = map(to_tensor, check(images, labels))
            with autograd.record():
                logits = model(X)
                loss = _loss(logits, y)
            loss.backward()
            for parameter, velocity in zip(parameters, velocities):
                self._update(parameter, velocity, learning_rate)
            return loss, (logits.argmax(axis=1) == y).sum()

        return step

    def _update(self, parameter, velocity, learning_rate):
        # By hand, for gluon.Trainer keeps the learning rate inside the velocity: where
        # the rate changes, its updates are other than PyTorch's.
        array = parameter.data()
        gradient = parameter.grad()
        gradient += self.weight_decay * array
        velocity *= self.momentum
        velocity += gradient
        if self.nesterov:
            array -= learning_rate * (gradient + self.momentum * velocity)
        else:
            array -= learning_rate * velocity

    def forward(self, model: gluon.Block) -> Predict:
        return _backend.evaluator(model)


def _hybridize(block: gluon.Block) -> None:
    """Make graphs of the largest parts without recomputation: no graph can do that."""
    if not any(getattr(part, "memory_efficient", False) for part in _parts(block)):
        # A static graph plans its memory once instead of at every step.
        block.hybridize(static_alloc=True, static_shape=True)
    elif not getattr(block, "memory_efficient", False):
        for child in block._children.values():
            _hybridize(child)


def _parts(block: gluon.Block) -> Iterator[gluon.Block]:
    """A block and everything in it."""
    yield block
    for child in block._children.values():
        yield from _parts(child)


def _gradients(
    model: gluon.Block, images: np.ndarray, labels: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    trainable = _backend.trainable(model)
    with autograd.record():
        loss = _loss(model(to_tensor(images)), to_tensor(labels))
    loss.backward()
    gradients = {name: array.grad().asnumpy() for name, array in trainable.items()}
    return float(loss), gradients


def _forward(model: gluon.Block) -> Predict:
    return lambda images: model(to_tensor(images)).asnumpy()


def _loss(logits: mx.np.ndarray, labels: mx.np.ndarray) -> mx.np.ndarray:
    log_probabilities = mx.npx.log_softmax(logits, axis=-1)
    return -mx.npx.pick(log_probabilities, labels, axis=-1).mean()


def _children(module: gluon.Block) -> list[gluon.Block]:
    return list(getattr(module, "layers", module)._children.values())


def _place(model: gluon.Block, seed: int) -> None:
    model.initialize(mx.init.Zero(), ctx=device(), force_reinit=True)


def _write(array: gluon.Parameter, new: np.ndarray) -> None:
    array.set_data(mx.np.array(new, dtype=array.dtype))


_backend = Backend(
    framework="mxnet",
    network=models.DenseNet,
    place=_place,
    children=_children,
    kind=partial(naming.kind_of, kinds=KINDS),
    names=GLUON_NAMES,
    shape=lambda array: tuple(array.shape),
    read=lambda array: array.data().asnumpy(),
    write=_write,
    forward=_forward,
    gradients=_gradients,
)
build = _backend.build
save = _backend.save
load = _backend.load
pretrained = _backend.pretrained
classify = _backend.classify
initialize = _backend.initialize
get_weights = _backend.get_weights
set_weights = _backend.set_weights
count_parameters = _backend.count_parameters
predict = _backend.predict
loss_and_gradients = _backend.loss_and_gradients
