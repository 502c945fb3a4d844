"""What `devices_*.py` compute with, and how they note it: one batch, steps, epochs."""

import sys
from types import SimpleNamespace

import numpy as np
from networks import NARROW, perturbed

from d2l_lite.data.image_set import ImageSet

RATE = 0.5
# The change of the weights is then −rate times the gradient.
PLAIN_SGD = {"max_epochs": 1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
APART = {"devices": 2, "sync_batch_norm": False}
HALVES = slice(0, 4), slice(4, 8)
# Of one layer, for in some frameworks each kind of step is compiled anew.
SHORT = NARROW | {"block_config": (1,), "num_classes": 3}


def build(d2l, network="densenet-40-12", **changes):
    """A small network, each of whose weights matters."""
    net = d2l.build(network, seed=3, **SHORT | changes)
    d2l.set_weights(net, perturbed(d2l.get_weights(net)))
    return net


def batch(side=8, num_classes=3):
    """Eight images, 3×side×side, whose halves differ in mean and variance; labels."""
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((8, 3, side, side)), rng.integers(0, num_classes, 8)
    X[HALVES[1]] = 0.5 * X[HALVES[1]] + 1
    return X, y


def data(side=8, num_classes=3):
    """Random images: 20 to train on, 7 to validate."""
    rng, classes, sets = np.random.default_rng(6), "abcdefghij"[:num_classes], []
    for count in (20, 7):
        pixels = rng.integers(0, 256, (count, 3, side, side), np.uint8)
        labels = rng.integers(0, num_classes, count)
        sets.append(ImageSet(pixels, labels, tuple(classes), (0.5,) * 3, (0.25,) * 3))
    return SimpleNamespace(train=sets[0], validation=sets[1])


class Facts(dict):
    """What a process has found, under names such as "two: loss".

    Args:
        d2l: the framework's module.
        build: makes its network, `build(precision)`.
        batch: images and labels of a step.
    """

    def __init__(self, d2l, build, batch):
        self.d2l, self.build, (self.X, self.y) = d2l, build, batch

    def note(self, case, arrays, loss=0.0, correct=0):
        """Add a step's loss, right predictions and arrays, under a case."""
        self[f"{case}: loss"], self[f"{case}: correct"] = float(loss), float(correct)
        for name, array in arrays.items():
            self[f"{case}: {name}"] = array

    def step(self, case, net=None, batch=None, **options):
        """Loss, right predictions and all weights after one plain step."""
        net = net or self.build()
        step = self.d2l.Trainer(**PLAIN_SGD, **options).prepare(net)
        results = step(*(batch or (self.X, self.y)), RATE)
        self.note(case, self.d2l.get_weights(net), *results)
        return net

    def before(self, *precision):
        """The images, the weights before a step, and each half's own gradients."""
        self["X"] = self.X
        self.note("before", self.d2l.get_weights(self.build(*precision)))
        for number, half in enumerate(HALVES):
            net, rows = self.build(*precision), (self.X[half], self.y[half])
            loss, gradients = self.d2l.loss_and_gradients(net, *rows)
            self.note(f"half {number}", gradients, loss)

    def epochs(self, case, net, data, **options):
        """The history of three epochs, and the weights after them."""
        recipe = {"batch_size": 8, "augment": True, "progress": "none"}
        trainer = self.d2l.Trainer(3, **recipe | options)
        history = vars(trainer.fit(net, data))
        columns = {n: np.array(history[n]) for n in history if n != "seconds"}
        self.note(f"epochs, {case}", columns)
        self.note(f"epochs, {case}, weights", self.d2l.get_weights(net))
        self["primary"] = trainer.primary

    def mixed_precision(self, cases):
        """How steps in some precisions move float32 weights; the logits before."""
        net = self.build("float32")
        weights = self.d2l.get_weights(net)
        for case, options in cases.items():
            step = self.d2l.Trainer(**PLAIN_SGD, **options).prepare(net)
            results = step(self.X, self.y, RATE)
            after = self.d2l.get_weights(net)
            self.note(case, {n: after[n] - weights[n] for n in after}, *results)
            kept = [np.asarray(results[0]), *after.values(), *step.read().values()]
            self[f"{case}: types"] = sorted({str(array.dtype) for array in kept})
            self.d2l.set_weights(net, weights)
            self[f"{case}: logits"] = self.d2l.predict(net, self.X)

    def errors(self, cases, **changes):
        """What ValueErrors say to trainers of other options, and of five images."""
        for case, options in cases.items():
            try:
                trainer = self.d2l.Trainer(max_epochs=1, **options)
                trainer.prepare(self.build(**changes))(self.X[:5], self.y[:5], RATE)
            except ValueError as error:
                self[f"error: {case}"] = str(error)

    def write(self):
        """Write all facts as the .npz file that the script was told."""
        np.savez(sys.argv[1], **self)
