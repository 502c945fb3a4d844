"""Epochs of Fashion-MNIST as Gluon's tutorials read them: transforms and DataLoader.

python -m benchmarks.contenders.reading_mxnet SIZE WORKERS
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.contender import serve
from benchmarks.contenders.reading import BATCH_SIZE, images_per_second
from d2l_lite import numpy_aliases  # noqa: F401
from d2l_lite.data.fashion_mnist import FashionMNIST, read

# isort: split
import mxnet as mx
from mxnet.gluon.data import ArrayDataset, DataLoader
from mxnet.gluon.data.vision import transforms


def set_up(size: int, workers: int) -> Callable[[], float]:
    train, _ = read("full")
    transform = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.ToTensor(),
            transforms.Normalize(FashionMNIST.mean[0], FashionMNIST.std[0]),
        ]
    )
    images = mx.nd.array(train.images.transpose(0, 2, 3, 1), dtype=np.uint8)
    pictures = ArrayDataset(images, train.labels).transform_first(transform)
    loader = DataLoader(pictures, BATCH_SIZE, shuffle=True, num_workers=workers)

    def epoch() -> Iterator[tuple[mx.nd.NDArray, mx.nd.NDArray]]:
        for pair in loader:
            # MXNet answers before it has finished.
            pair[0].wait_to_read()
            yield pair

    return partial(images_per_second, epoch)


if __name__ == "__main__":
    serve(partial(set_up, *map(int, sys.argv[1:])))
