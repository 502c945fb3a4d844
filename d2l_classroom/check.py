"""`check`: a student's code beside the reference, and what differs in words."""

from difflib import get_close_matches
from typing import Any

from d2l_classroom import blocks, counting, curves, recorded
from d2l_classroom.bench import Bench
from d2l_classroom.failures import hung, place, told
from d2l_classroom.formulas import COUNTS
from d2l_classroom.keeping import generators_kept
from d2l_classroom.limits import TimeUp, limited
from d2l_classroom.programs import PROGRAMS
from d2l_classroom.report import Levels, Report
from d2l_lite import PACKAGES
from d2l_lite.checks import check_choice, check_real

TASKS = (*PROGRAMS, *COUNTS, "curves")


class Checker:
    """A framework's `check`; it is told what it is by the framework's bench."""

    def __init__(self, bench: Bench):
        self.bench = bench

    def check(
        self,
        task: str,
        answer: Any,
        *,
        seconds: float = 60,
        against: str | None = None,
        quiet: bool = False,
    ) -> Report:
        """Run a student's answer beside the reference and say in words what differs.

        A block gets the reference's weights, whatever its inner structure, as long as
        it is made of the framework's own layers. Then its outputs in both modes, its
        running statistics and its gradients are compared, level by level; the first
        that differs is explained. Prints a line for each level.

        Args:
            task: "conv_block", "dense_block", "transition_block", "bottleneck_block",
                "densenet" and "memory_efficient_block" take a function or class with
                the book's signature; "block_parameters", "transition_parameters",
                "densenet_parameters", "kept_plain" and "kept_recomputed" a function of
                numbers; "curves" a dict from letters to diagnoses.
            answer: the function, the class (not called) or the dict.
            seconds: the time limit.
            against: whose recorded outputs the last line compares with, "pytorch",
                "tensorflow", "jax" or "mxnet"; PyTorch's if None.
            quiet: whether to print nothing.

        Returns:
            The report. Whatever the answer does (an exception, no end, a wrong type)
            becomes a message of it, save KeyboardInterrupt, which is the reader's own
            Ctrl-C; `report.require()` raises an AssertionError with the first message,
            for a test.

        Raises:
            ValueError: an unknown task, or an option out of its range.
        """
        call = f"check({task!r})"
        if task not in TASKS:
            near = get_close_matches(str(task), TASKS, n=3, cutoff=0.3) or TASKS
            raise ValueError(f"{call}: unknown task; nearest names: {', '.join(near)}")
        check_real(seconds, 0, float("inf"), f"check(seconds={seconds!r})", above=True)
        against = against or recorded.other(self.bench.backend.framework)
        check_choice(against, PACKAGES, f"check(against={against!r})")
        levels = Levels(task, _names(task), named=task != "curves")
        try:
            with generators_kept(), self.bench.guarded(), limited(seconds):
                self._judge(task, answer, levels, against)
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

    def _judge(self, task: str, answer: Any, levels: Levels, against: str) -> None:
        if task in PROGRAMS:
            blocks.check(self.bench, task, answer, levels, against)
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
