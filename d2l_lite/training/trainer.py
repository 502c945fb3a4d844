"""The training loop that every framework shares; a framework supplies one step."""

import math
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from d2l_lite.backend import Predict, in_batches
from d2l_lite.checks import (
    check_choice,
    check_integer,
    check_parts,
    check_real,
    check_switch,
)
from d2l_lite.training.history import History
from d2l_lite.training.prefetch import ahead
from d2l_lite.training.progress import MODES, reporter
from d2l_lite.training.schedules import SCHEDULES
from d2l_lite.training.state import Keeper, State, Step, TrainingDiverged

# So many steps are queued before their losses are looked at: a device never idles.
LOOK = 50
PRECISIONS = ("float32", "bfloat16", "float16")


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
        schedule: "one-cycle", "step" or "constant"; see `d2l_lite.training.schedules`.
        augment: mirror and shift the training images at random.
        seed: of the one generator for order and augmentation, and of dropout.
        devices: of this machine, which share each batch in equal parts.
        sync_batch_norm: take batch statistics over all devices, which gives what one
            device gives; else each takes those of its part.
        precision: "bfloat16" or "float16" computes in mixed precision, where the
            framework and the device have it; weights stay what they are.
        compile: have the framework compile the step, where it does not do so anyway.
        progress: a mode of `d2l_lite.training.progress`; None asks `D2L_LITE_PROGRESS`.

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
    devices: int = 1
    sync_batch_norm: bool = True
    precision: str = "float32"
    compile: bool = False
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
            "devices": (check_integer, 1, None),
            "sync_batch_norm": (check_switch,),
            "precision": (check_choice, PRECISIONS),
            "compile": (check_switch,),
            "progress": (check_choice, (None, *MODES)),
        }
        for name, (check, *limits) in checks.items():
            value = getattr(self, name)
            check(value, *limits, f"Trainer({name}={value!r})")
        check_parts(self.batch_size, self.devices, f"Trainer(devices={self.devices})")

    @property
    def primary(self) -> bool:
        """Whether this process, of several that train together, keeps and shows."""
        return True

    def prepare(self, model: Any) -> Step:
        """Return the `Step` that trains a model, given by a framework.

        It trains on N×C×H×W images and N integer labels; the batch's mean loss and
        its number of right predictions may be lazy: `float` is called much later.
        """
        raise NotImplementedError

    def fit(self, model: Any, data: Any, keeper: Keeper | None = None) -> History:
        """Train on `data.train`, evaluate on `data.validation` after every epoch.

        With a `keeper`, from where that left the training; the end is the same.

        Raises:
            TrainingDiverged: a loss is infinite or not a number.
        """
        for name in ("train", "validation"):
            if len(getattr(data, name)) == 0:
                raise ValueError(f"fit: data.{name} holds no images")
        step = self.prepare(model)
        state = State(np.random.default_rng(self.seed).bit_generator.state)
        if keeper:
            state = keeper.start(model, step, state)
        images, steps = self.epoch_images(data.train), self._steps(data.train)
        done = (len(state.history) + len(state.results) / steps) * images
        mode = self.progress if self.primary else "none"
        progress = reporter(mode, self.max_epochs, images, round(done))
        try:
            while len(state.history) < self.max_epochs:
                epoch = len(state.history) + 1
                row, generator = self._train_epoch(
                    model, step, data.train, state, progress, keeper
                )
                loss, accuracy = self.evaluate(model, data.validation)
                if not math.isfinite(loss):
                    where = f"step {epoch * steps}, the end of epoch {epoch}"
                    raise TrainingDiverged(where, self._no_number(loss), state.history)
                row |= {"validation_loss": loss, "validation_error": 1 - accuracy}
                state.history.append(epoch=epoch, **row)
                state = State(generator, state.history)
                if keeper:
                    keeper.keep(model, step, state)
                progress.epoch(state.history)
            progress.finish(state.history)
        finally:
            progress.close()
        return state.history

    def epoch_images(self, train: Any) -> int:
        """The number of images of a set that an epoch trains on."""
        return self._steps(train) * min(self.batch_size, len(train))

    def _steps(self, train: Any) -> int:
        return max(1, len(train) // self.batch_size)

    def _no_number(self, loss: float) -> str:
        return f"the loss is {loss} with learning_rate={self.learning_rate:g}"

    def _train_epoch(self, model, step, train, state, progress, keeper):
        """Train to the end of an epoch: its row, and the generator after it."""
        steps, factor = self._steps(train), SCHEDULES[self.schedule]
        epoch, full = len(state.history) + 1, len(train) >= self.batch_size
        rng = np.random.default_rng()
        rng.bit_generator.state = state.generator
        batches = train.batches(
            self.batch_size, shuffle=True, augment=self.augment, rng=rng, drop_last=full
        )
        before, start, pending = state.seconds, time.perf_counter(), []
        # What was trained on before is drawn again, for the generator's sake.
        todo = ahead(islice(batches, len(state.results), None))
        with closing(todo):
            for done, (images, labels) in enumerate(todo, len(state.results) + 1):
                number = (epoch - 1) * steps + done - 1
                rate = self.learning_rate * factor(number, steps * self.max_epochs)
                if step.reseed:
                    sequence = np.random.SeedSequence([self.seed, number])
                    step.reseed(int(sequence.generate_state(1)[0]))
                pending.append((*step(images, labels, rate), len(labels)))
                keeping = keeper is not None and keeper.due(done) and done < steps
                if keeping or len(pending) == LOOK or done == steps:
                    # Only here does the loop wait for the device.
                    self._settle(pending, state, epoch, (epoch - 1) * steps)
                    state.seconds = before + time.perf_counter() - start
                progress.step(epoch, len(labels), state.results)
                if keeping:
                    stopped = time.perf_counter()
                    keeper.keep(model, step, state)
                    start += time.perf_counter() - stopped
        self._settle(pending, state, epoch, (epoch - 1) * steps)
        losses, correct, sizes = np.array(state.results).T
        return {
            "train_loss": float(np.average(losses, weights=sizes)),
            "train_error": 1 - float(correct.sum() / sizes.sum()),
            "learning_rate": rate,
            "seconds": state.seconds,
        }, rng.bit_generator.state

    def _settle(self, pending, state, epoch, before):
        """Turn what steps have returned into numbers, and see that they are finite."""
        for loss, correct, size in pending:
            state.results.append((float(loss), float(correct), size))
            if not math.isfinite(loss := state.results[-1][0]):
                where = f"step {before + len(state.results)}, in epoch {epoch}"
                raise TrainingDiverged(where, self._no_number(loss), state.history)
        pending.clear()

    def logits(self, model: Any, image_set: Any) -> np.ndarray:
        """Return the float64 N×K logits of a set's images, in their order."""
        if len(image_set) == 0:
            raise ValueError("the image set holds no images")
        # What fits in training fits fourfold here, where no activations are kept.
        batches = image_set.batches(min(4 * self.batch_size, len(image_set)))
        logits = in_batches(self.backend.evaluator(model,'Trainer'), (images for images, _ in batches))
        return logits.astype(np.float64)

    def evaluate(self, model: Any, image_set: Any) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy on all images of a set."""
        return loss_and_accuracy(self.logits(model, image_set), image_set.labels)
