"""The book's tools for JAX and Flax: networks, canonical weights, training."""

import random
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from d2l_lite import common
from d2l_lite.backend import Backend, Predict
from d2l_lite.common import *
from d2l_lite.data import scale
from d2l_lite.devices import jax_mesh as engine
from d2l_lite.models import jax as models
from d2l_lite.models.jax import *
from d2l_lite.networks import layer_names as naming
from d2l_lite.networks import weights
from d2l_lite.training import trainer as training

__all__ = common.offers(models)

KINDS = {nnx.Conv: "conv", nnx.BatchNorm: "norm", nnx.Linear: "linear"}
FLAX_NAMES = {
    "conv": {"weight": "kernel"},
    "linear": {"weight": "kernel"},
    "norm": {"weight": "scale", "running_mean": "mean", "running_var": "var"},
}


def device() -> jax.Device:
    """The first accelerator, or the processor."""
    return jax.local_devices()[0]


scale.accelerator_found(device().platform != "cpu")


def seed_everything(seed: int) -> None:
    """Seed Python's and NumPy's global generators; JAX's keys are explicit."""
    random.seed(seed)
    np.random.seed(seed)


def to_tensor(array: np.ndarray) -> jax.Array:
    """NumPy images N×C×H×W as an array N×H×W×C, Flax's layout; labels as they are."""
    return jnp.asarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)


def to_numpy(tensor: jax.Array) -> np.ndarray:
    """A JAX array as a NumPy array; feature maps N×H×W×C become N×C×H×W."""
    array = np.asarray(tensor)
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


class Trainer(training.Trainer):
    """Trains a `flax.nnx.Module`; see `d2l_lite.training.trainer.Trainer`.

    Without `sync_batch_norm` the running statistics are the mean over the devices.
    """

    @property
    def primary(self) -> bool:
        return jax.process_index() == 0

    def prepare(self, model: nnx.Module) -> training.Step:
        engine.check(self.precision, self.compile)
        team = engine.Team(self.devices)
        model.train()
        graphdef, parameters, _ = nnx.split(model, nnx.Param, ...)
        # Not by JAX's own zeros, which compile a program for each shape.
        velocity = jax.device_put(jax.tree.map(np.zeros_like, parameters))
        computing = engine.computing(model, self.precision)
        rule = (computing, self.momentum, self.nesterov, self.weight_decay)
        train, place = partial(_step, _loss_and_gradients, rule), jnp.asarray
        if team.mesh.size > 1:
            shared = team.compiled(_compile, _loss_and_gradients, self.sync_batch_norm)
            train, place = team.over(partial(shared, rule)), team.split
        check = _backend.batch_check(model, "Trainer.fit")

        def step(images, labels, learning_rate):
            nonlocal velocity
            _, parameters, statistics = nnx.split(model, nnx.Param, ...)
            X, y = check(images, labels)
            X, y = place(X.transpose(0, 2, 3, 1)), place(y)
            parameters, statistics, velocity, *results = train(
                parameters, statistics, velocity, X, y, learning_rate
            )
            nnx.update(model, parameters, statistics)
            return results

        def carrier():
            """A model with velocities for weights: the names of these fit those."""
            _, _, statistics = nnx.split(model, nnx.Param, ...)
            return nnx.merge(graphdef, velocity, statistics)

        def read():
            arrays = _backend.trainable(carrier()).items()
            return {name: _read(array) for name, array in arrays}

        def write(arrays):
            nonlocal velocity
            carried = carrier()
            for name, array in _backend.trainable(carried).items():
                _write(array, arrays[name])
            velocity = nnx.split(carried, nnx.Param, ...)[1]

        streams = [p for _, p in nnx.iter_graph(model) if isinstance(p, nnx.RngStream)]
        reseed = partial(_place, model) if streams else None
        return training.Step(step, read, write, reseed)

    def forward(self, model: nnx.Module) -> Predict:
        return _backend.evaluator(model)


def _loss(graphdef, parameters, statistics, X, y):
    """Mean cross-entropy in training mode, with (right predictions, new statistics)."""
    model = nnx.merge(graphdef, parameters, statistics, copy=True)
    logits = model(X)
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    statistics = nnx.split(model, nnx.Param, ...)[2]
    return losses.mean(), ((logits.argmax(axis=1) == y).sum(), statistics)


_loss_and_gradients = jax.jit(
    jax.value_and_grad(_loss, argnums=1, has_aux=True), static_argnums=0
)


# On a processor XLA's older emitter compiles a step twice as fast; and XLA throws
# barriers away, then merges what `nnx.remat` computes twice.
_OPTIONS = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_disable_hlo_passes": "cse_barrier_expander",
}


def _update(differentiate, rule, parameters, statistics, velocity, X, y, lr):
    graphdef, momentum, nesterov, weight_decay = rule
    (loss, (correct, statistics)), gradients = differentiate(
        graphdef, parameters, statistics, X, y
    )
    gradients = jax.tree.map(lambda g, p: g + weight_decay * p, gradients, parameters)
    velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, gradients)
    moves = velocity
    if nesterov:
        moves = jax.tree.map(lambda g, v: g + momentum * v, gradients, velocity)
    parameters = jax.tree.map(lambda p, m: p - lr * m, parameters, moves)
    return parameters, statistics, velocity, loss, correct


# Compiled once for all networks of one shape. The velocity is donated, which saves a
# copy; the weights are not, for a clone of the model may share them.
_compile = partial(
    jax.jit,
    _update,
    static_argnums=(0, 1),
    donate_argnums=4,
    compiler_options=_OPTIONS if device().platform == "cpu" else {},
)
_step = _compile()


def _gradients(
    model: nnx.Module, images: np.ndarray, labels: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    copy = engine.copied(model)
    copy.train()
    graphdef, parameters, statistics = nnx.split(copy, nnx.Param, ...)
    (loss, _), gradients = _loss_and_gradients(
        engine.computing(copy), parameters, statistics, to_tensor(images), labels
    )
    # The gradients have the parameters' structure, so the model's own names fit them.
    carrier = _backend.trainable(nnx.merge(graphdef, gradients, statistics))
    return float(loss), {name: _read(array) for name, array in carrier.items()}


def _forward(model: nnx.Module) -> Predict:
    compute = engine.evaluation(model)
    return lambda images: to_numpy(compute(to_tensor(images)))


def _children(module: nnx.Module) -> list[object]:
    return list(getattr(module, "layers", []))


def _kind(module: object) -> naming.Kind:
    # Pooling is a function here, with its window bound by functools.partial.
    if getattr(module, "func", None) is nnx.avg_pool:
        return "pool"
    return naming.kind_of(module, KINDS)


def _network(**arguments) -> nnx.Module:
    # Only shapes are made here: drawing Flax's own weights would compile for seconds.
    return nnx.eval_shape(lambda: models.DenseNet(**arguments, rngs=nnx.Rngs(0)))


def _place(model: nnx.Module, seed: int) -> None:
    # Of a network that has only shapes, dropout's generators are shapes as well.
    keys = nnx.Rngs(int(seed) % 2**32)
    for _, part in nnx.iter_graph(model):
        if isinstance(part, nnx.RngStream):
            part.key.value = keys()
            part.count.value = jnp.zeros((), jnp.uint32)


def _read(array: nnx.Variable) -> np.ndarray:
    return weights.from_channels_last(np.array(array.value))


def _write(array: nnx.Variable, new: np.ndarray) -> None:
    new = weights.to_channels_last(new)
    array.value = jax.device_put(np.array(new, array.value.dtype, order="C"))


_backend = Backend(
    framework="jax",
    network=_network,
    place=_place,
    children=_children,
    kind=_kind,
    names=FLAX_NAMES,
    shape=lambda array: weights.canonical_shape(array.value.shape),
    read=_read,
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
