"""Races: contenders in processes of their own that take turns, round by round."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from benchmarks import record

ROOT = Path(__file__).parents[1]
THREADS = 2


class RaceError(RuntimeError):
    """A contender failed; the message has what it wrote."""


@dataclass(frozen=True)
class Entry:
    """Who takes part in a race; see `benchmarks.contender`.

    Args:
        name: among the contenders of its race.
        contender: MODULE.FUNCTION of `benchmarks.contenders`.
        options: the function's arguments.
        ours: whether it is the book's; the first such one is compared with all others.
        goal: the ratio that ours is to reach against this one, if not the race's.
        limit: it does not compete: what the processor could do at most.
        threads: that it has, on as many cores.
        environment: variables that it has besides.
    """

    name: str
    contender: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ours: bool = False
    goal: float | None = None
    limit: bool = False
    threads: int = THREADS
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Race:
    """Contenders for one task.

    Args:
        framework: that all of them use; None if they use several or none.
        task: a slug, unique together with the framework.
        title: what is measured, for people.
        unit: of the values; of those in `record.LOWER_IS_BETTER` the lower one wins.
        entries: in the order of the tables.
        goal: the ratio that ours is to reach, or its value: {"at_least": 100_000},
            {"at_most": 10}.
    """

    framework: str | None
    task: str
    title: str
    unit: str
    entries: Sequence[Entry]
    goal: float | dict[str, float] | None = None


@dataclass(frozen=True)
class Benchmark:
    """Races that are run and recorded together.

    Args:
        races: in the order of the record.
        rounds: how often each contender's turn comes; an even number gives each of two
            the better place, whichever that is, as often.
        packages: distributions whose versions matter, besides the frameworks' own.
        gpu: whether it needs one.
    """

    races: Sequence[Race]
    rounds: int = 7
    packages: Sequence[str] = ()
    gpu: bool = False


class _Process:
    """A contender that has been started."""

    def __init__(self, entry: Entry, unit: str, errors: IO[bytes]) -> None:
        self.entry, self.errors = entry, errors
        self.values: list[float] = []
        # A workload is among the options.
        options = json.dumps(dict(entry.options), default=vars)
        words = ["-m", "benchmarks.contender", entry.contender, unit, options]
        settings = _settings(entry.threads) | dict(entry.environment)
        with cores(entry.threads):
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=os.environ | settings,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def answer(self, key: str) -> float | None:
        """The contender's next answer, for which this waits."""
        line = self.process.stdout.readline()
        try:
            return json.loads(line)[key]
        except (ValueError, KeyError):
            raise self.failed(line) from None

    def run(self) -> None:
        """One round."""
        try:
            print("go", file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise self.failed("") from None
        self.values.append(self.answer("value"))

    def finish(self) -> record.Contender:
        """No more rounds: what the contender reached."""
        self.process.stdin.close()
        peak, entry = self.answer("peak"), self.entry
        # It may have something to put away.
        self.process.wait(timeout=60)
        values = tuple(record.rounded(value) for value in self.values)
        return record.Contender(entry.name, entry.ours, values, peak, goal=entry.goal)

    def failed(self, line: str) -> RaceError:
        if not line:
            self.process.wait()
        self.errors.seek(0)
        told = self.errors.read().decode(errors="replace").splitlines()[-20:]
        what = f"answered {line.strip()!r}" if line else "ended before the race did"
        command = " ".join(self.process.args[1:])
        return RaceError("\n".join([f"{self.entry.name} {what}: {command}", *told]))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def run(race: Race, rounds: int) -> record.Race:
    """Let the contenders of a race take turns, and return what they reached.

    Raises:
        RaceError: a contender failed.
    """
    with ExitStack() as stack:
        processes = []
        for entry in race.entries:
            errors = stack.enter_context(TemporaryFile())
            processes.append(_Process(entry, race.unit, errors))
            stack.callback(processes[-1].stop)
        for process in processes:
            process.answer("ready")
        for number in range(rounds):
            # Now one goes first, now the other: none always follows the same one.
            for process in processes[:: (-1) ** number]:
                process.run()
        reached = [(process.entry, process.finish()) for process in processes]
    return record.Race(
        framework=race.framework,
        task=race.task,
        title=race.title,
        unit=race.unit,
        goal=race.goal,
        limits={e.name: c.median for e, c in reached if e.limit},
        contenders=tuple(c for e, c in reached if not e.limit),
    )


def _settings(threads: int) -> dict[str, str]:
    """So many threads, and the processor alone."""
    return {
        "CUDA_VISIBLE_DEVICES": "",
        "D2L_LITE_PROGRESS": "none",
        "JAX_PLATFORMS": "cpu",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_NUM_INTRAOP_THREADS": str(threads),
    }


@contextmanager
def cores(number: int) -> Iterator[None]:
    """Give what is started within so many cores, where the system can.

    JAX takes no number of threads, but as many as there are cores for it.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # A process has its parent's. Set in between, by Python, it would need a fork,
    # against which JAX warns where it is loaded.
    os.sched_setaffinity(0, sorted(before)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
