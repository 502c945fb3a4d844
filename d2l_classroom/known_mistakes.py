"""The mistakes that are recognised: what else a step might have made, and in words."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from d2l_classroom import numpy_layers as ops
from d2l_classroom.explanations import (
    EPSILON,
    HALVED,
    LAID,
    LOGITS,
    MODES,
    ORDER,
    PADDING,
    POOLED,
    STEM,
    SUMMED,
)
from d2l_classroom.report import short

Array = np.ndarray


class Variant(NamedTuple):
    """Another result of a step.

    Attributes:
        array: what it would be.
        text: what is done instead; `{reads}` stands for who reads it.
        why: why it matters, or where the book explains it.
    """

    array: Array
    text: str
    why: str


def _leaky(found: Array, x: Array) -> tuple[Array, float]:
    below = x < 0
    slope = (found * x)[below].sum() / (x * x)[below].sum()
    return np.where(below, slope * x, x), slope


def _sigmoid(_: Array, x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _gelu(_: Array, x: Array) -> Array:
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def _joined(*features: Array) -> Array:
    if not features:
        raise ValueError("nothing to lay side by side")
    return np.concatenate(features, axis=1)


def _new(change: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """New maps that are changed before they are laid behind the block's input."""
    return lambda _, x, *new: _joined(x, *(change(_, part) for part in new))


def _added(_: Array, *features: Array) -> Array:
    if len({part.shape for part in features}) > 1:
        raise ValueError("only maps of one shape have a sum")
    return sum(features)


def _softmax(_: Array, x: Array) -> Array:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _behind(x: Array) -> Array:
    """An odd row or column more, as padding 'same' has it for pooling."""
    return np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2)))


def _around(x: Array) -> Array:
    return ops.pad(x, 1)


def _inside(padded: Callable[[Array], Array], x: Array, size: int) -> Array:
    """An average of the pixels without their padding."""
    return ops.average(padded(x), size) / ops.average(padded(np.ones_like(x)), size)


Make = Callable[..., Array | tuple[Array, float]]


class Table(NamedTuple):
    """What an operation without weights may have been instead.

    Attributes:
        sentence: in which `{}` stands for what is done instead.
        why: why it matters.
        makes: what is done instead, in words, and as a function of what was found and
            of the inputs, which may add a number for the words.
    """

    sentence: str
    why: str
    makes: dict[str, Make]


AVERAGE = "your transition {}, the reference takes the average of 2×2 pixels"
MAXIMUM = (
    "your stem {}, the reference takes the maximum of 3×3 with stride 2, padding 1"
)
ACTIVATIONS: dict[str, Make] = {
    "a ReLU6": lambda _, x: np.clip(x, 0, 6),
    "an absolute value": lambda _, x: abs(x),
    "a sigmoid": _sigmoid,
    "a tanh": lambda _, x: np.tanh(x),
    "a SiLU (Swish)": lambda _, x: x * _sigmoid(_, x),
    "an ELU": lambda _, x: np.where(x < 0, np.expm1(x), x),
    "a GELU": _gelu,
    "a softplus": lambda _, x: np.log1p(np.exp(x)),
}
# By the operation that it should have been.
TABLES: dict[str, list[Table]] = {
    "relu": [
        Table(
            "your code has {} behind the batch norm",
            ORDER,
            {"no ReLU": lambda _, x: x},
        ),
        Table(
            "your code has {} behind the batch norm where the reference has a ReLU",
            ORDER,
            {
                "a leaky ReLU of slope {value}": _leaky,
                **ACTIVATIONS,
            },
        ),
    ],
    "concat": [
        Table(
            "{reads} {}",
            LAID,
            {
                "the features in reverse order, [Y, X] where the reference has "
                "[X, Y]": lambda _, *parts: _joined(*parts[::-1]),
                "only what the last layer made, without the features before it": (
                    lambda _, *parts: parts[-1]
                ),
                "only the block's input": lambda _, *parts: parts[0],
                "the new features without the block's input": (
                    lambda _, *parts: _joined(*parts[1:])
                ),
                "all features but those of the last layer": (
                    lambda _, *parts: _joined(*parts[:-1])
                ),
                "the block's input and what the last layer made, without what is "
                "between": lambda _, *parts: _joined(parts[0], parts[-1]),
                "what the last two layers made, without the features before": (
                    lambda _, *parts: _joined(*parts[-2:])
                ),
                "the block's input behind the new features; the reference lays it "
                "first": lambda _, x, *parts: _joined(*parts, x),
            },
        ),
        Table(
            "{reads} {}; the reference lays them side by side",
            SUMMED,
            {"the sum of the features": _added},
        ),
        Table(
            "your code applies {} to the new maps before it lays them behind the "
            "others: {reads} maps that have passed it",
            ORDER,
            {
                words: _new(make)
                for words, make in {
                    "a ReLU": lambda _, x: np.maximum(x, 0),
                    **ACTIVATIONS,
                }.items()
            },
        ),
    ],
    "average": [
        Table(
            "your transition {} of 2×2 pixels, the reference their average",
            POOLED,
            {"takes the maximum": lambda _, x: ops.maximum(x, 2, 2, 0)},
        ),
        Table(
            AVERAGE,
            HALVED,
            {
                "does not pool": lambda _, x: x,
                "keeps every second": lambda _, x: x[:, :, ::2, ::2],
                "takes the sum": lambda _, x: 4 * ops.average(x),
                "pools with stride 1": lambda _, x: ops.average(x, 2, 1),
                "averages 3×3": lambda _, x: ops.average(x, 3, 2),
                "pools an odd last column, too": lambda _, x: _inside(_behind, x, 2),
                "pads an odd last column": lambda _, x: ops.average(_behind(x)),
            },
        ),
    ],
    "maximum": [
        Table(
            MAXIMUM,
            STEM,
            {
                "does not pool": lambda _, x: x,
                "pools 2×2": lambda _, x: ops.maximum(x, 2, 2, 0),
                "pools unpadded": lambda _, x: ops.maximum(x, sides=0),
                "takes an average": lambda _, x: ops.average(_around(x), 3),
                "takes an average, padding left out": (
                    lambda _, x: _inside(_around, x, 3)
                ),
            },
        ),
        Table(
            MAXIMUM,
            PADDING,
            {
                "pads by “same”, one pixel behind and none before": (
                    lambda _, x: ops.maximum(x, sides=((0, 1), (0, 1)))
                ),
            },
        ),
    ],
    "mean": [
        Table(
            "your network {} in the end, the reference averages each map",
            STEM,
            {
                "takes a maximum": lambda _, x: x.max(axis=(2, 3)),
                "takes a sum": lambda _, x: x.sum(axis=(2, 3)),
                "takes one pixel": lambda _, x: x[:, :, 0, 0],
                "flattens the maps": lambda _, x: x.reshape(len(x), -1),
            },
        ),
    ],
    # What may be done to something that should have stayed as it is.
    "as it is": [
        Table(
            "your code has {}: {reads} something that has passed one",
            ORDER,
            {"a ReLU too many": lambda _, x: np.maximum(x, 0)},
        ),
        Table(
            "your network ends with {}, the reference with logits",
            LOGITS,
            {
                "a softmax": _softmax,
                "a log-softmax": lambda _, x: np.log(_softmax(_, x)),
                "a sigmoid": _sigmoid,
            },
        ),
    ],
}


def glue(op: str, inputs: list[Array], found: Array) -> Iterator[Variant]:
    """What an operation without weights may have been instead; `found` helps to guess.

    A variant that is impossible for the shapes is left out.
    """
    for table in TABLES[op]:
        for words, make in table.makes.items():
            try:
                # A guess may divide by nothing; then it is none.
                with np.errstate(all="ignore"):
                    array = make(found, *inputs)
            except (ValueError, IndexError):
                continue
            if isinstance(array, tuple):
                array, value = array
                words = words.replace("{value}", short(value))
            yield Variant(array, table.sentence.replace("{}", words), table.why)


def norm(
    x: Array, found: Array, arrays: Mapping[str, Array], training: bool
) -> Iterator[Variant]:
    """What a batch norm may have made of `x` instead, its epsilon solved for."""
    weight, bias = arrays["weight"], arrays["bias"]
    running = arrays["running_mean"], arrays["running_var"]
    modes = ((ops.moments(x), True), (running, False))
    for (mean, var), by_batch in sorted(modes, key=lambda m: m[1] != training):
        epsilon = _epsilon(x, found, weight, bias, mean, var)
        if not var.min() + epsilon > 0:
            continue
        other = abs(epsilon - ops.EPSILON) > 0.02 * ops.EPSILON
        texts, whys = [], []
        if by_batch != training:
            names = ("training", "evaluation")
            stuck, other_mode = names if by_batch else names[::-1]
            source = "batch" if by_batch else "running statistics"
            texts.append(
                f"your batch norm is stuck in {stuck} mode: it normalises by the "
                f"{source} in {other_mode} mode, too"
            )
            whys.append(MODES)
        if other:
            texts.append(
                f"your batch norm uses epsilon {short(epsilon)}, the reference 1e-5"
            )
            whys.append(EPSILON)
        if texts:
            used = epsilon if other else ops.EPSILON
            array = ops.norm(x, weight, bias, mean, var, used)
            yield Variant(array, "; ".join(texts), " ".join(whys))
    yield Variant(x, "your batch norm hands its input through", MODES)


def _epsilon(
    x: Array, found: Array, weight: Array, bias: Array, mean: Array, var: Array
) -> float:
    """The epsilon with which normalisation makes `found`, most channels agreeing."""
    top = ops.column(weight) * (x - ops.column(mean))
    bottom = found - ops.column(bias)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = (top * bottom).sum(axis=(0, 2, 3)) / (bottom**2).sum(axis=(0, 2, 3))
    epsilon = float(np.median(deviation**2 - var))
    # What float32 cannot tell from none is none.
    return epsilon if abs(epsilon) > 5e-8 else 0.0


def conv(x: Array, arrays: Mapping[str, Array], stride: int) -> Iterator[Variant]:
    """What a convolution may have made of `x` instead, by padding, stride and bias."""
    weight, bias = arrays["weight"], arrays["bias"]
    half = weight.shape[2] // 2
    ways = product((stride, 3 - stride), (True, False))
    for (step, kept), sides in (
        (way, sides) for way in ways for sides in _paddings(x, weight, way[0])
    ):
        texts = []
        if not kept:
            texts.append("leaves its bias out")
        if step != stride:
            texts.append(f"has stride {step}, the reference {stride}")
        if sides != half:
            texts.append(f"pads {_worded(sides)}, the reference {_worded(half)}")
        if texts:
            try:
                array = ops.conv(x, weight, bias * kept, step, sides)
            except ValueError:
                continue
            yield Variant(array, f"your convolution {' and '.join(texts)}", PADDING)
    for mode, word in (("reflect", "mirrors"), ("edge", "repeats"), ("wrap", "wraps")):
        if 0 < half < min(x.shape[2:]):
            widths = ((0, 0), (0, 0), (half, half), (half, half))
            array = ops.conv(np.pad(x, widths, mode), weight, bias, stride, 0)
            text = (
                f"your convolution pads with what it {word}, the reference with zeros"
            )
            yield Variant(array, text, PADDING)


def _paddings(x: Array, weight: Array, stride: int) -> list[ops.Sides]:
    size = weight.shape[2]
    found: list[ops.Sides] = [size // 2, *(p for p in range(5) if p != size // 2)]
    totals = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[2:]]
    same = tuple((total // 2, total - total // 2) for total in totals)
    return [*found, same] if same[0][0] != same[0][1] else found


def _worded(sides: ops.Sides) -> str:
    if isinstance(sides, int):
        return f"{sides} pixel{'' if sides == 1 else 's'} on every side"
    before, behind = sides[0]
    return f"by “same”, {before} pixels before and {behind} behind"
