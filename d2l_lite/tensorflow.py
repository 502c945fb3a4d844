"""The book's tools for TensorFlow and Keras: networks, canonical weights, training."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from d2l_lite import common
from d2l_lite.backend import Backend, Predict
from d2l_lite.common import *
from d2l_lite.data import scale
from d2l_lite.devices import keras_strategy as devices
from d2l_lite.models import tensorflow as models
from d2l_lite.models.tensorflow import *
from d2l_lite.networks import layer_names as naming
from d2l_lite.networks import weights
from d2l_lite.training import trainer as training
from d2l_lite.training.state import Keeper

__all__ = common.offers(models)

KINDS = {
    layers.Conv2D: "conv",
    layers.BatchNormalization: "norm",
    layers.Dense: "linear",
    layers.AveragePooling2D: "pool",
}
KERAS_NAMES = {
    "conv": {"weight": "kernel"},
    "linear": {"weight": "kernel"},
    "norm": {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
}


def device() -> str:
    """The first accelerator, or the processor."""
    return "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"


scale.accelerator_found(device() != "CPU:0")
# Where there are other hosts, TensorFlow must know before it computes anything.
devices.workers()


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and TensorFlow's global generators."""
    keras.utils.set_random_seed(seed)


def to_tensor(array: np.ndarray) -> tf.Tensor:
    """NumPy images N×C×H×W as a tensor N×H×W×C, Keras' layout; labels as they are."""
    return tf.convert_to_tensor(
        array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    )


def to_numpy(tensor: tf.Tensor) -> np.ndarray:
    """A tensor as a NumPy array; feature maps N×H×W×C become N×C×H×W."""
    array = tensor.numpy()
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


class Trainer(training.Trainer):
    """Trains a `keras.Model`; see `d2l_lite.training.trainer.Trainer`.

    On several devices its variables are mirrored from `prepare` to the end of `fit`.
    Without `sync_batch_norm` the running statistics are the mean of the devices'.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        devices.check(self)

    @property
    def primary(self) -> bool:
        return devices.primary()

    def prepare(self, model: keras.Model) -> training.Step:
        strategy = devices.strategy(self.devices)
        devices.place(model, strategy)
        together = strategy is not None and self.sync_batch_norm
        parameters = [variable.value for variable in model.trainable_variables]
        scope = strategy or tf.distribute.get_strategy()
        with scope.scope():
            velocities = [
                tf.Variable(tf.zeros_like(p), trainable=False) for p in parameters
            ]

        def gradients(X, y):
            with tf.GradientTape() as tape:
                logits = tf.cast(model(X, training=True), parameters[0].dtype)
                loss = _loss(logits, y)
            correct = tf.math.count_nonzero(tf.argmax(logits, axis=1) == y)
            return loss, correct, tape.gradient(loss, parameters)

        # Not keras.optimizers.SGD, which keeps the learning rate inside the velocity
        # and decays weights apart from the gradient: other updates than PyTorch's. One
        # operator for each parameter costs less than its sums and products.
        def update(p, v, gradient, learning_rate):
            tf.raw_ops.ResourceApplyMomentum(
                var=p.handle,
                accum=v.handle,
                lr=learning_rate,
                grad=gradient + self.weight_decay * p,
                momentum=self.momentum,
                use_nesterov=self.nesterov,
            )

        of_batch = gradients
        if strategy is not None:
            if self.compile:
                gradients = tf.function(gradients, jit_compile=True)
            of_batch = devices.shared(strategy, model, together, gradients)

        @tf.function(jit_compile=(self.compile and strategy is None) or None)
        def train(X, y, learning_rate):
            with devices.computing(model, self.precision, together):
                loss, correct, found = of_batch(X, y)
            for p, v, gradient in zip(parameters, velocities, found):
                scope.extended.update(p, update, args=(v, gradient, learning_rate))
            return loss, correct

        check = _backend.batch_check(model, "Trainer.fit")

        def step(images, labels, learning_rate):
            rate = tf.constant(learning_rate, parameters[0].dtype)
            batch = map(to_tensor, check(images, labels))
            if strategy is not None:
                batch = devices.parts(strategy, *batch)
            return train(*batch, rate)

        # Variables themselves cannot be keys, their names in the graph can.
        own = {id(p): v for p, v in zip(parameters, velocities)}
        kept = {
            name: own[id(variable.value)]
            for name, variable in _backend.trainable(model).items()
        }

        def read():
            return {name: _canonical(v) for name, v in kept.items()}

        def write(arrays):
            for name, v in kept.items():
                _write(v, arrays[name])

        return training.Step(step, read, write, _reseed(model))

    def forward(self, model: keras.Model) -> Predict:
        return _backend.evaluator(model)

    def fit(
        self, model: keras.Model, data: Any, keeper: Keeper | None = None
    ) -> History:
        try:
            return super().fit(model, data, keeper)
        finally:
            devices.place(model, None)


def _reseed(model: keras.Model) -> Callable[[int], None] | None:
    """Sets the generators of all dropout layers, which Keras keeps as variables."""
    generators = [
        layer.seed_generator
        for layer in model._flatten_layers()
        if isinstance(layer, layers.Dropout) and layer.rate
    ]

    def reseed(seed: int) -> None:
        for number, generator in enumerate(generators):
            generator.state.assign([seed, number])

    return reseed if generators else None


def _gradients(
    model: keras.Layer, images: np.ndarray, labels: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    trainable = _backend.trainable(model)
    with tf.GradientTape() as tape:
        loss = _loss(model(to_tensor(images), training=True), labels)
    values = [devices.first(array.value) for array in trainable.values()]
    gradients = tape.gradient(loss, values)
    return float(loss), dict(zip(trainable, map(_canonical, gradients)))


def _forward(model: keras.Layer) -> Predict:
    graph = devices.graph(model)
    return lambda images: to_numpy(graph(to_tensor(images)))


def _loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_mean(losses)


def _canonical(array: tf.Tensor | keras.Variable) -> np.ndarray:
    return weights.from_channels_last(np.array(array))


def _children(module: keras.Layer) -> list[keras.Layer]:
    return list(getattr(module, "layers", []))


def _write(array: keras.Variable, new: np.ndarray) -> None:
    array.assign(weights.to_channels_last(new))


_backend = Backend(
    framework="tensorflow",
    network=models.DenseNet,
    place=lambda model, seed: None,
    children=_children,
    kind=partial(naming.kind_of, kinds=KINDS),
    names=KERAS_NAMES,
    shape=lambda array: weights.canonical_shape(array.shape),
    read=_canonical,
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
