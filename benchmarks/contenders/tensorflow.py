"""TensorFlow without the book's library: a bare loop, and Keras with its own networks.

python -m benchmarks.contenders.tensorflow WAY NETWORK SIZE BATCH STEPS
"""

from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf

from benchmarks.contenders.tasks import Task, convolutions, take_part
from d2l_lite.models.tensorflow import DenseNet
from d2l_lite.networks import zoo

SGD = {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}


def bare(task: Task) -> Callable[[], float]:
    """The book's network as an expert trains it: the whole step is one graph."""
    model = DenseNet(**zoo.NETWORKS[task.network])
    model.build((None, task.size, task.size, task.channels))
    optimizer = keras.optimizers.SGD(**SGD)
    optimizer.build(model.trainable_variables)
    images, labels = _batches(task)
    images, labels = map(tf.unstack, map(tf.constant, (images, labels)))

    @tf.function
    def step(X, y):
        with tf.GradientTape() as tape:
            logits = model(X, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    def run() -> None:
        losses = [step(X, y) for X, y in zip(images, labels)]
        tf.stack(losses).numpy()

    return task.timed(run)


def reference(task: Task) -> Callable[[], float]:
    """`compile` and `fit`."""
    model = _network(task)
    model.compile(
        optimizer=keras.optimizers.SGD(**SGD),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    images, labels = _batches(task)
    data = tf.data.Dataset.from_tensor_slices((images, labels))
    data = data.prefetch(tf.data.AUTOTUNE)
    return task.timed(lambda: model.fit(data, verbose=0))


def inference(function: bool, task: Task) -> Callable[[], float]:
    """`model(images)`, or `model.predict(images)`."""
    model = _network(task)
    images, _ = _batches(task)

    def run() -> None:
        for X in images:
            if function:
                model.predict(X, batch_size=task.batch_size, verbose=0)
            else:
                model(X, training=False).numpy()

    return task.timed(run)


def _batches(task: Task):
    images, labels = task.batches()
    return images.transpose(0, 1, 3, 4, 2).copy(), labels


def _network(task: Task) -> keras.Model:
    """Keras' own network, where it has one, or the book's."""
    if task.network in ("densenet121", "densenet169", "densenet201"):
        name = task.network.replace("densenet", "DenseNet")
        make = getattr(keras.applications, name)
        return make(weights=None, classifier_activation=None)
    return DenseNet(**zoo.NETWORKS[task.network])


def alone(training: bool, task: Task) -> Callable[[], float]:
    """The network's convolutions, each by itself: GFLOP/s."""
    found = convolutions(task.network, task.size)
    inputs, weights = [], []
    for c in found:
        inputs.append(
            tf.random.normal((task.batch_size, c.pixels, c.pixels, c.in_channels))
        )
        size = (c.kernel_size, c.kernel_size)
        weights.append(tf.random.normal((*size, c.in_channels, c.out_channels)))

    @tf.function
    def compute(inputs, weights):
        results = []
        for number, (c, X, W) in enumerate(zip(found, inputs, weights)):
            with tf.GradientTape() as tape:
                # Nobody asks for the gradient of the images.
                asked = [W, X] if number else [W]
                tape.watch(asked)
                Y = tf.nn.conv2d(X, W, c.stride, "SAME")
            results += tape.gradient(Y, asked, Y) if training else [Y]
        return results

    def run() -> None:
        for _ in range(task.steps):
            compute(inputs, weights)

    return task.timed_flops(run, training)


if __name__ == "__main__":
    take_part(
        alone,
        bare=bare,
        reference=reference,
        call=partial(inference, False),
        predict=partial(inference, True),
    )
