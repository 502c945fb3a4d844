"""Epochs of `Trainer.fit` on Fashion-MNIST, to see what they lose to the data.

A turn is an epoch of the plain network on mirrored and shifted images, 32×32.
"""

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.contender import Measure, Run, seconds
from d2l_lite.data.fashion_mnist import FashionMNIST

BATCH_SIZE, STEPS = 64, 24
Batch = tuple[np.ndarray, np.ndarray]


class Held:
    """An image set whose batches exist already."""

    def __init__(self, train: Any) -> None:
        options = {"shuffle": True, "augment": True, "rng": np.random.default_rng(0)}
        self.made = list(train.batches(BATCH_SIZE, **options))

    def __len__(self) -> int:
        return sum(len(labels) for _, labels in self.made)

    def batches(self, *arguments: Any, **options: Any) -> Iterator[Batch]:
        return iter(self.made)


def rate(framework: str, held: bool) -> Measure:
    """Images/s, with batches made while it trains, or held in memory since before."""
    fit = _fit(framework, held, lambda step: step)
    return lambda: BATCH_SIZE * STEPS / seconds(fit)


def gaps(framework: str) -> Measure:
    """The share of an epoch, in percent, that passes between steps.

    Each step is waited for.
    """
    spent: list[float] = []

    def timed(step: Callable) -> Callable:
        def train(*batch: Any) -> tuple[float, float]:
            start = time.perf_counter()
            loss, correct = map(float, step(*batch))
            spent.append(time.perf_counter() - start)
            return loss, correct

        return replace(step, train=train)

    fit = _fit(framework, False, timed)

    def measure() -> float:
        spent.clear()
        whole = seconds(fit)
        return 100 * (1 - sum(spent) / whole)

    return measure


def _fit(framework: str, held: bool, changed: Callable) -> Run:
    """What trains for an epoch, with one step prepared, and compiled, for all."""
    d2l = importlib.import_module(f"d2l_lite.{framework}")
    options = {"max_epochs": 1, "learning_rate": 0.01, "augment": True}
    model = d2l.build("densenet")
    step = changed(d2l.Trainer(**options).prepare(model))

    class Trainer(d2l.Trainer):
        def prepare(self, model: Any) -> Any:
            return step

        def evaluate(self, model: Any, image_set: Any) -> tuple[float, float]:
            return 0.0, 0.0

    train = FashionMNIST(scale="full").train.take(BATCH_SIZE * STEPS)
    data = SimpleNamespace(
        train=Held(train) if held else train, validation=train.take(1)
    )
    trainer = Trainer(**options)
    trainer.fit(model, data)
    return partial(trainer.fit, model, data)
