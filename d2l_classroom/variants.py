"""The mistakes that are recognised: what else a step might have made, and in words."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from d2l_classroom import numpy_layers as ops
from d2l_classroom.explanations import EPSILON, MODES, PADDING
from d2l_classroom.known_mistakes import TABLES
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


def glue(op: str, inputs: list[Array], found: Array) -> Iterator[Variant]:
    """What an operation without weights may have been instead; `found` helps to guess.

    A variant that is impossible for the shapes is left out.
    """
    for make, text, why in TABLES[op]:
        try:
            # A guess may divide by nothing; then it is none.
            with np.errstate(all="ignore"):
                array = make(found, *inputs)
        except (ValueError, IndexError):
            continue
        if isinstance(array, tuple):
            array, value = array
            text = text.replace("{value}", short(value))
        yield Variant(array, text, why)


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
