"""The training loop that every framework shares; a framework supplies one step."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from d2l_lite.backend import Predict, in_batches
from d2l_lite.checks import check_choice, check_integer, check_real
from d2l_lite.history import History
from d2l_lite.progress import MODES, reporter

Step = Callable[[np.ndarray, np.ndarray, float], tuple[Any, Any]]


def constant(step: int, total_steps: int) -> float:
    """Keep the learning rate: factor 1 at every step."""
    return 1.0


def one_cycle(step: int, total_steps: int) -> float:
    """Rise linearly over the first 30 % of the steps, then fall linearly to almost 0.

    The triangle of Smith and Topin, "Super-Convergence" (2017, arXiv:1708.07120), with
    an early peak; the first and the last step still move, so that none is wasted.
    """
    peak = int(0.3 * total_steps)
    return min((step + 1) / (peak + 1), (total_steps - step) / (total_steps - peak))


SCHEDULES = {"constant": constant, "one-cycle": one_cycle}


class TrainingDiverged(RuntimeError):
    """The training loss is no longer a number; `history` holds the epochs before."""

    def __init__(
        self, epoch: int, loss: float, learning_rate: float, history: History
    ) -> None:
        super().__init__(
            f"training diverged in epoch {epoch}: the mean loss is {loss} at "
            f"learning_rate={learning_rate:g}; take a new model and a smaller rate"
        )
        self.epoch, self.learning_rate, self.history = epoch, learning_rate, history


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean softmax cross-entropy in nats and the share predicted right.

    Args:
        logits: N×K, taken as float64.
        labels: N class numbers from 0 to K − 1.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels from {labels.min()} to {labels.max()}: there are "
            f"{logits.shape[1]} classes, 0 to {logits.shape[1] - 1}"
        )
    # Without the largest logit taken away, exp overflows from 710 on.
    shifted = logits - logits.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=1))
    losses = normaliser - shifted[np.arange(len(labels)), labels]
    return float(losses.mean()), float((logits.argmax(axis=1) == labels).mean())


@dataclass
class Trainer:
    """Stochastic gradient descent with a schedule, evaluated after every epoch.

    With gradient g of the batch's mean loss, weights w and velocity v, one step is
    `g += weight_decay * w`, `v = momentum * v + g` and, with `nesterov`,
    `w -= rate * (g + momentum * v)`, else `w -= rate * v`.

    Args:
        max_epochs: times that the training set is gone through.
        batch_size: images per step. A last, smaller batch is left out in training
            (its batch statistics are poor), unless the set holds no other.
        learning_rate: the schedule's highest rate.
        schedule: "one-cycle" or "constant"; the rate changes with every step.
        augment: mirror and shift the training images at random.
        seed: of the one generator for order and augmentation.
        progress: a mode of `d2l_lite.progress`; None asks `D2L_LITE_PROGRESS`.

    Raises:
        ValueError: an argument out of its range.
    """

    max_epochs: int
    batch_size: int = 64
    learning_rate: float = 0.1
    schedule: str = "one-cycle"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    augment: bool = False
    seed: int = 0
    progress: str | None = None

    def __post_init__(self) -> None:
        checks = {
            "max_epochs": (check_integer, 1, None),
            "batch_size": (check_integer, 1, None),
            "learning_rate": (partial(check_real, above=True), 0, math.inf),
            "schedule": (check_choice, SCHEDULES),
            "momentum": (check_real, 0, 1),
            "weight_decay": (check_real, 0, math.inf),
            "seed": (check_integer, 0, None),
            "progress": (check_choice, (None, *MODES)),
        }
        for name, (check, *limits) in checks.items():
            value = getattr(self, name)
            check(value, *limits, f"Trainer({name}={value!r})")

    def prepare(self, model: Any) -> Step:
        """Return `step(images, labels, rate) -> (loss, correct)`, given by a framework.

        A step trains on N×C×H×W images and N integer labels; the batch's mean loss and
        its number of right predictions may be lazy: `float` is called once an epoch.
        """
        raise NotImplementedError

    def forward(self, model: Any) -> Predict:
        """Return `predict(images) -> N×K logits` in evaluation mode, by a framework.

        It is asked for anew at each evaluation and may take the weights as they are.
        """
        raise NotImplementedError

    def fit(self, model: Any, data: Any) -> History:
        """Train on `data.train`, evaluate on `data.validation` after every epoch.

        Raises:
            TrainingDiverged: an epoch's mean loss is infinite or not a number.
        """
        for name in ("train", "validation"):
            if len(getattr(data, name)) == 0:
                raise ValueError(f"fit: data.{name} holds no images")
        history, rng = History(), np.random.default_rng(self.seed)
        step = self.prepare(model)
        images = self._steps(data.train) * min(self.batch_size, len(data.train))
        progress = reporter(self.progress, self.max_epochs, images)
        try:
            for epoch in range(1, self.max_epochs + 1):
                start = time.perf_counter()
                row = self._train_epoch(step, data.train, epoch, rng, progress)
                seconds = time.perf_counter() - start
                if not math.isfinite(loss := row["train_loss"]):
                    raise TrainingDiverged(epoch, loss, self.learning_rate, history)
                loss, accuracy = self.evaluate(model, data.validation)
                row |= {"validation_loss": loss, "validation_accuracy": accuracy}
                history.append(epoch=epoch, seconds=seconds, **row)
                progress.epoch(history)
            progress.finish(history)
        finally:
            progress.close()
        return history

    def _steps(self, train: Any) -> int:
        return max(1, len(train) // self.batch_size)

    def _train_epoch(self, step, train, epoch, rng, progress) -> dict[str, float]:
        steps, factor = self._steps(train), SCHEDULES[self.schedule]
        full = len(train) >= self.batch_size
        batches = train.batches(
            self.batch_size, shuffle=True, augment=self.augment, rng=rng, drop_last=full
        )
        results = []
        for number, (images, labels) in enumerate(batches, (epoch - 1) * steps):
            rate = self.learning_rate * factor(number, steps * self.max_epochs)
            results.append((*step(images, labels, rate), len(labels)))
            progress.step(epoch, len(labels))
        # Only here does the loop wait for the device.
        losses, correct, sizes = np.array([[*map(float, row)] for row in results]).T
        return {
            "train_loss": float(np.average(losses, weights=sizes)),
            "train_accuracy": float(correct.sum() / sizes.sum()),
            "learning_rate": rate,
        }

    def logits(self, model: Any, image_set: Any) -> np.ndarray:
        """Return the float64 N×K logits of a set's images, in their order."""
        if len(image_set) == 0:
            raise ValueError("the image set holds no images")
        # What fits in training fits fourfold here, where no activations are kept.
        batches = image_set.batches(min(4 * self.batch_size, len(image_set)))
        logits = in_batches(self.forward(model), (images for images, _ in batches))
        return logits.astype(np.float64)

    def evaluate(self, model: Any, image_set: Any) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy on all images of a set."""
        return loss_and_accuracy(self.logits(model, image_set), image_set.labels)
