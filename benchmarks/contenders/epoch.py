"""Epochs of `Trainer.fit` on Fashion-MNIST, to see what they lose to the data.

    python -m benchmarks.contenders.epoch FRAMEWORK made|held|gaps

A round is an epoch of the plain network on mirrored and shifted images, 32×32: with
batches made while it trains (`made`) or before that (`held`), in images per second;
`gaps` gives the share of it, in percent, that the training thread spends between its
steps, each of which it waits for.
"""

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.contender import serve
from d2l_lite.data.fashion_mnist import FashionMNIST
from d2l_lite.training.state import Step

BATCH_SIZE, STEPS = 64, 24
FOR_EVER = 10**6
Batch = tuple[np.ndarray, np.ndarray]


class Held:
    """An image set whose batches exist already."""

    def __init__(self, train: Any) -> None:
        options = {"shuffle": True, "augment": True, "rng": np.random.default_rng(0)}
        self.made = list(train.batches(BATCH_SIZE, **options))

    def __len__(self) -> int:
        return BATCH_SIZE * STEPS

    def batches(self, *arguments: Any, **options: Any) -> Iterator[Batch]:
        return iter(self.made)


class Gate:
    """Holds the training after each epoch until another one is asked for."""

    def __init__(self) -> None:
        self.seconds: SimpleQueue[float] = SimpleQueue()
        self.asked: SimpleQueue[bool] = SimpleQueue()
        self.start = 0.0

    def wait(self) -> None:
        """Called by the training: an epoch is over."""
        self.seconds.put(time.perf_counter() - self.start)
        if not self.asked.get():
            sys.exit()
        self.start = time.perf_counter()

    def epoch(self) -> float:
        """Let the training run for an epoch, and return its seconds."""
        self.asked.put(True)
        return self.seconds.get()


def trainer_at(gate: Gate, framework: str, steps: list[float] | None) -> Any:
    """A `Trainer` that waits at the gate where others evaluate, and times its steps."""

    class Trainer(importlib.import_module(f"d2l_lite.{framework}").Trainer):
        def prepare(self, model: Any) -> Step:
            step = super().prepare(model)

            def train(*batch: Any) -> tuple[float, float]:
                start = time.perf_counter()
                loss, correct = map(float, step(*batch))
                steps.append(time.perf_counter() - start)
                return loss, correct

            return step if steps is None else replace(step, train=train)

        def evaluate(self, model: Any, image_set: Any) -> tuple[float, float]:
            gate.wait()
            return 0.0, 0.0

    return Trainer(max_epochs=FOR_EVER, learning_rate=0.01, augment=True)


def set_up(gate: Gate, steps: list[float] | None) -> Callable[[], float]:
    gate.seconds.get()  # of the first epoch, which compiles
    gate.epoch()

    def measure() -> float:
        if steps is None:
            return BATCH_SIZE * STEPS / gate.epoch()
        steps.clear()
        seconds = gate.epoch()
        return 100 * (1 - sum(steps) / seconds)

    return measure


def answer(gate: Gate, steps: list[float] | None) -> None:
    """Take part in the race, beside the training; then that may end."""
    try:
        serve(lambda: set_up(gate, steps))
    finally:
        gate.asked.put(False)


def main(framework: str, how: str) -> None:
    module = importlib.import_module(f"d2l_lite.{framework}")
    gate, steps = Gate(), [] if how == "gaps" else None
    # The training has the main thread, for to MXNet's settings threads matter.
    threading.Thread(target=answer, args=(gate, steps), daemon=True).start()
    train = FashionMNIST(scale="full").train.take(BATCH_SIZE * STEPS)
    data = SimpleNamespace(
        train=Held(train) if how == "held" else train, validation=train
    )
    trainer_at(gate, framework, steps).fit(module.build("densenet"), data)


if __name__ == "__main__":
    main(*sys.argv[1:])
