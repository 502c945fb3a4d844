"""Epochs of the full Fashion-MNIST as the book's data set gives them.

    python -m benchmarks.contenders.reading [--framework F] [--size N] [--augment]
        [--memory]

A round reads one epoch in shuffled order and gives images per second; with `--memory`
it gives the most memory, in MiB, that this process has held beyond its imports.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contender import resident, serve
from d2l_lite import PACKAGES
from d2l_lite.data.fashion_mnist import FashionMNIST

BATCH_SIZE = 64


def images_per_second(epoch: Callable[[], Iterable[tuple[Any, Any]]]) -> float:
    """Read one epoch of (images, labels) and do nothing with it."""
    start, count = time.perf_counter(), 0
    for _, labels in epoch():
        count += len(labels)
    return count / (time.perf_counter() - start)


def set_up(options: argparse.Namespace, before: int) -> Callable[[], float]:
    size = options.size and (options.size, options.size)
    train = FashionMNIST(scale="full", resize=size).train
    rng = np.random.default_rng(0)
    # PyTorch's and JAX's tensors may share NumPy's memory, the others copy it.
    convert = (
        options.framework
        and importlib.import_module(f"d2l_lite.{options.framework}").to_tensor
    )

    def epoch() -> Iterator[tuple[Any, Any]]:
        for images, labels in train.batches(
            BATCH_SIZE, shuffle=True, augment=options.augment, rng=rng
        ):
            yield (convert(images), convert(labels)) if convert else (images, labels)

    def measure() -> float:
        speed = images_per_second(epoch)
        return (resident("VmHWM") - before) / 2**20 if options.memory else speed

    measure()
    return measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--framework", choices=PACKAGES)
    parser.add_argument("--size", type=int, help="to which images are resized")
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    if options.framework:
        importlib.import_module(f"d2l_lite.{options.framework}")
    serve(partial(set_up, options, resident("VmRSS")))


if __name__ == "__main__":
    main()
