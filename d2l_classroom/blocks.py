"""The parts of a block's check: that it runs, its weights, what it computes."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from d2l_classroom import backward, memory
from d2l_classroom.differences import Finding, close
from d2l_classroom.failures import Refused, describe, place, untouched
from d2l_classroom.framework import Framework
from d2l_classroom.origin import made_of
from d2l_classroom.programs import LAYERS, dense_block
from d2l_classroom.reference import of, output, reference
from d2l_classroom.report import Message, Results, digits, listed, shape
from d2l_classroom.time_limit import TimeUp
from d2l_classroom.trial import BUILDERS, Run, Trial
from d2l_lite import TITLES

Array = np.ndarray
EVALUATION = 1e-5
# Each batch norm adds a rounding of its own; the chapter "Four Frameworks" has numbers.
TRAINING = 3e-5
SHAPE, GROWTH, PARAMETERS = "shape", "growth", "parameters"
VALUES = {False: "values in evaluation mode", True: "values in training mode"}
# What an error says, or its line, where maps of different sizes are laid together.
JOINING = re.compile(r"concat|\bcat\(|stack\(|must match except", re.IGNORECASE)
STATISTICS, GRADIENTS, MEMORY = "statistics", "gradients", "memory"


def parts(task: str) -> tuple[str, ...]:
    """What is looked at in a task."""
    growth = (GROWTH,) if "dense" in task or task == "memory_efficient_block" else ()
    kept = (MEMORY,) if task == "memory_efficient_block" else ()
    first = (SHAPE, *growth, PARAMETERS, *VALUES.values())
    return (*first, STATISTICS, GRADIENTS, *kept)


def check(
    framework: Framework, task: str, answer: Any, results: Results, against: str | None
) -> None:
    """Judge all parts of a block; `against`, the other framework, may be None."""
    try:
        trial = _made(framework, task, answer)
    except Refused as refused:
        results.wrong("", Message(str(refused)))
        return
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as error:
        if untouched(error):
            results.untouched(place(error))
            return
        known = framework.explain(error, reference(task).program.arguments)
        told = f"{describe(error)}; this happens when the block is made"
        results.wrong(SHAPE, *filter(None, [known]), Message(told))
        return
    _shape(trial, results)
    if not results.attempted:
        return
    _parameters(trial, results)
    if all(results.parts[name] for name in (SHAPE, PARAMETERS)):
        for training in VALUES:
            _values(trial, results, training)
        _backward(trial, results)
    if task == "memory_efficient_block" and results.parts[VALUES[True]]:
        memory.part(trial, answer, results)
    results.unjudged()
    if all(results.parts.values()):
        if against is None:
            against = "tensorflow" if framework.title == "PyTorch" else "pytorch"
        apart = _apart(trial.run(training=True).output, output(against, task))
        results.lines.append(
            f"Your {framework.title} {trial.program.noun} equals the book's "
            f"{TITLES[against]} one to {apart}."
        )


def _made(framework: Framework, task: str, answer: Any) -> Trial:
    """The answer's block, which must not be the book's own.

    Raises:
        Refused: the book's own block was called or made to make it, or nothing did.
    """
    book = framework.own(BUILDERS[task])
    trial = Trial(framework, reference(task), answer)
    if isinstance(book, type):
        own = any(isinstance(part, book) for part in framework.parts(trial.model))
    else:
        own = made_of(answer, book, "bottleneck" if "bottleneck" in task else None)
    if own:
        raise Refused(
            f"this is the book's own {BUILDERS[task]}, or is made of it: an answer is "
            "what you have written yourself"
        )
    return trial


def _shape(trial: Trial, results: Results) -> None:
    run = trial.run(training=False)
    expected = trial.reference.evaluation.output
    own = shape(trial.layout(expected.shape))
    problem, task = run.problem, trial.program.task
    if not problem and run.output.shape != expected.shape:
        found = shape(trial.layout(run.output.shape))
        problem = f"outputs have shape {found} instead of {own}"
    if not problem:
        noun = trial.program.noun
        results.right(SHAPE, f"your {noun} runs; its outputs have shape {own}")
        return
    if run.untouched:
        where = problem.partition("Error")[2]
        # What a worksheet gives is nobody's answer.
        if task == "memory_efficient_block" or "__init__" not in vars(trial.answer):
            results.untouched(where)
        else:
            told = f"the way forward is not written yet{where}"
            results.wrong(SHAPE, Message(told))
        return
    raised = run.output is None and not problem.startswith("your block returns")
    found = _told(trial, trial.findings(run, training=False), "")
    # Channels that nobody counted explain an error; where none is raised, the reading
    # of other features comes first, and the arrays follow from it.
    causes = [*found, *trial.messages]
    if raised:
        causes = _added(trial, task) or [*trial.messages, *found]
    known = [cause for cause in causes if "that differs" not in cause.cause]
    customs = trial.customs
    if raised and not customs and not known and JOINING.search(problem):
        # Not every way to join maps is watched.
        customs = [Message(f"{trial.framework.lie}: on which axis are maps joined?")]
    first, *others = [*customs, *known, Message(problem)]
    if first.hint != problem:
        first = first._replace(hint=f"{first.hint} ({problem})")
    results.wrong(SHAPE, first, *others, *(c for c in causes if c not in known))


def _added(trial: Trial, task: str) -> list[Message]:
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
    return _told(other, found, "")


def _parameters(trial: Trial, results: Results) -> None:
    messages = trial.messages
    if messages and results.parts[SHAPE]:
        findings = trial.findings(trial.run(training=False), training=False)
        glue = [finding for finding in findings if finding.op not in LAYERS]
        messages = _told(trial, glue, "") + messages
    found = {name: array.shape for name, array in trial.weights.items()}
    if GROWTH in results.parts and trial.layers:
        wanted = trial.program.shapes
        reading = [name for name in wanted if name.endswith("norm1.weight")]
        channels = [found.get(name, (0,))[0] for name in reading]
        if channels == [wanted[name][0] for name in reading]:
            read = listed(list(map(str, channels)))
            results.right(GROWTH, f"the layers read {read} channels")
        else:
            results.wrong(GROWTH, *[*trial.customs, *messages][:1])
    if messages:
        results.wrong(PARAMETERS, *trial.customs, *messages)
        return
    count, arrays = len(trial.weights), trial.framework.trainable(trial.layers)
    parameters = sum(trial.weights[name].size for name in arrays)
    results.right(PARAMETERS, f"{count} arrays as in the book, {parameters} parameters")


def _values(trial: Trial, results: Results, training: bool) -> None:
    mode = "training" if training else "evaluation"
    answers = trial.reference.training if training else trial.reference.evaluation
    trial.reset()
    run = trial.run(training)
    name, expected = VALUES[training], answers.output
    if run.problem:
        results.wrong(name, Message(f"{run.problem}; this happens in {mode} mode"))
        return
    if close(run.output, expected, TRAINING if training else EVALUATION):
        apart = _apart(run.output, expected)
        results.right(name, f"outputs in {mode} mode: equal to {apart}")
        if not training:
            _remark(trial, run, results)
        return
    if not np.isfinite(run.output).all():
        bad = int((~np.isfinite(run.output)).sum())
        told = f"{bad} of {run.output.size} outputs are no finite numbers"
        results.wrong(name, Message(told))
        return
    apart = f"outputs differ by {_apart(run.output, expected)}"
    trial.reset()
    again = trial.run(training)
    if again.output is None or not close(again.output, run.output):
        told = (
            f"in {mode} mode your {trial.program.noun} makes something else of the "
            f"same input each time: {apart}"
        )
        results.wrong(name, Message(told, f"{told}. Is there dropout in it?"))
        return
    messages = _told(trial, trial.findings(run, training), apart)
    unknown = Message(f"{apart}; no layer of its own shows why")
    results.wrong(name, *trial.customs, *(messages or [unknown]))


def _remark(trial: Trial, run: Run, results: Results) -> None:
    """The same function, but another order."""
    sizes = {call.input.shape[2:] for call in run.seen.calls}
    if trial.program.task == "transition_block" and len(sizes) > 1:
        results.note(
            "you pool before the convolution: the same function for a quarter of the "
            "arithmetic; the book keeps the paper's order (chapter “Transition Layers”)"
        )


def _backward(trial: Trial, results: Results) -> None:
    trial.reset()
    calls = trial.named(trial.run(training=True).seen.calls)
    trial.reset()
    try:
        gradients = trial.gradients()
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as error:
        told = f"{describe(error)}; this happens in the backward pass"
        results.wrong(GRADIENTS, Message(told))
        return
    read = {name: call.input for name, call in calls.items()}
    tests: list[tuple] = []
    norms = [step for step in trial.program.layers if step.op == "norm"]
    if results.parts[VALUES[True]]:
        # What is computed inside of a compiled function nobody sees: there it is this.
        values = trial.reference.training.values
        read = {step.name: values[step.reads[0]] for step in norms} | read
        # By which numbers another function should be moved, nobody has recorded.
        tests = [(GRADIENTS, backward.gradients, (gradients,))]
    if all(step.name in read for step in norms):
        found = read, trial.statistics(), trial.weights
        tests.insert(0, (STATISTICS, backward.statistics, found))
    for name, test, found in tests:
        messages, apart = test(trial.reference, *found)
        if all(message.cause.startswith(backward.UNBIASED) for message in messages):
            running = "running " if name == STATISTICS else ""
            results.right(name, f"{running}{name}: equal to {digits(apart)}")
            for message in messages:
                results.note(message.cause)
        else:
            results.wrong(name, *messages)


def _told(trial: Trial, findings: Sequence[Finding], apart: str) -> list[Message]:
    """Findings in words: each once, with its places unless it is everywhere."""
    alike: dict[str, list[Finding]] = {}
    for finding in findings:
        alike.setdefault(finding.kind, []).append(finding)
    program = trial.program
    messages = []
    for same in alike.values():
        first = same[0]
        text = first.text
        where = [finding.place for finding in same]
        all_ = [step for step in program.steps if step.op == first.op]
        if len(where) < len(all_) and first.op in (*LAYERS, "relu", "average"):
            text = f"{text} ({_at(where, first.op)})"
        hint = first.hint
        if apart and not messages:
            text = f"{text}: {apart}"
            hint = f"{apart}: {hint}"
        messages.append(Message(hint, f"{text}. {first.why}" if first.why else text))
    return messages


def _at(where: Sequence[str], op: str) -> str:
    few = list(where[:3])
    more = [f"{len(where) - 3} more"] if len(where) > 3 else []
    return ("in " if op in LAYERS else "before ") + listed(few + more)


def _apart(found: Array, expected: Array) -> str:
    return digits(float(abs(found - expected).max()))
