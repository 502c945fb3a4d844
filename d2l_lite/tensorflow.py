"""The book's tools for TensorFlow and Keras: networks, canonical weights, training."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from d2l_lite import shared_names
from d2l_lite.backend import Backend, Predict
from d2l_lite.devices import keras_strategy as devices
from d2l_lite.models import tensorflow as models
from d2l_lite.models.tensorflow import *
from d2l_lite.networks import weights
from d2l_lite.shared_names import *
from d2l_lite.training import trainer
from d2l_lite.training.state import Keeper, Step

__all__ = shared_names.public(models)


def device() -> str:
    """The first accelerator, or the processor."""
    return "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and TensorFlow's global generators."""
    keras.utils.set_random_seed(seed)


def to_tensor(array: np.ndarray) -> tf.Tensor:
    """NumPy images N×C×H×W as a tensor N×H×W×C, Keras' layout; labels as they are.

    See chapter `from_resnet_to_densenet`.
    """
    return tf.convert_to_tensor(
        array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    )


def to_numpy(tensor: tf.Tensor) -> np.ndarray:
    """A tensor as a NumPy array; feature maps N×H×W×C become N×C×H×W.

    bfloat16, which NumPy does not know, becomes float32.
    """
    array = weights.known(tensor.numpy())
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


class TensorFlow(Backend):
    """TensorFlow with Keras, as the library uses it."""

    framework = "tensorflow"
    kinds = {
        layers.Conv2D: "conv",
        layers.BatchNormalization: "norm",
        layers.Dense: "linear",
        layers.AveragePooling2D: "pool",
    }
    names = {
        "conv": {"weight": "kernel"},
        "linear": {"weight": "kernel"},
        "norm": {
            "weight": "gamma",
            "bias": "beta",
            "running_mean": "moving_mean",
            "running_var": "moving_variance",
        },
    }

    def accelerator(self) -> str:
        found = tf.config.list_physical_devices("GPU")
        details = tf.config.experimental.get_device_details
        return details(found[0]).get("device_name", "GPU") if found else ""

    def peak_memory(self) -> int | None:
        if not self.accelerator():
            return None
        return tf.config.experimental.get_memory_info(device())["peak"]

    def network(self, **arguments) -> keras.Model:
        return models.DenseNet(**arguments)

    def place(self, model: keras.Layer, seed: int) -> None:
        """Nothing: Keras gives every layer memory when it is made."""

    def children(self, module: keras.Layer) -> list[keras.Layer]:
        return list(getattr(module, "layers", []))

    def before_pooling(self, features: keras.Sequential) -> keras.Sequential:
        return keras.Sequential(features.layers[:-1])

    def own(self, model: keras.Layer) -> dict[str, keras.Variable]:
        for part in model._flatten_layers():
            if self.kind(part) and not part.built:
                raise ValueError(f"{part.name} has no weights before it is built")
        return {array.path: array for array in model.weights}

    def learning(self, model: keras.Layer) -> list[keras.Variable]:
        return model.trainable_weights

    def freeze(self, layer: keras.Layer) -> Callable[[], None]:
        before, layer.trainable = layer.trainable, False
        return lambda: setattr(layer, "trainable", before)

    def dropout_rate(self, layer: keras.Layer) -> float:
        return layer.rate if isinstance(layer, layers.Dropout) else 0.0

    def shape(self, array: keras.Variable) -> tuple[int, ...]:
        return weights.canonical_shape(array.shape)

    def read(self, array: tf.Tensor | keras.Variable) -> np.ndarray:
        return weights.from_channels_last(weights.known(np.array(array)))

    def write(self, array: tf.Variable | keras.Variable, new: np.ndarray) -> None:
        array.assign(weights.to_channels_last(new))

    def forward(self, model: keras.Layer) -> Predict:
        dtype = next((array.dtype for array in self.own(model).values()), "float32")
        graph = devices.graph(model, dtype)
        return lambda images: to_numpy(graph(tf.cast(to_tensor(images), dtype)))

    def gradients(
        self, model: keras.Layer, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        trainable = self.trainable(model)
        values = [devices.first(array.value) for array in trainable.values()]
        # What layers assign is lost with the scope. The lock is for blocks with
        # `memory_efficient`, which switch a norm's momentum while they compute.
        with devices.lock, keras.StatelessScope(), tf.GradientTape() as tape:
            tape.watch(values)
            loss = _loss(model(to_tensor(images), training=True), labels)
            gradients = tape.gradient(loss, values)
        return float(loss), dict(zip(trainable, map(self.read, gradients)))


backend = TensorFlow()
# `build`, `load`, `predict` and the others of `backend.PUBLIC`.
globals().update(backend.functions())


class Trainer(trainer.Trainer):
    """Trains a `keras.Model`; see `d2l_lite.training.trainer.Trainer`.

    On several devices its variables are mirrored from `prepare` to the end of `fit`.
    Without `sync_batch_norm` the running statistics are the mean of the devices'.
    """

    backend = backend

    def __post_init__(self) -> None:
        super().__post_init__()
        devices.check(self)

    @property
    def primary(self) -> bool:
        return devices.primary()

    def prepare(self, model: keras.Model) -> Step:
        training = _Training(self, model)
        dropouts = [
            layer for layer in model._flatten_layers() if backend.dropout_rate(layer)
        ]

        def reseed(seed):
            # The generators of dropout layers, which Keras keeps as variables.
            for number, layer in enumerate(dropouts):
                layer.seed_generator.state.assign([seed, number])

        return Step(
            training.step, training.read, training.write, reseed if dropouts else None
        )

    def fit(
        self, model: keras.Model, data: Any, keeper: Keeper | None = None
    ) -> History:
        try:
            return super().fit(model, data, keeper)
        finally:
            devices.place(model, None)


class _Training:
    """A model in training, and the velocities of its parameters.

    Not keras.optimizers.SGD, which keeps the learning rate inside the velocity and
    decays weights apart from the gradient: other updates than PyTorch's.
    """

    def __init__(self, trainer: Trainer, model: keras.Model) -> None:
        self.trainer, self.model = trainer, model
        self.strategy = devices.strategy(trainer.devices)
        devices.place(model, self.strategy)
        self.check = backend.training_check(model, "Trainer.fit")
        self.together = self.strategy is not None and trainer.sync_batch_norm
        trainable = backend.trainable(model)
        self.parameters = [variable.value for variable in trainable.values()]
        self.scope = self.strategy or tf.distribute.get_strategy()
        with self.scope.scope():
            self.velocities = [
                tf.Variable(tf.zeros_like(p), trainable=False) for p in self.parameters
            ]
        self.named = dict(zip(trainable, self.velocities))
        if self.strategy is None:
            self.gradients = self.of_batch
            self.train = tf.function(self.move, jit_compile=trainer.compile or None)
        else:
            part = self.of_batch
            if trainer.compile:
                part = tf.function(part, jit_compile=True)
            self.gradients = devices.shared(self.strategy, model, self.together, part)
            self.train = tf.function(self.move)

    def step(self, images: np.ndarray, labels: np.ndarray, learning_rate: float):
        """What `Step.train` is."""
        rate = tf.constant(learning_rate, self.parameters[0].dtype)
        batch = map(to_tensor, self.check(images, labels))
        if self.strategy is not None:
            batch = devices.parts(self.strategy, *batch)
        return self.train(*batch, rate)

    def move(self, X, y, learning_rate):
        """Move parameters and velocities; loss and right predictions of a batch."""
        precision = self.trainer.precision
        with devices.computing(self.model, precision, self.together):
            loss, correct, gradients = self.gradients(X, y)
        for p, v, gradient in zip(self.parameters, self.velocities, gradients):
            self.scope.extended.update(
                p, self.move_one, args=(v, gradient, learning_rate)
            )
        return loss, correct

    def move_one(self, p, v, gradient, learning_rate):
        """Move a parameter; one operator costs less than its sums and products."""
        tf.raw_ops.ResourceApplyMomentum(
            var=p.handle,
            accum=v.handle,
            lr=learning_rate,
            grad=gradient + self.trainer.weight_decay * p,
            momentum=self.trainer.momentum,
            use_nesterov=self.trainer.nesterov,
        )

    def of_batch(self, X, y):
        """Loss, right predictions and gradients of a batch, or of a device's part."""
        with tf.GradientTape() as tape:
            # Of a variable that was frozen when it was made, TensorFlow takes no note.
            tape.watch(self.parameters)
            logits = self.model(X, training=True)
            logits = tf.cast(logits, self.parameters[0].dtype)
            loss = _loss(logits, y)
        correct = tf.math.count_nonzero(tf.argmax(logits, axis=1) == y)
        return loss, correct, tape.gradient(loss, self.parameters)

    def read(self) -> dict[str, np.ndarray]:
        """The velocities, as `Step.read` gives them."""
        return {name: backend.read(v) for name, v in self.named.items()}

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the velocities."""
        for name, v in self.named.items():
            backend.write(v, arrays[name])


def _loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    if logits.dtype.size < 4:
        logits = tf.cast(logits, tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_mean(losses)
