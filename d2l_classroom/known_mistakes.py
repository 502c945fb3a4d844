"""What else an operation without weights may have been: functions and words for it."""

from collections.abc import Callable

import numpy as np

from d2l_classroom import numpy_layers as ops
from d2l_classroom.explanations import (
    HALVED,
    LAID,
    LOGITS,
    ORDER,
    PADDING,
    POOLED,
    STEM,
)

Array = np.ndarray
# What is made of what was found and of the inputs, perhaps with a number for the words;
# the words; why it matters.
Table = tuple[tuple[Callable[..., Array | tuple[Array, float]], str, str], ...]


def _leaky(found: Array, x: Array) -> tuple[Array, float]:
    below = x < 0
    slope = (found * x)[below].sum() / (x * x)[below].sum()
    return np.where(below, slope * x, x), slope


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Array) -> Array:
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def _joined(*features: Array) -> Array:
    if not features:
        raise ValueError("nothing to lay side by side")
    return np.concatenate(features, axis=1)


def _added(_: Array, *features: Array) -> Array:
    if len({part.shape for part in features}) > 1:
        raise ValueError("only maps of one shape have a sum")
    return sum(features)


def _softmax(x: Array) -> Array:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _behind(x: Array) -> Array:
    """An odd row or column more, as padding 'same' has it for pooling."""
    return np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2)))


INSTEAD = "your code has {} behind the batch norm where the reference has a ReLU"
MAKES = "your transition {}, the reference takes the average of 2×2 pixels"
STEMS = "your stem {}, the reference takes the maximum of 3×3 with stride 2, padding 1"
HEAD = "your network {} in the end, the reference averages each map"

TABLES: dict[str, Table] = {
    "relu": (
        (lambda _, x: x, "your code has no ReLU behind the batch norm", ORDER),
        (_leaky, INSTEAD.format("a leaky ReLU of slope {value}"), ORDER),
        (lambda _, x: np.clip(x, 0, 6), INSTEAD.format("a ReLU6"), ORDER),
        (lambda _, x: abs(x), INSTEAD.format("an absolute value"), ORDER),
        (lambda _, x: _sigmoid(x), INSTEAD.format("a sigmoid"), ORDER),
        (lambda _, x: np.tanh(x), INSTEAD.format("a tanh"), ORDER),
        (lambda _, x: x * _sigmoid(x), INSTEAD.format("a SiLU (Swish)"), ORDER),
        (lambda _, x: np.where(x < 0, np.expm1(x), x), INSTEAD.format("an ELU"), ORDER),
        (lambda _, x: _gelu(x), INSTEAD.format("a GELU"), ORDER),
        (lambda _, x: np.log1p(np.exp(x)), INSTEAD.format("a softplus"), ORDER),
    ),
    "concat": (
        (
            lambda _, *parts: _joined(*parts[::-1]),
            "{reads} the features in reverse order, [Y, X] where the reference has "
            "[X, Y]",
            LAID,
        ),
        (
            lambda _, *parts: parts[-1],
            "{reads} only what the last layer made, without the features before it",
            LAID,
        ),
        (lambda _, *parts: parts[0], "{reads} only the block's input", LAID),
        (
            lambda _, *parts: _joined(*parts[1:]),
            "{reads} the new features without the block's input",
            LAID,
        ),
        (
            lambda _, *parts: _joined(*parts[:-1]),
            "{reads} all features but those of the last layer",
            LAID,
        ),
        (
            lambda _, *parts: _joined(parts[0], parts[-1]),
            "{reads} the block's input and what the last layer made, without what is "
            "between",
            LAID,
        ),
        (
            lambda _, *parts: _joined(*parts[-2:]),
            "{reads} what the last two layers made, without the features before",
            LAID,
        ),
        (
            _added,
            "{reads} the sum of the features; the reference lays them side by side",
            "A residual network adds, a dense one keeps (chapter “From ResNet to "
            "DenseNet”).",
        ),
        (
            lambda _, x, *parts: _joined(*parts, x),
            "{reads} the block's input behind the new features; the reference lays it "
            "first",
            LAID,
        ),
    ),
    "average": (
        (
            lambda _, x: ops.maximum(x, 2, 2, 0),
            "your transition takes the maximum of 2×2 pixels, the reference their "
            "average",
            POOLED,
        ),
        (lambda _, x: x, MAKES.format("does not pool"), HALVED),
        (lambda _, x: x[:, :, ::2, ::2], MAKES.format("keeps every second"), HALVED),
        (lambda _, x: 4 * ops.average(x), MAKES.format("takes the sum"), HALVED),
        (
            lambda _, x: ops.average(x, 2, 1),
            MAKES.format("pools with stride 1"),
            HALVED,
        ),
        (lambda _, x: ops.average(x, 3, 2), MAKES.format("averages 3×3"), HALVED),
        (
            lambda _, x: ops.average(_behind(x))
            / ops.average(_behind(np.ones_like(x))),
            MAKES.format("pools an odd last column, too"),
            HALVED,
        ),
        (
            lambda _, x: ops.average(_behind(x)),
            MAKES.format("pads an odd last column"),
            HALVED,
        ),
    ),
    "maximum": (
        (lambda _, x: x, STEMS.format("does not pool"), STEM),
        (lambda _, x: ops.maximum(x, 2, 2, 0), STEMS.format("pools 2×2"), STEM),
        (lambda _, x: ops.maximum(x, sides=0), STEMS.format("pools unpadded"), STEM),
        (
            lambda _, x: ops.maximum(x, sides=((0, 1), (0, 1))),
            STEMS.format("pads by “same”, one pixel behind and none before"),
            PADDING,
        ),
        (
            lambda _, x: ops.average(ops.pad(x, 1), 3)
            / ops.average(ops.pad(np.ones_like(x), 1), 3),
            STEMS.format("takes an average"),
            STEM,
        ),
        (
            lambda _, x: ops.average(ops.pad(x, 1), 3),
            STEMS.format("takes an average"),
            STEM,
        ),
    ),
    "mean": (
        (lambda _, x: x.max(axis=(2, 3)), HEAD.format("takes a maximum"), STEM),
        (lambda _, x: x.sum(axis=(2, 3)), HEAD.format("takes a sum"), STEM),
        (lambda _, x: x[:, :, 0, 0], HEAD.format("takes one pixel"), STEM),
        (lambda _, x: x.reshape(len(x), -1), HEAD.format("flattens the maps"), STEM),
    ),
    # What may be done to something that should have stayed as it is.
    "as it is": (
        (
            lambda _, x: np.maximum(x, 0),
            "your code has a ReLU too many: {reads} something that has passed one",
            ORDER,
        ),
        (
            lambda _, x: _softmax(x),
            "your network ends with a softmax, the reference with logits",
            LOGITS,
        ),
        (
            lambda _, x: x
            - x.max(axis=1, keepdims=True)
            - np.log(
                np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
            ),
            "your network ends with a log-softmax, the reference with logits",
            LOGITS,
        ),
        (lambda _, x: _sigmoid(x), "your code ends with a sigmoid", LOGITS),
    ),
}
