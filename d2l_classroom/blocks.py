"""The levels of a block: it runs, its weights fit, it computes the book's function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from d2l_classroom import backward, memory
from d2l_classroom.differences import Finding, close
from d2l_classroom.failures import Refused, describe
from d2l_classroom.framework import Framework
from d2l_classroom.programs import LAYERS, dense_block
from d2l_classroom.reference import of, output, reference
from d2l_classroom.report import Levels, digits, listed, shape
from d2l_classroom.time_limit import TimeUp
from d2l_classroom.trial import Run, Trial
from d2l_lite import TITLES

Array = np.ndarray
EVALUATION = 1e-5
# Each batch norm adds a rounding of its own; the chapter "Four Frameworks" has numbers.
TRAINING = 3e-5
NAMES = (
    "runs",
    "weights",
    "outputs in evaluation mode",
    "outputs in training mode",
    "running statistics",
    "gradients",
)


def check(
    framework: Framework, task: str, answer: Any, levels: Levels, against: str | None
) -> None:
    """Take a block from level to level; `against`, the other framework, may be None."""
    try:
        trial = Trial(framework, reference(task), answer)
    except Refused as refused:
        levels.fail([str(refused)])
        return
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as error:
        told = f"{describe(error)}; this happens when the block is made"
        levels.fail([*filter(None, [framework.explain(error)]), told])
        return
    for level in (_runs, _weights, _evaluation, _training, _both_ways):
        if not level(trial, levels):
            return
    if task == "memory_efficient_block" and not memory.level(trial, answer, levels):
        return
    if against is None:
        against = "tensorflow" if framework.title == "PyTorch" else "pytorch"
    apart = _apart(trial.run(training=True).output, output(against, task))
    levels.lines.append(
        f"Your {framework.title} {trial.program.noun} equals the book's "
        f"{TITLES[against]} one to {apart}."
    )


def _runs(trial: Trial, levels: Levels) -> bool:
    run = trial.run(training=False)
    expected = trial.reference.evaluation.output
    own = shape(trial.layout(expected.shape))
    problem = run.problem
    if not problem and run.output.shape != expected.shape:
        found = shape(trial.layout(run.output.shape))
        problem = f"outputs have shape {found} instead of {own}"
    if not problem:
        levels.reach(f"your {trial.program.noun} runs; its outputs have shape {own}")
        return True
    raised = run.output is None and not problem.startswith("your block returns")
    found = _told(trial, run, trial.findings(run, training=False), "")
    # Channels that nobody counted explain an error; where none is raised, the reading
    # of other features comes first, and the arrays follow from it.
    causes = [*found, *trial.messages]
    if raised:
        causes = _added(trial, levels.task) or [*trial.messages, *found]
    known = [cause for cause in causes if "that differs" not in cause]
    levels.fail([*known, problem, *(c for c in causes if c not in known)])
    return False


def _added(trial: Trial, task: str) -> list[str]:
    """A sum of features fails at once unless all have the same number of channels."""
    if task != "dense_block":
        return []
    growth_rate = trial.program.arguments["growth_rate"]
    square = of(dense_block(in_channels=growth_rate))
    try:
        other = Trial(trial.framework, square, trial.answer)
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException:
        # It was made for the first setting: what happens here explains nothing.
        return []
    run = other.run(training=False)
    found = [f for f in other.findings(run, training=False) if "the sum" in f.text]
    return _told(other, run, found, "")


def _weights(trial: Trial, levels: Levels) -> bool:
    if not trial.messages:
        count, arrays = len(trial.weights), trial.framework.trainable(trial.layers)
        parameters = sum(trial.weights[name].size for name in arrays)
        levels.reach(f"{count} arrays as in the book, {parameters} parameters")
        return True
    run = trial.run(training=False)
    found = trial.findings(run, training=False)
    glue = [finding for finding in found if finding.op not in LAYERS]
    causes = [*_told(trial, run, glue, ""), *trial.messages]
    apart = _apart(run.output, trial.reference.evaluation.output)
    levels.fail([_with(causes[0], f"outputs differ by {apart}"), *causes[1:]])
    return False


def _evaluation(trial: Trial, levels: Levels) -> bool:
    return _outputs(trial, levels, False, trial.reference.evaluation.output)


def _training(trial: Trial, levels: Levels) -> bool:
    return _outputs(trial, levels, True, trial.reference.training.output)


def _outputs(trial: Trial, levels: Levels, training: bool, expected: Array) -> bool:
    mode = "training" if training else "evaluation"
    trial.reset()
    run = trial.run(training)
    if run.problem:
        levels.fail([f"{run.problem}; this happens in {mode} mode"])
        return False
    if close(run.output, expected, TRAINING if training else EVALUATION):
        apart = _apart(run.output, expected)
        levels.reach(f"outputs in {mode} mode: equal to {apart}")
        if not training:
            for text in _remarks(trial, run):
                levels.remark(text)
        return True
    if not np.isfinite(run.output).all():
        bad = int((~np.isfinite(run.output)).sum())
        levels.fail([f"{bad} of {run.output.size} outputs are no finite numbers"])
        return False
    apart = f"outputs differ by {_apart(run.output, expected)}"
    trial.reset()
    again = trial.run(training)
    if again.output is None or not close(again.output, run.output):
        levels.fail(
            [
                f"in {mode} mode your {trial.program.noun} makes something else of the "
                f"same input each time: {apart}. Is there dropout in it?"
            ]
        )
        return False
    messages = _told(trial, run, trial.findings(run, training), apart)
    levels.fail(messages or [f"{apart}; no layer of its own shows why"])
    return False


def _remarks(trial: Trial, run: Run) -> list[str]:
    """The same function, but another order."""
    sizes = {call.input.shape[2:] for call in run.calls}
    if trial.program.task == "transition_block" and len(sizes) > 1:
        return [
            "you pool before the convolution: the same function for a quarter of the "
            "arithmetic; the book keeps the paper's order (chapter “Transition Layers”)"
        ]
    return []


def _both_ways(trial: Trial, levels: Levels) -> bool:
    trial.reset()
    try:
        gradients = trial.gradients()
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as error:
        levels.fail([f"{describe(error)}; this happens in the backward pass"])
        return False
    tests: tuple[tuple[Callable[..., list[str]], Mapping[str, Any]], ...] = (
        (backward.statistics, trial.statistics()),
        (backward.gradients, gradients),
    )
    for test, found in tests:
        messages, apart = test(trial.reference, found, trial.weights)
        if not all(message.startswith(backward.UNBIASED) for message in messages):
            levels.fail(messages)
            return False
        levels.reach(f"{levels.names[levels.reached]}: equal to {digits(apart)}")
        for message in messages:
            levels.remark(message)
    return True


def _told(trial: Trial, run: Run, findings: Sequence[Finding], apart: str) -> list[str]:
    """Findings in words: each once, with its places unless it is everywhere."""
    alike: dict[str, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(finding.kind, []).append(finding)
    program = trial.program
    messages = []
    for same in alike.values():
        text, _, why, op, _ = same[0]
        where = [finding.place for finding in same]
        all_ = [step for step in program.steps if step.op == op]
        if len(where) < len(all_) and op in (*LAYERS, "relu", "average"):
            text = f"{text} ({_at(where, op)})"
        if apart and not messages:
            text = f"{text}: {apart}"
        messages.append(f"{text}. {why}".strip() if why else text)
    return messages


def _at(where: Sequence[str], op: str) -> str:
    few = list(where[:3])
    more = [f"{len(where) - 3} more"] if len(where) > 3 else []
    return ("in " if op in LAYERS else "before ") + listed(few + more)


def _with(message: str, apart: str) -> str:
    """A message with how much the outputs differ, behind its first sentence."""
    first, dot, rest = message.partition(". ")
    return f"{first}: {apart}{dot}{rest}"


def _apart(found: Array, expected: Array) -> str:
    return digits(float(abs(found - expected).max()))
