"""TensorFlow without the book's library: a bare loop, and Keras as its guide has it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contender import Measure, Run
from benchmarks.contenders import reading
from benchmarks.workload import Layer, Workload
from d2l_lite.models.tensorflow import DenseNet

SGD = {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}


def bare(workload: Workload, graph: bool = True, jit_compile: bool = False) -> Run:
    """The book's network as an expert trains it: the whole step is one graph."""
    model = DenseNet(**workload.arguments)
    images, labels = _batches(workload)
    model.build((None, *images.shape[2:]))
    optimizer = keras.optimizers.SGD(**SGD)
    optimizer.build(model.trainable_variables)
    images, labels = map(tf.unstack, map(tf.constant, (images, labels)))

    def step(X: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(X, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    if graph:
        step = tf.function(step, jit_compile=jit_compile)

    def run() -> None:
        losses = [step(X, y) for X, y in zip(images, labels)]
        tf.stack(losses).numpy()

    return run


def reference(workload: Workload) -> Run:
    """`compile` and `fit`."""
    model = _network(workload)
    model.compile(
        optimizer=keras.optimizers.SGD(**SGD),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = tf.data.Dataset.from_tensor_slices(_batches(workload))
    data = data.prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(data, shuffle=False, verbose=0)


def mixed(workload: Workload) -> Run:
    """The same under Keras' policy of mixed precision, in bfloat16."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return reference(workload)
    finally:
        keras.config.set_dtype_policy(usual)


def call(workload: Workload) -> Run:
    """`model(images)`."""
    model = _network(workload)
    images, _ = _batches(workload)

    def run() -> None:
        for X in images:
            model(X, training=False).numpy()

    return run


def predict(workload: Workload) -> Run:
    """`model.predict(images)`."""
    model = _network(workload)
    images, _ = _batches(workload)

    def run() -> None:
        for X in images:
            model.predict(X, batch_size=workload.batch_size, verbose=0)

    return run


def _batches(workload: Workload):
    images, labels = workload.batches()
    return images.transpose(0, 1, 3, 4, 2).copy(), labels


def _network(workload: Workload) -> keras.Model:
    """Keras' own network, where it has one, or the book's."""
    if workload.network in ("densenet121", "densenet169", "densenet201"):
        name = workload.network.replace("densenet", "DenseNet")
        make = getattr(keras.applications, name)
        return make(weights=None, classifier_activation=None)
    return DenseNet(**workload.arguments)


MAKERS: dict[str, Callable[[Layer], keras.Layer]] = {
    "concatenation": lambda layer: keras.layers.Concatenate(),
    "normalisation": lambda layer: keras.layers.BatchNormalization(epsilon=1e-5),
    "ReLU": lambda layer: keras.layers.ReLU(),
    "convolution": lambda layer: keras.layers.Conv2D(
        layer.channels,
        layer.kernel_size,
        layer.stride,
        padding="same",
        use_bias=layer.bias,
    ),
}


def layers(found: Sequence[Layer], workload: Workload, training: bool) -> Run:
    """Layers, each by itself on arrays of its own."""
    made, arrays, rng = [], [], np.random.default_rng(0)
    for layer in found:
        sizes = [
            (workload.batch_size, layer.pixels, layer.pixels, channels)
            for channels in layer.inputs
        ]
        arrays.append([rng.standard_normal(size, np.float32) for size in sizes])
        made.append(MAKERS[layer.kind](layer))
        made[-1].build(sizes if len(sizes) > 1 else sizes[0])

    arrays = [list(map(tf.constant, Xs)) for Xs in arrays]
    options = defaultdict(dict, normalisation={"training": training})

    @tf.function
    def compute(arrays):
        results = []
        for layer, module, Xs in zip(found, made, arrays):
            with tf.GradientTape() as tape:
                asked = [variable.value for variable in module.trainable_variables]
                if layer.place != "stem":  # nobody asks for the images' gradient
                    asked += Xs
                tape.watch(asked)
                Y = module(Xs if len(Xs) > 1 else Xs[0], **options[layer.kind])
            results += tape.gradient(Y, asked, Y) if training else [Y]
        return results

    def run() -> None:
        for _ in range(workload.steps):
            results = compute(arrays)
        results[-1].numpy()

    return run


def read(size: int) -> Measure:
    """Epochs of Fashion-MNIST as the guide of `tf.data` reads them, in images/s."""
    images, labels = reading.pictures()

    def prepare(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.image.resize(tf.cast(image, tf.float32) / 255, (size, size))
        return (image - reading.MEAN) / reading.STD, label

    epoch = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(reading.BATCH_SIZE)
        .prefetch(tf.data.AUTOTUNE)
    )
    return partial(reading.images_per_second, lambda: epoch)
