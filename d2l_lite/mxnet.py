"""The book's tools for Apache MXNet: networks, canonical weights, training.

The import turns on MXNet's NumPy interface, `mx.npx.set_np()`, with which the networks
are written, in its thread. Gluon's older operators, those of its model zoo, then fail:
`mx.npx.reset_np()` turns it off again, and `Trainer` and all functions but the layers'
own calls, `net(X)`, go on working.
"""

import random
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases

# isort: split
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

from d2l_lite import shared_names
from d2l_lite.backend import Backend, Predict
from d2l_lite.devices import gluon_replicas as devices
from d2l_lite.models import mxnet as models
from d2l_lite.models.mxnet import *
from d2l_lite.shared_names import *
from d2l_lite.training import trainer
from d2l_lite.training.state import Step

__all__ = shared_names.public(models)

# Else MXNet writes to the log that it does so, which sets up Python's logging.
mx.util._set_np_shape_logged = mx.util._set_np_array_logged = True
mx.npx.set_np()
numpy_aliases.write_plain_numbers(mx._ctypes.ndarray, mx._ctypes.symbol)

# Of a parameter, in the graph that moves it.
ARRAYS = "weight", "gradient", "velocity"


def device() -> mx.Context:
    """The first accelerator, or the processor."""
    return mx.gpu() if mx.context.num_gpus() else mx.cpu()


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and MXNet's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    mx.random.seed(seed)


def to_tensor(array: np.ndarray) -> mx.np.ndarray:
    """NumPy images N×C×H×W, or labels, as an MXNet array of the same shape.

    See chapter `from_resnet_to_densenet`.
    """
    return mx.np.array(array, dtype=array.dtype, ctx=device())


def to_numpy(tensor: mx.np.ndarray) -> np.ndarray:
    """An MXNet array as a NumPy array; feature maps N×C×H×W."""
    return tensor.asnumpy()


class MXNet(Backend):
    """MXNet with Gluon, as the library uses it."""

    framework = "mxnet"
    kinds = {
        nn.Conv2D: "conv",
        nn.BatchNorm: "norm",
        nn.Dense: "linear",
        nn.AvgPool2D: "pool",
    }
    names = {"norm": {"weight": "gamma", "bias": "beta"}}

    def functions(self) -> dict[str, Callable]:
        # MXNet keeps the switch for each thread, and a reader may turn it off.
        return {n: mx.util.use_np(f) for n, f in super().functions().items()}

    def accelerator(self) -> str:
        return "" if device() == mx.cpu() else "GPU"

    def network(self, **arguments) -> gluon.Block:
        return models.DenseNet(**arguments)

    def place(self, model: gluon.Block, seed: int) -> None:
        model.initialize(mx.init.Zero(), ctx=device(), force_reinit=True)

    def children(self, module: gluon.Block) -> list[gluon.Block]:
        return list(getattr(module, "layers", module)._children.values())

    def before_pooling(self, features: nn.Sequential) -> nn.Sequential:
        return features[:-2]

    def own(self, model: gluon.Block) -> dict[str, gluon.Parameter]:
        found = dict(model.collect_params().items())
        for name, array in found.items():
            if array.shape is None or min(array.shape, default=1) < 1:
                raise ValueError(f"{name} has no shape before the model sees images")
        return found

    def learning(self, model: gluon.Block) -> list[gluon.Parameter]:
        return [p for p in model.collect_params().values() if p.grad_req != "null"]

    def freeze(self, layer: gluon.Block) -> Callable[[], None]:
        parameters = layer.collect_params().values()
        learning = [p for p in parameters if p.grad_req != "null"]
        before = [parameter.grad_req for parameter in learning]

        def mark(requests, still):
            for parameter, request in zip(learning, requests):
                parameter.grad_req = request
            if self.kind(layer) == "norm":
                layer._kwargs["use_global_stats"] = still

        mark(["null"] * len(learning), True)
        return partial(mark, before, False)

    def dropout_rate(self, layer: gluon.Block) -> float:
        return layer._rate if isinstance(layer, nn.Dropout) else 0.0

    def shape(self, array: gluon.Parameter) -> tuple[int, ...]:
        return tuple(array.shape)

    def read(self, array: gluon.Parameter) -> np.ndarray:
        return array.data().asnumpy()

    def write(self, array: gluon.Parameter, new: np.ndarray) -> None:
        array.set_data(mx.np.array(new, dtype=array.dtype))

    def forward(self, model: gluon.Block) -> Predict:
        # The book's own can be graphs; what others are made of may need its images'
        # shape.
        book = isinstance(model, models.DenseNet) and not devices.efficient(model)
        network = devices.graph(model) if book else model
        arrays = model.collect_params().values()
        context = next((array.list_ctx()[0] for array in arrays), device())

        @mx.util.use_np
        def forward(images):
            return network(to_tensor(images).as_in_ctx(context)).asnumpy()

        return forward

    def gradients(
        self, model: gluon.Block, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        model = devices.copied(model, device())
        loss, _ = _differentiate(model, images, labels)
        trainable = self.trainable(model).items()
        return float(loss), {name: array.grad().asnumpy() for name, array in trainable}


backend = MXNet()
# `build`, `load`, `predict` and the others of `backend.PUBLIC`.
globals().update(backend.functions())


@mx.util.use_np
class Trainer(trainer.Trainer):
    """Trains a `gluon.Block`; see `d2l_lite.training.trainer.Trainer`."""

    backend = backend

    @property
    def primary(self) -> bool:
        return devices.hosts() is None or devices.hosts().rank == 0

    def prepare(self, model: gluon.Block) -> Step:
        drops = any(map(backend.dropout_rate, devices.parts(model)))
        devices.check(self, model, drops)
        model.hybridize(False)  # whatever was made a graph before
        if any(p.list_ctx() != [device()] for p in model.collect_params().values()):
            model.collect_params().reset_ctx(device())
        trainable = backend.trainable(model)
        velocities = {
            name: mx.np.zeros(p.shape, p.dtype, ctx=device())
            for name, p in trainable.items()
        }
        update = _updater(self, trainable, velocities)
        check = backend.training_check(model, "Trainer.fit")
        if devices.several(self) or self.precision != "float32":
            differentiate = devices.Replicas(self, model, backend, _loss)
        else:
            differentiate = partial(_differentiate, devices.graph(model))

        def train(images, labels, learning_rate):
            loss, correct = differentiate(*check(images, labels))
            update(learning_rate)
            return loss, correct

        def read():
            return {name: velocity.asnumpy() for name, velocity in velocities.items()}

        def write(arrays):
            for name, velocity in velocities.items():
                velocity[:] = mx.np.array(arrays[name], dtype=velocity.dtype)

        train, read, write = map(mx.util.use_np, (train, read, write))
        return Step(train, read, write, _reseed if drops else None)


def _reseed(seed: int) -> None:
    # MXNet adds the number of the context itself; hosts are other processes.
    mx.random.seed(seed + (devices.hosts().rank if devices.hosts() else 0))


def _differentiate(
    network: gluon.Block, images: np.ndarray, labels: np.ndarray
) -> tuple[mx.np.ndarray, mx.np.ndarray]:
    """Mean loss and right predictions of a batch; the gradients are in the network."""
    X, y = map(to_tensor, (images, labels))
    with autograd.record():
        logits = network(X)
        loss = _loss(logits, y)
    loss.backward()
    return loss, (logits.argmax(axis=1) == y).sum()


def _loss(logits: mx.np.ndarray, labels: mx.np.ndarray) -> mx.np.ndarray:
    log_probabilities = mx.npx.log_softmax(logits, axis=-1)
    return -mx.npx.pick(log_probabilities, labels, axis=-1).mean()


def _updater(
    trainer: Trainer,
    trainable: Mapping[str, gluon.Parameter],
    velocities: Mapping[str, mx.np.ndarray],
) -> Callable[[float], None]:
    """A function of the learning rate that moves velocities and parameters in place.

    Not by gluon.Trainer, which keeps the rate inside the velocity: where the rate
    changes, its updates are other than PyTorch's. One graph for all parameters, for
    hundreds of calls from Python take longer than what they compute.
    """
    rate, moved = mx.sym.var("rate").as_np_ndarray(), []
    for name in trainable:
        weight, gradient, velocity = (
            mx.sym.var(f"{name}/{array}").as_np_ndarray() for array in ARRAYS
        )
        # A prediction may leave a weight in oneDNN's layout, which a copy puts right.
        weight = mx.sym.identity(weight.as_nd_ndarray()).as_np_ndarray()
        gradient = gradient + trainer.weight_decay * weight
        velocity = trainer.momentum * velocity + gradient
        move = gradient + trainer.momentum * velocity if trainer.nesterov else velocity
        moved += [velocity.as_nd_ndarray(), (weight - rate * move).as_nd_ndarray()]
    graph = mx.sym.Group(moved).as_np_ndarray()
    inputs, move_all = graph.list_inputs(), mx.nd.CachedOp(graph)

    def update(learning_rate):
        arrays, targets = {}, []
        for name, parameter in trainable.items():
            own = parameter.data(), parameter.grad(), velocities[name]
            arrays |= zip((f"{name}/{array}" for array in ARRAYS), own)
            targets += [velocities[name], parameter.data()]
        place = {"dtype": targets[0].dtype, "ctx": targets[0].ctx}
        arrays["rate"] = mx.np.array(learning_rate, **place)
        move_all(*(arrays[name] for name in inputs), out=targets)

    return update
