"""The training loop that every framework shares; a framework supplies one step."""

import math
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from d2l_lite.backend import BATCH, Backend, Parts, in_batches
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
    `w -= rate * (g + momentum * v)`, else `w -= rate * v`. What is frozen, as
    `count_parameters` says, stays. Running statistics move, but in Keras not those of a
    frozen batch norm, and in MXNet none before the first layer that learns; of what
    `freeze` names they stay in all four. See chapters `training` and `your_pictures`.

    Args:
        max_epochs: times that the training set is gone through.
        batch_size: images per step. A last, smaller batch is left out in training
            (its batch statistics are poor), unless the set holds no other.
        learning_rate: the schedule's highest rate.
        schedule: "one-cycle", "step" or "constant"; see `d2l_lite.training.schedules`.
        augment: mirror and shift the training images at random.
        freeze: parts of the network that stay as they are while `fit` trains the
            others: "features", "denseblock1" or another beginning of a weight's name,
            or several. Their batch norms compute with their running statistics.
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

    backend: ClassVar[Backend]  # of the framework that trains

    max_epochs: int
    batch_size: int = 64
    learning_rate: float = 0.1
    schedule: str = "one-cycle"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    augment: bool = False
    freeze: Parts = None
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
        if self.freeze and self.devices > 1:
            call = f"Trainer(freeze={self.freeze!r}, devices={self.devices})"
            raise ValueError(f"{call}: what is frozen is trained on one device only")

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

        With a `keeper`, from the last epoch that it has kept; the end is the same, to
        the last bit.

        Raises:
            ValueError: one of the two sets is empty, its images or labels do not fit
                the model, a batch norm would have one value per channel, or the
                framework, the device or the model has not what is asked for.
            TrainingDiverged: a loss is infinite or not a number.
        """
        if self.freeze and self.backend.efficient(model.features):
            call = f"Trainer(freeze={self.freeze!r})"
            rule = "for networks with memory_efficient=False; what is frozen keeps none"
            raise ValueError(f"{call}: {rule} of its maps for a backward pass")
        with self.backend.frozen(model, self.freeze, "Trainer"):
            return self._fit(model, data, keeper)

    def _fit(self, model: Any, data: Any, keeper: Keeper | None) -> History:
        for name in ("train", "validation"):
            if len(getattr(data, name)) == 0:
                raise ValueError(f"fit: data.{name} holds no images")
        first, labels = next(data.train.batches(self.batch_size))
        part = len(first) if self.sync_batch_norm else len(first) // self.devices
        self.backend.training_check(model, "Trainer.fit")(first[:part], labels[:part])
        step = self.prepare(model)
        rng, history = np.random.default_rng(self.seed), History()
        if keeper:
            state = keeper.start(model, step, State(rng.bit_generator.state, history))
            rng.bit_generator.state, history = state.generator, state.history
        images = self.epoch_images(data.train)
        mode = self.progress if self.primary else "none"
        progress = reporter(mode, self.max_epochs, images, len(history) * images)
        try:
            progress.begin(self._where())
            while len(history) < self.max_epochs:
                row = self._train_epoch(step, data.train, rng, history, progress)
                loss, accuracy = self.evaluate(model, data.validation)
                if not math.isfinite(loss):
                    epoch, steps = row["epoch"], self._steps(data.train)
                    where = f"step {epoch * steps}, the end of epoch {epoch}"
                    raise self._diverged(where, loss, history)
                row |= {"validation_loss": loss, "validation_error": 1 - accuracy}
                history.append(**row)
                if keeper:
                    keeper.keep(model, step, State(rng.bit_generator.state, history))
                progress.epoch(history)
            progress.finish(history)
        finally:
            progress.close()
        return history

    def _where(self) -> str:
        name = self.backend.accelerator() or "the processor"
        return name if self.devices == 1 else f"{self.devices} devices ({name})"

    def epoch_images(self, train: Any) -> int:
        """The number of images of a set that an epoch trains on."""
        return self._steps(train) * min(self.batch_size, len(train))

    def _steps(self, train: Any) -> int:
        return max(1, len(train) // self.batch_size)

    def _train_epoch(self, step, train, rng, history, progress) -> dict[str, Any]:
        """Take the steps of an epoch; returns what the history has of training."""
        epoch, steps = len(history) + 1, self._steps(train)
        full = len(train) >= self.batch_size
        batches = train.batches(
            self.batch_size, shuffle=True, augment=self.augment, rng=rng, drop_last=full
        )
        start, queued, results = time.perf_counter(), [], []
        with closing(ahead(batches)) as coming:
            for number, (images, labels) in enumerate(coming, (epoch - 1) * steps):
                rate = self._rate(number, steps * self.max_epochs)
                if step.reseed:
                    step.reseed(self._mask_seed(number))
                queued.append((*step(images, labels, rate), len(labels)))
                if len(queued) == LOOK:
                    results += self._settled(queued, number, history)
                progress.step(epoch, len(labels), results)
        results += self._settled(queued, number, history)
        losses, correct, sizes = np.array(results).T
        return {
            "epoch": epoch,
            "train_loss": float(np.average(losses, weights=sizes)),
            "train_error": 1 - float(correct.sum() / sizes.sum()),
            "learning_rate": rate,
            "seconds": time.perf_counter() - start,
        }

    def same_rates(self, train: Any, epochs: int, finished: int) -> bool:
        """Whether the `finished` epochs of a training of `epochs` had these rates."""
        steps, factor = self._steps(train), SCHEDULES[self.schedule]
        return all(
            factor(step, steps * epochs) == factor(step, steps * self.max_epochs)
            for step in range(steps * finished)
        )

    def _rate(self, number: int, total: int) -> float:
        """The learning rate of a step; steps count from 0 over all epochs."""
        return self.learning_rate * SCHEDULES[self.schedule](number, total)

    def _mask_seed(self, number: int) -> int:
        """The seed of dropout in a step: each has its own, whatever came before."""
        sequence = np.random.SeedSequence([self.seed, number])
        return int(sequence.generate_state(1)[0])

    def _settled(self, queued: list, last: int, history: History) -> list:
        """Wait for the device: what the queued steps, to number `last`, have found."""
        found = [(float(loss), float(correct), size) for loss, correct, size in queued]
        for step, (loss, *_) in enumerate(found, last + 2 - len(found)):
            if not math.isfinite(loss):
                where = f"step {step}, in epoch {len(history) + 1}"
                raise self._diverged(where, loss, history)
        queued.clear()
        return found

    def _diverged(self, where: str, loss: float, history: History) -> TrainingDiverged:
        problem = f"the loss is {loss} with learning_rate={self.learning_rate:g}"
        return TrainingDiverged(where, problem, history)

    def logits(self, model: Any, image_set: Any) -> np.ndarray:
        """Return the float64 N×K logits of a set's images, in their order."""
        if len(image_set) == 0:
            raise ValueError("the image set holds no images")
        # What fits in training fits fourfold here, where no activations are kept.
        batches = image_set.batches(min(BATCH, 4 * self.batch_size))
        predict = self.backend.evaluator(model, "Trainer")
        return in_batches(predict, (X for X, _ in batches)).astype(np.float64)

    def evaluate(self, model: Any, image_set: Any) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy on all images of a set."""
        return loss_and_accuracy(self.logits(model, image_set), image_set.labels)
