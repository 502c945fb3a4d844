"""TensorFlow's devices: mirrored variables, replicas that share a batch, graphs."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary, ref

import keras
import tensorflow as tf

from d2l_lite.checks import check_parts

_graphs, lock = WeakKeyDictionary(), threading.Lock()
MEAN, SUM = tf.distribute.ReduceOp.MEAN, tf.distribute.ReduceOp.SUM


def provide(count: int) -> None:
    """Have `count` devices: without GPUs, as many logical ones of the processor.

    Where `TF_CONFIG` names hosts, this one is connected with the others. To be called
    before TensorFlow computes anything. See chapter `many_devices`.

    Raises:
        RuntimeError: TensorFlow has computed something, and cannot be told any more.
    """
    kind, found = available()
    if kind == "CPU" and found < count:
        (processor,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(processor, parts)
    workers()


def available() -> tuple[str, int]:
    """The kind of device to train on, "GPU" or "CPU", and how many there are.

    Asking does not start TensorFlow's runtime, after which `provide` comes too late.
    """
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    logical = tf.config.get_logical_device_configuration
    parts = map(logical, tf.config.list_physical_devices(kind))
    return kind, sum(len(part or [None]) for part in parts)


@cache
def workers() -> tf.distribute.Strategy | None:
    """The strategy of all hosts where `TF_CONFIG` names them; waits for the others.

    Raises:
        ValueError: it was not asked for before TensorFlow has computed something.
    """
    if not os.environ.get("TF_CONFIG"):
        return None
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ValueError(
            "TF_CONFIG names hosts, with which TensorFlow connects only before it "
            'computes anything: call d2l_lite.devices.provide("tensorflow", 1) first '
            f"({error})"
        ) from None


def primary() -> bool:
    """Whether this is the only process, or the first of several hosts."""
    return workers() is None or workers().extended.should_checkpoint


def check(trainer: Any) -> None:
    """Raise a ValueError for what a `Trainer` asks for and TensorFlow has not."""
    count, (kind, found) = trainer.devices, available()
    if trainer.precision == "float16":
        raise ValueError(
            "Trainer(precision='float16'): Keras scales the loss, which float16 needs, "
            "in its optimizers, and Trainer uses none; choose bfloat16 or float32"
        )
    if workers() and count != (own := len(workers().extended.worker_devices)):
        raise ValueError(
            f"Trainer(devices={count}): TF_CONFIG is set, and a host then trains on "
            f"all its GPUs or on one processor: choose devices={own}"
        )
    if found < count:
        raise ValueError(
            f"Trainer(devices={count}): TensorFlow has {found} of kind {kind} here; on "
            "a CPU d2l_lite.devices.keras_strategy.provide makes more, before its "
            "first use"
        )
    if trainer.compile and trainer.sync_batch_norm and (workers() or count > 1):
        raise ValueError(
            f"Trainer(compile=True, devices={count}): XLA's code cannot wait for the "
            "other devices' batch statistics; leave compile out, or choose "
            "sync_batch_norm=False"
        )


@cache
def strategy(count: int) -> tf.distribute.Strategy | None:
    """What trains on `count` devices of this machine, or of each host; None on one."""
    if workers() or count == 1:
        return workers()
    kind, _ = available()
    # TensorFlow takes it for processors anyway, with a warning.
    reduction = tf.distribute.ReductionToOneDevice() if kind == "CPU" else None
    names = [f"{kind}:{index}" for index in range(count)]
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


def place(model: keras.Model, strategy: tf.distribute.Strategy | None) -> None:
    """Give all variables of a model a copy on each device; with None, only one again.

    As if it had been built in the strategy's scope: an assignment within a replica
    changes its own copy, one elsewhere all of them, and who reads elsewhere is given
    the first.
    """
    for variable in model.variables:
        if getattr(variable.value, "distribute_strategy", None) is strategy:
            continue
        with (strategy or tf.distribute.get_strategy()).scope():
            # Keras has no public way to change what holds a variable's value.
            variable._value = tf.Variable(
                variable.numpy(), trainable=variable.trainable
            )


def first(variable: tf.Variable) -> tf.Variable:
    """A mirrored variable's copy on the first device; any other variable itself."""
    strategy = getattr(variable, "distribute_strategy", None)
    return strategy.experimental_local_results(variable)[0] if strategy else variable


@contextmanager
def computing(model: keras.Model, precision: str, together: bool) -> Iterator[None]:
    """While a step is traced: mixed precision, and all devices' batch statistics.

    Afterwards the layers are as they were, and evaluate in their own precision.
    """
    changes = []
    if precision != "float32":
        policy = keras.DTypePolicy(f"mixed_{precision}")
        changes += [(part, "dtype_policy", policy) for part in model._flatten_layers()]
    if together:
        changes += [(norm, "synchronized", True) for norm in _norms(model)]
    before = [(part, name, getattr(part, name)) for part, name, _ in changes]
    try:
        for change in changes:
            setattr(*change)
        yield
    finally:
        for change in before:
            setattr(*change)


def _norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    norm = keras.layers.BatchNormalization
    return [part for part in model._flatten_layers() if isinstance(part, norm)]


def shared(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    together: bool,
    gradients: Callable,
) -> Callable:
    """The gradients of a batch that replicas share, to be called in `tf.function`.

    Args:
        together: whether all replicas have the batch's statistics anyway; else each is
            given the mean of their running statistics.
        gradients: of a replica's part, `(X, y) -> (loss, correct, gradients)`.
    """
    # Frozen ones keep theirs.
    norms = [] if together else [norm for norm in _norms(model) if norm.trainable]
    running = [v.value for n in norms for v in (n.moving_mean, n.moving_variance)]
    seeds = [v.value for v in model.variables if "seed_generator" in v.path]

    def replica(X, y):
        context = tf.distribute.get_replica_context()
        for seed in seeds:
            seed.assign_add([context.replica_id_in_sync_group, 0])
        loss, correct, own = gradients(X, y)
        # Equal parts: the mean of their means is the mean of the batch.
        own, means = context.all_reduce(MEAN, (own, [s.read_value() for s in running]))
        for statistic, mean in zip(running, means):
            statistic.assign(mean)
        return loss, correct, own

    def of_all(X, y):
        loss, correct, found = strategy.run(replica, args=(X, y))
        loss = strategy.reduce(MEAN, loss, axis=None)
        return loss, strategy.reduce(SUM, correct, axis=None), found

    return of_all


def parts(strategy: tf.distribute.Strategy, *tensors: tf.Tensor) -> list[Any]:
    """Tensors of a batch, each cut into equal contiguous parts, one on each device."""
    count, size = strategy.num_replicas_in_sync, len(tensors[0])
    check_parts(size, count, "Trainer.fit")

    def part(tensor, context):
        start = context.replica_id_in_sync_group * (size // count)
        return tensor[start : start + size // count]

    distribute = strategy.experimental_distribute_values_from_function
    return [distribute(partial(part, tensor)) for tensor in tensors]


def graph(model: keras.Layer, dtype: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """A model in evaluation mode as a graph, of N×H×W×C images of any size.

    It is kept for as long as the model lives and consists of the same layers and
    variables; values of these may change.
    """
    parts = list(model._flatten_layers(include_self=False))
    parts += [variable.value for variable in model.variables]
    with lock:
        known, found = _graphs.get(model, ([], None))
        # Variables have no == that says whether they are the same.
        if len(known) != len(parts) or any(a is not b for a, b in zip(known, parts)):
            # A reference, for else the graph would keep its model alive. No closure, of
            # which TensorFlow would say that it is traced again for each model.
            evaluate = partial(_evaluate, ref(model))
            images = tf.TensorSpec([None] * 4, dtype)
            found = tf.function(evaluate, [images]).get_concrete_function()
            _graphs[model] = parts, found
    return found


def _evaluate(model: ref, X: tf.Tensor) -> tf.Tensor:
    return model()(X, training=False)
