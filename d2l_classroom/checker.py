"""`check` and its kin: a student's answer beside the reference, in words."""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np

from d2l_classroom import blocks, choices, counting, origin, predictions
from d2l_classroom.explanations import REASONS
from d2l_classroom.failures import hung, place, told, untouched
from d2l_classroom.formulas import COUNTS
from d2l_classroom.framework import of
from d2l_classroom.programs import PROGRAMS
from d2l_classroom.report import Message, Report, Results
from d2l_classroom.time_limit import TimeUp, limited
from d2l_lite import PACKAGES
from d2l_lite.checks import check_choice, check_real

TASKS = (*PROGRAMS, *COUNTS, "curves")
SECONDS = 60


def check(
    task: str,
    answer: Any,
    *,
    explain: bool = False,
    framework: str | None = None,
    seconds: float = SECONDS,
    against: str | None = None,
    quiet: bool = False,
) -> Report:
    """Run a student's answer beside the reference and say in words what differs.

    A block gets the reference's weights, whatever its inner structure, as long as it is
    made of the framework's own layers. Then its outputs in both modes, its running
    statistics and its gradients are compared. Prints a line for each part: what differs
    and where to look, and with `explain` the cause and what to do about it.

    Args:
        task: "conv_block", "dense_block", "transition_block", "bottleneck_block",
            "densenet" and "memory_efficient_block" take a function or class with the
            book's signature; "block_parameters", "transition_parameters",
            "densenet_parameters", "kept_plain" and "kept_recomputed" a function of
            numbers; "curves" a function that returns a dict from letters to diagnoses,
            or the dict.
        answer: the function, the class (not called) or the dict.
        explain: whether causes are told.
        framework: of a block, "pytorch", "tensorflow", "jax" or "mxnet"; if None the
            one whose `d2l_lite` module has been imported.
        seconds: the time limit.
        against: whose recorded outputs the last line compares with; PyTorch's if None.
        quiet: whether to print nothing.

    Returns:
        The report. Whatever the answer does (an exception, no end, a wrong type)
        becomes a message of it, save KeyboardInterrupt, which is the reader's own
        Ctrl-C; `report.grade(points)` is the share of the points, and
        `report.require()` raises an AssertionError with the first message.

    Raises:
        ValueError: an unknown task, an option out of its range, or a block of which it
            is not known to which framework it belongs.
    """
    call = f"check({task!r})"
    if task not in TASKS:
        near = get_close_matches(str(task), TASKS, n=3, cutoff=0.3) or TASKS
        raise ValueError(f"{call}: unknown task; nearest names: {', '.join(near)}")
    check_real(seconds, 0, float("inf"), f"check(seconds={seconds!r})", above=True)
    for name, value in {"framework": framework, "against": against}.items():
        if value is not None:
            check_choice(value, PACKAGES, f"check({name}={value!r})")
    if task in PROGRAMS:
        names, judged = blocks.parts(task), of(framework or loaded(call))
    else:
        names = counting.parts(task) if task in COUNTS else choices.names()

    def judge(results: Results) -> None:
        if task in COUNTS:
            counting.check(task, answer, results)
        elif task == "curves":
            choices.curves(answer() if callable(answer) else answer, results)
        else:
            with judged.guarded():
                blocks.check(judged, task, answer, results, against)

    results, number = Results(task, names, explain), origin.secret(answer)
    if number is not None:
        results.sealed(f"this is the code of bug {number} as it was given")
    else:
        _judged(results, judge, seconds)
    if results.more and not explain:
        results.lines.append(
            f"  check({task!r}, …, explain=True) in a cell of your own tells the cause"
        )
    return _printed(results, quiet)


def compare(
    task: str,
    answer: Callable[[], Any] | dict[str, Callable[[], Any]],
    found: Any,
    *,
    hint: str,
    close: float = 0.0,
    explain: bool = False,
    quiet: bool = False,
) -> Report:
    """Compare a prediction with what was found, without saying what that is.

    Args:
        task: what is predicted; a worksheet's has its explanation by this name.
        answer: a function that returns numbers and texts, also in lists and dicts; or a
            dict of such functions, which may be answered one by one.
        found: the same, as it was measured.
        hint: where to look if they differ.
        close: by how much numbers may differ.
        explain: whether to tell why, where it is known.
        quiet: whether to print nothing.
    """
    parts = predictions.flat(found)

    def judge(results: Results) -> None:
        about = Message(hint, REASONS.get(task, ""))
        predictions.compare(predictions.called(answer), parts, about, close, results)

    results = _judged(Results(task, tuple(parts), explain), judge)
    if results.more and not explain:
        results.lines.append(
            "  This call in a cell of your own, with explain=True added, tells why."
        )
    return _printed(results, quiet)


def diagnose(
    number: int, answer: Callable[[], Any], keys: str, *, quiet: bool = False
) -> Report:
    """Judge what somebody says about a bug: which line it is, and what is wrong there.

    Args:
        number: of the bug; once it is found, `check` explains code that has it.
        answer: a function that returns the line, copied, and a cause.
        keys: of the cause and of parts of the line, see `d2l_classroom.choices`.
        quiet: whether to print nothing.
    """
    results = Results(f"bug {number}", ("line", "cause"), explain=False)
    _judged(results, lambda results: choices.bug(answer(), keys, results))
    if results.report.passed:
        origin.diagnosed(number)
    return _printed(results, quiet)


def loaded(call: str) -> str:
    """The framework whose module of `d2l_lite` has been imported."""
    found = [name for name in PACKAGES if f"d2l_lite.{name}" in sys.modules]
    if not found:
        raise ValueError(
            f"{call}: no framework is loaded; before it, `from d2l_lite import pytorch "
            "as d2l`, or tensorflow, jax, mxnet"
        )
    if len(found) > 1:
        raise ValueError(
            f"{call}: {' and '.join(found)} are loaded; say whose block this is: "
            f"check({call.removeprefix('check(').removesuffix(')')}, …, "
            f"framework={found[0]!r})"
        )
    return found[0]


def _judged(
    results: Results, judge: Callable[[Results], None], seconds: float = SECONDS
) -> Results:
    """The results, whatever the student's code does."""
    try:
        # Wrong answers may give infinities, whose differences are no numbers.
        with _generators_kept(), limited(seconds), np.errstate(all="ignore"):
            judge(results)
    except TimeUp as error:
        results.wrong("", Message(hung(error, seconds)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if untouched(error):
            results.untouched(place(error))
        else:
            where = place(error)
            own = "the checker cannot judge this, for a reason of its own:"
            start = "your code raises" if where else own
            results.wrong("", Message(f"{start} {told(error)}{where}"))
    return results


def _printed(results: Results, quiet: bool) -> Report:
    if not quiet:
        print("\n".join(results.lines))
    return results.report


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Put the states of Python's and NumPy's global generators back."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
