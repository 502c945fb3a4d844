"""Epochs of Fashion-MNIST as the guide of `tf.data` reads them.

python -m benchmarks.contenders.reading_tensorflow SIZE
"""

import sys
from collections.abc import Callable
from functools import partial

import tensorflow as tf

from benchmarks.contender import serve
from benchmarks.contenders.reading import BATCH_SIZE, images_per_second
from d2l_lite.data.fashion_mnist import FashionMNIST, read


def set_up(size: int) -> Callable[[], float]:
    train, _ = read("full")
    images = train.images.transpose(0, 2, 3, 1)

    def prepare(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.image.resize(tf.cast(image, tf.float32) / 255, (size, size))
        return (image - FashionMNIST.mean) / FashionMNIST.std, label

    epoch = (
        tf.data.Dataset.from_tensor_slices((images, train.labels))
        .shuffle(len(images))
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH_SIZE)
        .prefetch(tf.data.AUTOTUNE)
    )
    return partial(images_per_second, lambda: epoch)


if __name__ == "__main__":
    serve(partial(set_up, int(sys.argv[1])))
