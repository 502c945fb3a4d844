"""Epochs of the full Fashion-MNIST as the book's data set gives them, in images/s."""

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from benchmarks.contender import Measure
from benchmarks.resident import resident
from d2l_lite.data.fashion_mnist import FashionMNIST

BATCH_SIZE = 64
(MEAN,), (STD,) = FashionMNIST.mean, FashionMNIST.std


def batches(
    framework: str | None = None,
    size: int | None = None,
    augment: bool = False,
    memory: bool = False,
) -> Measure:
    """Shuffled.

    Args:
        framework: in whose tensors the batches end; NumPy arrays without one.
        size: pixels of a side to which images are resized.
        augment: mirrors and shifts them.
        memory: the value is the most memory in MiB that the process has held besides.
    """
    before = resident("VmRSS") if memory else 0
    train = FashionMNIST(scale="full", resize=size and (size, size)).train
    convert = (
        importlib.import_module(f"d2l_lite.{framework}").to_tensor
        if framework
        else np.asarray
    )
    rng = np.random.default_rng(0)

    def epoch() -> Iterator[tuple[Any, Any]]:
        options = {"shuffle": True, "augment": augment, "rng": rng}
        for images, labels in train.batches(BATCH_SIZE, **options):
            yield convert(images), convert(labels)

    def measure() -> float:
        rate = images_per_second(epoch)
        return (resident("VmHWM") - before) / 2**20 if memory else rate

    measure()
    return measure


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """What readers without the library begin with: uint8 N×28×28×1, and labels."""
    train = FashionMNIST(scale="full", resize=(28, 28)).train
    return train.images.transpose(0, 2, 3, 1), train.labels


def images_per_second(epoch: Callable[[], Iterable[tuple[Any, Any]]]) -> float:
    """Read one epoch of (images, labels) and do nothing with it."""
    start, count = time.perf_counter(), 0
    for _, labels in epoch():
        count += len(labels)
    return count / (time.perf_counter() - start)
