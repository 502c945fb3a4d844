"""Softmax regression in NumPy: the smallest thing that the training loop trains.

As a framework's module it offers what `d2l_lite.command.run_folder` asks of one.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from d2l_lite.networks import weights
from d2l_lite.training.state import Step
from d2l_lite.training.trainer import Trainer, loss_and_accuracy


@dataclass
class ToySet:
    """Vectors as 1×1 images with the interface that the loop uses."""

    inputs: np.ndarray  # N×C
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def batches(
        self, batch_size, shuffle=False, augment=False, rng=None, drop_last=False
    ):
        order = rng.permutation(len(self)) if shuffle else np.arange(len(self))
        end = len(self) - len(self) % batch_size if drop_last else len(self)
        for start in range(0, end, batch_size):
            chosen = order[start : min(start + batch_size, end)]
            noise = rng.normal(0, 0.01) if augment else 0
            images = self.inputs[chosen, :, None, None] + noise
            yield images.astype(np.float32), self.labels[chosen]


def toy_data(train=70, validation=30):
    """Two clouds of points, the second shifted by 3."""
    rng = np.random.default_rng(1)

    def some(count):
        labels = np.arange(count) % 2
        return ToySet(rng.normal(size=(count, 3)) + 3 * labels[:, None], labels)

    return SimpleNamespace(train=some(train), validation=some(validation))


@dataclass
class Lazy:
    """A device scalar that counts when it is waited for."""

    value: float
    log: list

    def __float__(self):
        self.log.append("float")
        return float(self.value)


@dataclass
class SoftmaxTrainer(Trainer):
    """Softmax regression; the model is a dict with one 3×2 array."""

    log: list = field(default_factory=list)
    accelerator: str = ""  # what the framework has found

    def prepare(self, model):
        velocity = np.zeros_like(model["weight"])

        def step(images, labels, learning_rate):
            self.log.append(("step", images[:, 0, 0, 0].tolist(), learning_rate))
            inputs = images[:, :, 0, 0]
            logits = inputs @ model["weight"]
            loss, accuracy = loss_and_accuracy(logits, labels)
            share = np.exp(logits - logits.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            gradient = inputs.T @ (share - np.eye(2)[labels]) / len(labels)
            gradient += self.weight_decay * model["weight"]
            velocity[:] = self.momentum * velocity + gradient
            direction = (
                gradient + self.momentum * velocity if self.nesterov else velocity
            )
            model["weight"] -= learning_rate * direction
            return Lazy(loss, self.log), Lazy(accuracy * len(labels), self.log)

        def write(velocities):
            velocity[:] = velocities["weight"]

        return Step(step, lambda: {"weight": velocity.copy()}, write)

    @property
    def backend(self):
        def evaluator(model, call):
            def predict(images):
                self.log.append(("predict", images.shape))
                return images[:, :, 0, 0] @ model["weight"]

            return predict

        return SimpleNamespace(
            evaluator=evaluator,
            accelerator=lambda: self.accelerator,
            frozen=lambda model, freeze, call: nullcontext(),
            training_check=lambda model, call: lambda images, labels: None,
        )

    def steps(self):
        return [entry for entry in self.log if entry[0] == "step"]


# Of the toy as a framework's module: it has no accelerator that counts memory.
backend = SimpleNamespace(peak_memory=lambda: None)


def toy_model():
    return {"weight": np.zeros((3, 2))}


def train(model, epochs, keeper=None):
    """The training of the tests of runs; returns its history."""
    trainer = SoftmaxTrainer(
        max_epochs=epochs, batch_size=8, augment=True, progress="none"
    )
    return trainer.fit(model, toy_data(), keeper)


def get_weights(model):
    return {name: array.copy() for name, array in model.items()}


def set_weights(model, new):
    weights.check(new, {name: array.shape for name, array in model.items()})
    for name, array in model.items():
        array[:] = new[name]


def save(model, path, data):
    weights.save(path, model, {"framework": "toy"})
