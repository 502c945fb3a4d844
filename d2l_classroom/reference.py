"""The reference in float64: what a program computes, its statistics and gradients."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import count
from typing import NamedTuple
from zlib import crc32

import numpy as np

from d2l_classroom import ops
from d2l_classroom.programs import INPUT, PROGRAMS, Program, Step
from d2l_lite.networks.weights import Shapes, Weights

Array = np.ndarray
# How far an input of ReLU keeps from zero, so that float32 knows its sign.
CLEAR = 1e-5
# What an input of ReLU exceeds somewhere, so that ReLU6 is told apart from it.
HIGH = 6.5
# Of the pixel that is added where the noise alone does not get so high.
BRIGHT = 6


class Answers(NamedTuple):
    """What a block answers in a mode; gradients and statistics in training mode.

    Attributes:
        values: what each step makes, the input as "x".
        output: what the last one makes.
        statistics: the running ones after the pass, by canonical names.
        gradients: of the sum of output times `cotangent`, by every parameter and "x".
    """

    values: dict[str, Array]
    output: Array
    statistics: dict[str, Array]
    gradients: dict[str, Array]


class Reference(NamedTuple):
    """A program with weights and an input, and what it answers in both modes."""

    program: Program
    weights: Weights
    images: Array
    cotangent: Array
    evaluation: Answers
    training: Answers


def drawn(shapes: Shapes) -> dict[str, Array]:
    """Weights far from the first ones; each follows from its name and shape alone."""
    return {name: _draw(name, shape) for name, shape in shapes.items()}


def _draw(name: str, shape: tuple[int, ...]) -> Array:
    generator = np.random.default_rng([crc32(name.encode()), *shape])
    if name.endswith("running_var"):
        array = generator.uniform(0.05, 0.5, shape)
    elif len(shape) == 1 and name.endswith("weight"):
        array = generator.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        array = 0.3 * generator.standard_normal(shape)
    else:
        # Small enough that maps keep their size with the running variances above.
        array = np.sqrt(0.5 / np.prod(shape[1:])) * generator.standard_normal(shape)
    return array.astype(np.float32)


@cache
def reference(task: str) -> Reference:
    """The reference of a task: its first batch clear of kinks that gets high."""
    return of(PROGRAMS[task]())


def of(program: Program) -> Reference:
    """The reference of a program."""
    weights, spot = drawn(program.shapes), 0
    for seed in count():
        generator = np.random.default_rng(seed)
        channels = (1, program.images[1], 1, 1)
        images = generator.standard_normal(program.images)
        images *= generator.uniform(0.3, 0.7, channels)
        images = (images + generator.uniform(-0.5, 0.5, channels)).astype(np.float32)
        images[0, :, 0, 0] += spot
        evaluation = run(program, weights, images)
        if max(x.max() for x in _activated(evaluation, program)) < HIGH:
            spot = BRIGHT
            continue
        cotangent = generator.standard_normal(evaluation.output.shape)
        cotangent = cotangent.astype(np.float32)
        training = run(program, weights, images, cotangent)
        if min(_distance(mode, program) for mode in (evaluation, training)) > CLEAR:
            break
    return Reference(program, weights, images, cotangent, evaluation, training)


def _distance(answers: Answers, program: Program) -> float:
    """Of the input of a ReLU that is nearest to zero."""
    return min(abs(x).min() for x in _activated(answers, program))


def _activated(answers: Answers, program: Program) -> list[Array]:
    """The inputs of all ReLUs."""
    return [answers.values[s.reads[0]] for s in program.steps if s.op == "relu"]


def run(
    program: Program,
    weights: Weights,
    images: Array,
    cotangent: Array | None = None,
) -> Answers:
    """Run a program: in evaluation mode, or with a `cotangent` in training mode."""
    training = cotangent is not None
    values = {INPUT: images.astype(float)}
    statistics = {}
    for step in program.steps:
        inputs = [values[name] for name in step.reads]
        arrays = of_layer(step, weights)
        values[step.name] = apply(step, inputs, arrays, training)
        if step.op == "norm" and training:
            for end, new in zip(("mean", "var"), ops.moments(inputs[0])):
                old = arrays[f"running_{end}"]
                kept = ops.KEEP * old + (1 - ops.KEEP) * new
                statistics[f"{step.name}.running_{end}"] = kept
    output = values[program.steps[-1].name]
    gradients = {}
    if training:
        gradients = _backward(program.steps, values, weights, cotangent)
    return Answers(values, output, statistics, gradients)


def of_layer(step: Step, weights: Weights) -> dict[str, Array]:
    """A layer's arrays by their ends, those it lacks as if they did nothing."""
    neutral = {"running_mean": 0.0, "bias": 0.0}
    return {
        end: np.asarray(
            weights.get(f"{step.name}.{end}", np.full(shape, neutral.get(end, 1.0))),
            float,
        )
        for end, shape in (step.shapes.items() if step.channels else ())
    }


def apply(
    step: Step, inputs: Iterable[Array], arrays: Mapping[str, Array], training: bool
) -> Array:
    """What a step makes of its inputs."""
    if step.op == "norm":
        (x,) = inputs
        mean, var = arrays["running_mean"], arrays["running_var"]
        if training:
            mean, var = ops.moments(x)
        return ops.norm(x, arrays["weight"], arrays["bias"], mean, var, ops.EPSILON)
    if step.op == "conv":
        return ops.conv(*inputs, arrays["weight"], arrays["bias"], step.stride)
    if step.op == "linear":
        (x,) = inputs
        return x @ arrays["weight"].T + arrays["bias"]
    return GLUE[step.op](*inputs)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _concat(*features: Array) -> Array:
    return np.concatenate(features, axis=1)


def _mean(x: Array) -> Array:
    return x.mean(axis=(2, 3))


# The operations without weights.
GLUE: dict[str, Callable[..., Array]] = {
    "relu": _relu,
    "concat": _concat,
    "average": ops.average,
    "maximum": ops.maximum,
    "mean": _mean,
}


def _backward(
    steps: tuple[Step, ...], values: Mapping[str, Array], weights: Weights, dy: Array
) -> dict[str, Array]:
    found, arriving = {}, {steps[-1].name: dy.astype(float)}
    for step in reversed(steps):
        dy = arriving[step.name]
        arrays = of_layer(step, weights)
        inputs = [values[name] for name in step.reads]
        dx, parameters = _pull(step, inputs, values[step.name], arrays, dy)
        for end, gradient in parameters.items():
            found[f"{step.name}.{end}"] = gradient
        for name, gradient in zip(step.reads, dx):
            arriving[name] = arriving.get(name, 0) + gradient
    order = (name for name in weights if name in found)
    return {INPUT: arriving[INPUT]} | {name: found[name] for name in order}


def _pull(
    step: Step,
    inputs: list[Array],
    y: Array,
    arrays: Mapping[str, Array],
    dy: Array,
) -> tuple[list[Array], dict[str, Array]]:
    """A step's gradients by its inputs, and by its parameters."""
    x = inputs[0]
    if step.op == "concat":
        ends = np.cumsum([part.shape[1] for part in inputs])[:-1]
        return np.split(dy, ends, axis=1), {}
    if step.op == "norm":
        dx, *rest = ops.norm_backward(x, arrays["weight"], ops.EPSILON, dy)
    elif step.op == "conv":
        dx, *rest = ops.conv_backward(x, arrays["weight"], step.stride, dy)
    elif step.op == "linear":
        dx, *rest = dy @ arrays["weight"], dy.T @ x, dy.sum(axis=0)
    else:
        pulls = {
            "relu": lambda: dy * (x > 0),
            "average": lambda: ops.average_backward(x, dy),
            "maximum": lambda: ops.maximum_backward(x, y, dy),
            "mean": lambda: np.broadcast_to(dy[..., None, None], x.shape)
            / np.prod(x.shape[2:]),
        }
        return [pulls[step.op]()], {}
    return [dx], dict(zip(("weight", "bias"), rest))
