"""The reference in float64: what a program computes, and what is recorded of it."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from safetensors.numpy import load_file

from d2l_classroom import numpy_layers as ops
from d2l_classroom.programs import INPUT, PROGRAMS, Program, Step
from d2l_lite.networks.weights import Shapes, Weights, is_trainable

Array = np.ndarray
# What the book's blocks made of the references' images: outputs in training mode by
# "framework task", and by "gradients task name" those of the sum of output times
# cotangent, by every parameter and the input; benchmarks/classroom.py writes it.
FILE = Path(__file__).with_name("recorded.safetensors")
# How far an input of ReLU keeps from zero, so that float32 knows its sign.
CLEAR = 1e-5
# What an input of ReLU exceeds somewhere, so that ReLU6 is told apart from it.
HIGH = 6.5
# Of the pixel that is added where the noise alone does not get so high.
BRIGHT = 6


class Answers(NamedTuple):
    """What a block answers in a mode.

    Attributes:
        values: what each step makes, the input as "x".
        output: what the last one makes.
        statistics: the running ones after a pass in training mode, by canonical names.
    """

    values: dict[str, Array]
    output: Array
    statistics: dict[str, Array]


class Reference(NamedTuple):
    """A program with weights and an input, and what it answers in both modes."""

    program: Program
    weights: Weights
    images: Array
    cotangent: Array
    evaluation: Answers
    training: Answers


@cache
def recorded() -> dict[str, Array]:
    """What `FILE` holds."""
    return load_file(FILE)


def gradients(program: Program) -> dict[str, Array]:
    """The recorded gradients of a task's program, the input's first."""
    known, task = recorded(), _same(program.task)
    return {
        name: known[f"gradients {task} {name}"] for name in [INPUT, *_learnt(program)]
    }


def output(framework: str, task: str) -> Array:
    """What the framework's block of the book has made in training mode."""
    return recorded()[f"{framework} {_same(task)}"]


def _same(task: str) -> str:
    """The task that is the same function."""
    return "dense_block" if task == "memory_efficient_block" else task


def _learnt(program: Program) -> list[str]:
    return [name for name in program.shapes if is_trainable(name)]


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
        training = run(program, weights, images, training=True)
        if min(_distance(mode, program) for mode in (evaluation, training)) > CLEAR:
            break
    cotangent = cotangent.astype(np.float32)
    return Reference(program, weights, images, cotangent, evaluation, training)


def _distance(answers: Answers, program: Program) -> float:
    """Of the input of a ReLU that is nearest to zero."""
    return min(abs(x).min() for x in _activated(answers, program))


def _activated(answers: Answers, program: Program) -> list[Array]:
    """The inputs of all ReLUs."""
    return [answers.values[s.reads[0]] for s in program.steps if s.op == "relu"]


def run(
    program: Program, weights: Weights, images: Array, training: bool = False
) -> Answers:
    """Run a program in evaluation or in training mode."""
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
    return Answers(values, values[program.steps[-1].name], statistics)


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


# The operations without weights.
GLUE: dict[str, Callable[..., Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "concat": lambda *features: np.concatenate(features, axis=1),
    "average": ops.average,
    "maximum": ops.maximum,
    "mean": lambda x: x.mean(axis=(2, 3)),
}
