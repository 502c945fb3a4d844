"""The book's tools for Apache MXNet: networks, canonical weights, training."""

import random
from functools import partial

import numpy as np

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

from d2l_lite import common, numpy_text
from d2l_lite.backend import Backend, Predict
from d2l_lite.common import *
from d2l_lite.data import scale
from d2l_lite.devices import gluon_replicas as devices
from d2l_lite.devices import mxnet_graph as graphs
from d2l_lite.models import mxnet as models
from d2l_lite.models.mxnet import *
from d2l_lite.networks import layer_names as naming
from d2l_lite.training import trainer as training

__all__ = common.offers(models)

mx.npx.set_np()
numpy_text.mend(mx._ctypes.ndarray, mx._ctypes.symbol)

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
    """Trains a `gluon.Block`; see `d2l_lite.training.trainer.Trainer`."""

    @property
    def primary(self) -> bool:
        """Whether this process, of several that train together, keeps and shows."""
        return devices.hosts() is None or devices.hosts().rank == 0

    def prepare(self, model: gluon.Block) -> training.Step:
        """The step that trains a model, see `d2l_lite.training.trainer.Trainer`.

        On several devices, and in bfloat16, by `devices.gluon_replicas.Replicas`.

        Raises:
            ValueError: MXNet, the machine or the model lacks what is asked for.
        """
        _check(self, model)
        model.hybridize(False)  # whatever was made a graph before
        trainable = _backend.trainable(model)
        velocities = {
            name: mx.np.zeros(p.shape, p.dtype, ctx=device())
            for name, p in trainable.items()
        }

        update = graphs.updater(self, trainable, velocities)
        check = _backend.batch_check(model, "Trainer.fit")

        if devices.several(self) or self.precision != "float32":
            differentiate = devices.Replicas(
                self, model, _backend, graphs.hybridize, _loss
            )
        else:
            differentiate = partial(_differentiate, graphs.graph(model))

        def step(images, labels, learning_rate):
            loss, correct = differentiate(*check(images, labels))
            update(learning_rate)
            return loss, correct

        def read():
            return {name: velocity.asnumpy() for name, velocity in velocities.items()}

        def write(arrays):
            for name, velocity in velocities.items():
                velocity[:] = mx.np.array(arrays[name], dtype=velocity.dtype)

        draws = any(isinstance(part, nn.Dropout) for part in graphs.parts(model))
        return training.Step(step, read, write, _reseed if draws else None)

    def forward(self, model: gluon.Block) -> Predict:
        return _backend.evaluator(model)


def _check(trainer: Trainer, model: gluon.Block) -> None:
    """Raise ValueError for what MXNet, the machine or the model cannot do."""
    blocks, gpus = list(graphs.parts(model)), mx.context.num_gpus()
    efficient = graphs.efficient(model)
    drops = any(isinstance(block, nn.Dropout) for block in blocks)
    types = {np.dtype(p.dtype).name for p in model.collect_params().values()}
    low = trainer.precision != "float32"

    def refuse(option, problem, reason):
        if problem:
            call = f"Trainer({option}={getattr(trainer, option)!r})"
            raise ValueError(f"{call}: {reason}")

    refuse("compile", trainer.compile, "MXNet makes graphs anyway; leave it out")
    refuse("devices", 0 < gpus < trainer.devices, f"MXNet finds {gpus} GPUs")
    in_graphs = "MXNet has it in graphs, which memory_efficient=True is not"
    if low:
        precision, wide = partial(refuse, "precision"), "choose float32"
        half = trainer.precision == "float16"
        precision(half, "needs GPUs and a loss scale; choose bfloat16 or float32")
        precision(gpus, f"MXNet has it on CPUs only; {wide}")
        precision(efficient, f"{in_graphs}; {wide}")
        precision(drops, f"MXNet has it without dropout only; {wide}")
        precision(not devices.has_bfloat16(), f"needs a CPU with AVX-512; {wide}")
    if trainer.sync_batch_norm and devices.several(trainer):
        sync, apart = partial(refuse, "sync_batch_norm"), "choose sync_batch_norm=False"
        sync(devices.hosts(), f"MXNet has it within one host only; {apart}")
        sync(low or types != {"float32"}, f"MXNet has it in float32 only; {apart}")
        sync(efficient, f"{in_graphs}; {apart}")
        if not gpus:
            sync(drops, f"with dropout MXNet has it on GPUs only; {apart}")
            setting = f"{devices.BUFFERS}={devices.ENOUGH}"
            sync(not devices.room(), f"start Python with {setting}, or {apart}")


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
    # The book's own can be graphs; what others are made of may need its images' shape.
    book = isinstance(model, models.DenseNet) and not graphs.efficient(model)
    network = graphs.graph(model) if book else model
    return lambda images: network(to_tensor(images)).asnumpy()


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
backend = _backend
