"""What `devices_*.py` compute with: one batch, one plain step, and notes of it."""

import numpy as np

from d2l_lite.data.image_set import ImageSet

RATE = 0.5
# The change of the weights is then −rate times the gradient.
PLAIN_SGD = {"max_epochs": 1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
APART = {"devices": 2, "sync_batch_norm": False}
HALVES = slice(0, 4), slice(4, 8)


def batch(side, num_classes):
    """Eight images, 3×side×side, whose halves differ in mean and variance; labels."""
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((8, 3, side, side)), rng.integers(0, num_classes, 8)
    X[HALVES[1]] = 0.5 * X[HALVES[1]] + 1
    return X, y


def images(rng, count, side, num_classes):
    """A set of so many random images, 3×side×side."""
    pixels = rng.integers(0, 256, (count, 3, side, side), np.uint8)
    classes = tuple("abcdefghij"[:num_classes])
    labels = rng.integers(0, num_classes, count)
    return ImageSet(pixels, labels, classes, (0.5,) * 3, (0.25,) * 3)


def note(facts, case, arrays, loss=0.0, correct=0):
    """Add a step's loss, right predictions and arrays to the facts, under a case."""
    facts[f"{case}: loss"], facts[f"{case}: correct"] = float(loss), float(correct)
    for name, array in arrays.items():
        facts[f"{case}: {name}"] = array
