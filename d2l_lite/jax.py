"""The book's tools for JAX and Flax: networks, canonical weights, training."""

import random
from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh

from d2l_lite import shared_names
from d2l_lite.backend import Backend, Predict
from d2l_lite.devices import jax_mesh as devices
from d2l_lite.models import jax as models
from d2l_lite.models.jax import *
from d2l_lite.networks import weights
from d2l_lite.networks.layer_names import Kind
from d2l_lite.shared_names import *
from d2l_lite.training import trainer
from d2l_lite.training.state import Step

__all__ = shared_names.public(models)


def device() -> jax.Device:
    """The first accelerator, or the processor."""
    return jax.local_devices()[0]


def seed_everything(seed: int) -> None:
    """Seed Python's and NumPy's global generators; JAX's keys are explicit."""
    random.seed(seed)
    np.random.seed(seed)


def to_tensor(array: np.ndarray) -> jax.Array:
    """NumPy images N×C×H×W as an array N×H×W×C, Flax's layout; labels as they are.

    See chapter `from_resnet_to_densenet`.
    """
    return jnp.asarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)


def to_numpy(tensor: jax.Array) -> np.ndarray:
    """A JAX array as a NumPy array; feature maps N×H×W×C become N×C×H×W.

    bfloat16, which NumPy does not know, becomes float32.
    """
    array = weights.known(np.asarray(tensor))
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


class Frozen(nnx.Variable):
    """A parameter that stays as it is, since it is no `nnx.Param`."""


class JAX(Backend):
    """JAX with Flax, as the library uses it."""

    framework = "jax"
    kinds = {nnx.Conv: "conv", nnx.BatchNorm: "norm", nnx.Linear: "linear"}
    names = {
        "conv": {"weight": "kernel"},
        "linear": {"weight": "kernel"},
        "norm": {"weight": "scale", "running_mean": "mean", "running_var": "var"},
    }

    def accelerator(self) -> str:
        return "" if device().platform == "cpu" else device().device_kind

    def peak_memory(self) -> int | None:
        # A processor has no statistics.
        return (device().memory_stats() or {}).get("peak_bytes_in_use")

    def network(self, **arguments) -> nnx.Module:
        return self.create(models.DenseNet, **arguments)

    def create(self, block, *arguments, **options) -> nnx.Module:
        # Only shapes are made here: drawing Flax's own weights would compile for
        # seconds.
        return nnx.eval_shape(lambda: block(*arguments, rngs=nnx.Rngs(0), **options))

    def place(self, model: nnx.Module, seed: int) -> None:
        # Of a network that has only shapes, dropout's generators are shapes as well.
        keys = nnx.Rngs(int(seed) % 2**32)
        for _, part in nnx.iter_graph(model):
            if isinstance(part, nnx.RngStream):
                part.key.value = keys()
                part.count.value = jnp.zeros((), jnp.uint32)

    def children(self, module: nnx.Module) -> list[object]:
        return list(getattr(module, "layers", []))

    def kind(self, module: object) -> Kind:
        # Pooling is a function here, with its window bound by functools.partial.
        if getattr(module, "func", None) is nnx.avg_pool:
            return "pool"
        return super().kind(module)

    def before_pooling(self, features: nnx.Sequential) -> nnx.Sequential:
        return nnx.Sequential(*features.layers[:-1])

    def own(self, model: nnx.Module) -> dict[str, nnx.Variable]:
        return {
            ".".join(map(str, path)): part
            for path, part in nnx.iter_graph(model)
            if isinstance(part, nnx.Variable) and not isinstance(part, nnx.RngState)
        }

    def learning(self, model: nnx.Module) -> list[nnx.Param]:
        # Flax has no other mark: frozen is what is a variable of another type.
        parts = (part for _, part in nnx.iter_graph(model))
        return [part for part in parts if isinstance(part, nnx.Param)]

    def freeze(self, layer: nnx.Module) -> Callable[[], None]:
        learning = {n: p for n, p in vars(layer).items() if isinstance(p, nnx.Param)}

        def mark(still):
            for name, parameter in learning.items():
                setattr(layer, name, Frozen(parameter.value) if still else parameter)
            if self.kind(layer) == "norm":
                layer.use_running_average = still

        mark(True)
        return partial(mark, False)

    def dropout_rate(self, layer: object) -> float:
        return layer.rate if isinstance(layer, nnx.Dropout) else 0.0

    def shape(self, array: nnx.Variable) -> tuple[int, ...]:
        return weights.canonical_shape(array.value.shape)

    def read(self, array: nnx.Variable) -> np.ndarray:
        if isinstance(array.value, jax.ShapeDtypeStruct):
            raise ValueError("the model has shapes and no weights: initialize it")
        return weights.from_channels_last(weights.known(np.array(array.value)))

    def write(self, array: nnx.Variable, new: np.ndarray) -> None:
        new = weights.to_channels_last(new)
        array.value = jax.device_put(np.array(new, array.value.dtype, order="C"))

    def forward(self, model: nnx.Module) -> Predict:
        graphdef, state = nnx.split(model)
        compute = _evaluation(graphdef)
        return lambda images: to_numpy(compute(state, to_tensor(images)))

    def gradients(
        self, model: nnx.Module, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        copy = nnx.merge(*nnx.split(model), copy=True)
        copy.train()
        graphdef, parameters, statistics = nnx.split(copy, nnx.Param, ...)
        (loss, _), gradients = _loss_and_gradients(
            graphdef, parameters, statistics, to_tensor(images), labels
        )
        # The gradients have the parameters' structure, so the model's own names fit.
        carrier = self.trainable(nnx.merge(graphdef, gradients, statistics))
        return float(loss), {name: self.read(a) for name, a in carrier.items()}


backend = JAX()
# `build`, `load`, `predict` and the others of `backend.PUBLIC`.
globals().update(backend.functions())


class Trainer(trainer.Trainer):
    """Trains a `flax.nnx.Module`; see `d2l_lite.training.trainer.Trainer`.

    Without `sync_batch_norm` the running statistics are the mean over the devices.
    """

    backend = backend

    @property
    def primary(self) -> bool:
        return jax.process_index() == 0

    def prepare(self, model: nnx.Module) -> Step:
        devices.check(self.precision, self.compile)
        devices.keep_programs()
        training = _Training(self, model)
        streams = [p for _, p in nnx.iter_graph(model) if isinstance(p, nnx.RngStream)]
        reseed = partial(backend.place, model) if streams else None
        return Step(training.step, training.read, training.write, reseed)


class _Training:
    """A model in training, and the velocities of its parameters."""

    def __init__(self, trainer: Trainer, model: nnx.Module) -> None:
        team = devices.Team(trainer.devices)
        self.model = model
        self.check = backend.training_check(model, "Trainer.fit")
        model.train()
        for layer in backend.parts(model, trainer.freeze, "Trainer"):
            if backend.kind(layer) == "norm":
                layer.use_running_average = True
        self.graphdef, parameters, _ = nnx.split(model, nnx.Param, ...)
        # Not by JAX's own zeros, which compile a program for each shape.
        self.velocity = jax.device_put(jax.tree.map(np.zeros_like, parameters))
        definition = devices.computing(model, trainer.precision)
        rule = definition, trainer.momentum, trainer.nesterov, trainer.weight_decay
        program = partial(_compiled(team.mesh, trainer.sync_batch_norm), rule)
        self.train, self.place = program, jnp.asarray
        if team.mesh is not None:
            self.train, self.place = team.over(program), team.split

    def step(self, images: np.ndarray, labels: np.ndarray, learning_rate: float):
        """What `Step.train` is."""
        _, parameters, statistics = nnx.split(self.model, nnx.Param, ...)
        X, y = self.check(images, labels)
        X, y = self.place(X.transpose(0, 2, 3, 1)), self.place(y)
        parameters, statistics, self.velocity, *results = self.train(
            parameters, statistics, self.velocity, X, y, learning_rate
        )
        nnx.update(self.model, parameters, statistics)
        return results

    def _carrier(self) -> nnx.Module:
        """A model with velocities for weights: the names of these fit those."""
        _, _, statistics = nnx.split(self.model, nnx.Param, ...)
        return nnx.merge(self.graphdef, self.velocity, statistics)

    def read(self) -> dict[str, np.ndarray]:
        """The velocities, as `Step.read` gives them."""
        arrays = backend.trainable(self._carrier()).items()
        return {name: backend.read(array) for name, array in arrays}

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the velocities."""
        carrier = self._carrier()
        for name, array in backend.trainable(carrier).items():
            backend.write(array, arrays[name])
        self.velocity = nnx.split(carrier, nnx.Param, ...)[1]


@cache
def _evaluation(graphdef: nnx.GraphDef):
    """A model in evaluation mode, compiled once for all models of one definition."""

    def compute(state, X):
        model = nnx.merge(graphdef, state)
        model.eval()
        return model(X)

    return jax.jit(compute)


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


def _update(differentiate, rule, parameters, statistics, velocity, X, y, lr):
    """One step of SGD as `training.trainer.Trainer` writes it."""
    graphdef, momentum, nesterov, weight_decay = rule
    (loss, (correct, statistics)), gradients = differentiate(
        graphdef, parameters, statistics, X, y
    )
    decay = optax.add_decayed_weights(weight_decay)
    gradients, _ = decay.update(gradients, optax.EmptyState(), parameters)
    nesterov_momentum = optax.trace(momentum, nesterov)
    moves, (velocity,) = nesterov_momentum.update(gradients, optax.TraceState(velocity))
    parameters = jax.tree.map(lambda p, m: p - lr * m, parameters, moves)
    return parameters, statistics, velocity, loss, correct


@cache
def _compiled(mesh: Mesh | None, sync: bool):
    """The step as one program, which is compiled once for all networks of one shape.

    With a mesh it is the program of all its devices. With `sync` that is the one of one
    device, and XLA finds what each does and when they add up; else each differentiates
    its own part.
    """
    differentiate, options = _loss_and_gradients, {}
    if device().platform == "cpu" and jax.__version_info__ < (0, 11):
        # Else this pass throws away the barriers of `nnx.remat`, and XLA merges what is
        # computed twice: `memory_efficient=True` would save nothing. Later versions do
        # not take the option.
        options["compiler_options"] = {"xla_disable_hlo_passes": "cse_barrier_expander"}
    if mesh is not None:
        options["out_shardings"] = devices.everywhere(mesh)
        if not sync:
            differentiate = devices.averaged(mesh, differentiate)
    # The velocity is donated, which saves a copy; the weights are not, for a clone of
    # the model may share them.
    step = partial(_update, differentiate)
    return jax.jit(step, static_argnums=0, donate_argnums=3, **options)
