"""`check`: a student's code beside the reference, and what differs in words."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np

from d2l_classroom import blocks, counting, curves
from d2l_classroom.failures import hung, place, told
from d2l_classroom.formulas import COUNTS
from d2l_classroom.framework import Framework, of
from d2l_classroom.programs import PROGRAMS
from d2l_classroom.report import Levels, Report
from d2l_classroom.time_limit import TimeUp, limited
from d2l_lite import PACKAGES
from d2l_lite.checks import check_choice, check_real

TASKS = (*PROGRAMS, *COUNTS, "curves")


def check(
    task: str,
    answer: Any,
    *,
    framework: str | None = None,
    seconds: float = 60,
    against: str | None = None,
    quiet: bool = False,
) -> Report:
    """Run a student's answer beside the reference and say in words what differs.

    A block gets the reference's weights, whatever its inner structure, as long as it is
    made of the framework's own layers. Then its outputs in both modes, its running
    statistics and its gradients are compared, level by level; the first that differs is
    explained. Prints a line for each level.

    Args:
        task: "conv_block", "dense_block", "transition_block", "bottleneck_block",
            "densenet" and "memory_efficient_block" take a function or class with the
            book's signature; "block_parameters", "transition_parameters",
            "densenet_parameters", "kept_plain" and "kept_recomputed" a function of
            numbers; "curves" a dict from letters to diagnoses.
        answer: the function, the class (not called) or the dict.
        framework: of a block, "pytorch", "tensorflow", "jax" or "mxnet"; if None the
            one whose `d2l_lite` module has been imported.
        seconds: the time limit.
        against: whose recorded outputs the last line compares with; PyTorch's if None.
        quiet: whether to print nothing.

    Returns:
        The report. Whatever the answer does (an exception, no end, a wrong type)
        becomes a message of it, save KeyboardInterrupt, which is the reader's own
        Ctrl-C; `report.require()` raises an AssertionError with the first message.

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
    judged = of(framework or loaded(call)) if task in PROGRAMS else None
    levels = Levels(task, _names(task), named=task != "curves")
    try:
        with _generators_kept(), limited(seconds):
            _judge(task, answer, levels, judged, against)
    except TimeUp as error:
        levels.fail([hung(error, seconds)])
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        levels.fail(
            [
                f"the checker cannot judge this code, for a reason of its own: "
                f"{told(error)}{place(error)}"
            ]
        )
    if not quiet:
        print("\n".join(levels.lines))
    return levels.report


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


def _judge(
    task: str,
    answer: Any,
    levels: Levels,
    framework: Framework | None,
    against: str | None,
) -> None:
    if framework is not None:
        with framework.guarded():
            blocks.check(framework, task, answer, levels, against)
    elif task in COUNTS:
        counting.check(task, answer, levels)
    else:
        curves.check(answer, levels)


def _names(task: str) -> tuple[str, ...]:
    if task in COUNTS:
        return counting.NAMES
    if task == "curves":
        return curves.names()
    memory = ("memory",) if task == "memory_efficient_block" else ()
    return (*blocks.NAMES, *memory)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Put the states of Python's and NumPy's global generators back."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
