"""Grading a class: every returned notebook by itself, then the table of all."""

import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from d2l_classroom.grading import places, sheets
from d2l_classroom.grading.limits import Limits
from d2l_classroom.grading.notebook import clean, read
from d2l_classroom.grading.places import Returned
from d2l_classroom.grading.process import Interrupted, Outcome, Run
from d2l_classroom.grading.sheets import Sheet, Step
from d2l_lite import DataError


@dataclass(frozen=True)
class Mark:
    """What one check gave: of `most` points, `points`, and why not all."""

    check: str
    points: float
    most: float
    message: str = ""


@dataclass(frozen=True)
class Grade:
    """The grade of one notebook; `notes` say what a teacher should know about it."""

    returned: Returned
    worksheet: str = ""
    framework: str = ""
    marks: tuple[Mark, ...] = ()
    seconds: float = 0.0
    memory: int = 0
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    output: str = ""
    isolated: tuple[str, ...] = ()
    ran: bool = False

    @property
    def points(self) -> float:
        """The sum over the checks."""
        return sum(mark.points for mark in self.marks)

    @property
    def most(self) -> float:
        """The most that the worksheet gives."""
        return sum(mark.most for mark in self.marks)

    @property
    def whole(self) -> bool:
        """Whether the notebook ran to its last check."""
        return self.ran and all(mark.message != UNREACHED for mark in self.marks)


UNREACHED = "not reached"


def grade_all(
    returned: Sequence[Returned],
    known: Sequence[Sheet],
    limits: Limits,
    jobs: int,
    isolate: bool = True,
) -> Iterator[Grade]:
    """Grade notebooks, `jobs` at a time; yields each as it is done.

    Closed or interrupted, it ends what is running and removes its copies.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {
            pool.submit(grade, one, known, limits, stop, isolate) for one in returned
        }
        try:
            while waiting:
                # With a time-out, so that an interruption is noticed.
                done, waiting = wait(waiting, 0.5, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def grade(
    returned: Returned,
    known: Sequence[Sheet],
    limits: Limits,
    stop: threading.Event,
    isolate: bool = True,
) -> Grade:
    """The grade of one notebook, whatever is in it."""
    sheet = None
    try:
        cells = read(returned.path)
        sheet = sheets.match(known, cells, set(returned.words))
        steps, notes = sheets.program(sheet, cells)
        with places.workspace(returned) as room:
            outcome = Run(steps, sheet.imports, room, limits).result(stop, isolate)
        return _graded(returned, sheet, steps, notes, outcome)
    except Interrupted:
        raise
    except DataError as error:
        return Grade(returned, notes=(clean(str(error)),))
    except Exception as error:
        # Nothing that is in one notebook may cost the others their grades.
        note = f"could not be run: {type(error).__name__}: {clean(str(error))}"
        if sheet is None:
            return Grade(returned, notes=(note,))
        marks = (Mark(cell.name, 0.0, cell.points, UNREACHED) for cell in sheet.checks)
        return Grade(returned, sheet.name, sheet.framework, tuple(marks), notes=(note,))


def _graded(
    returned: Returned,
    sheet: Sheet,
    steps: Sequence[Step],
    notes: Sequence[str],
    outcome: Outcome,
) -> Grade:
    marks, errors, changed = [], [], []
    for i, step in enumerate(steps):
        answer = outcome.answers[i] if i < len(outcome.answers) else None
        if step.check:
            marks.append(_mark(step, answer))
        elif answer and answer["error"]:
            errors.append(f"{step.place}: {clean(answer['error'])[:300]}")
        if answer:
            changed += map(str, answer["put_back"])
    if changed:
        names = clean(", ".join(dict.fromkeys(changed[:5])))[:200]
        notes = [f"changed what checks rely on, put back: {names}", *notes]
    if errors:
        more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
        notes = [*notes, f"error in {errors[0]}{more}"]
    return Grade(
        returned,
        sheet.name,
        sheet.framework,
        tuple(marks),
        outcome.seconds,
        outcome.memory,
        tuple([outcome.ending] if outcome.ending else []) + tuple(notes),
        tuple(errors),
        clean(outcome.output, breaks=True),
        tuple(outcome.isolated),
        True,
    )


def _mark(step: Step, answer: dict[str, Any] | None) -> Mark:
    """A check's points: all, none, or as many as its last expression says."""
    if answer is None:
        return Mark(step.check, 0.0, step.points, UNREACHED)
    if answer["error"] is not None:
        return Mark(step.check, 0.0, step.points, clean(answer["error"], breaks=True))
    value = answer["value"]
    if value is None:
        return Mark(step.check, step.points, step.points)
    value = value if math.isfinite(value) else 0.0
    points = min(max(value, 0.0), step.points)
    message = "" if points == step.points else f"{points:g} of {step.points:g} points"
    return Mark(step.check, points, step.points, message)
