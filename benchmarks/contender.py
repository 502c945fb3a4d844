"""A contender's side of a race: it sets itself up, then takes its turns.

    python -m benchmarks.contender MODULE.FUNCTION UNIT OPTIONS

The function, of a module in `benchmarks.contenders`, gets OPTIONS, a JSON object, as
its arguments. It returns what a turn calls. If a `Workload` is among the arguments,
that does the work of a turn, all of which must be over when it returns, and is timed
here; any other measures itself and returns its value in the race's unit.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.resident import STATUS, forget, resident
from benchmarks.workload import Workload

Run = Callable[[], object]
Measure = Callable[[], float]


def find(name: str) -> Callable[..., Run]:
    """The function MODULE.FUNCTION of `benchmarks.contenders`."""
    module, function = name.split(".")
    return getattr(importlib.import_module(f"benchmarks.contenders.{module}"), function)


def arguments(text: str) -> dict[str, Any]:
    """Those of a contender, from JSON."""
    options = json.loads(text)
    if "workload" in options:
        options["workload"] = Workload(**options["workload"])
    return options


def set_up(name: str, unit: str, options: Mapping[str, Any]) -> Measure:
    """What measures a turn of a contender; everything has run once then."""
    run, workload = find(name)(**options), options.get("workload")
    if workload is None:
        return run
    run()
    return partial(MEASURES[unit], run, workload)


def seconds(run: Run) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak(run: Run) -> int:
    """Bytes that this process holds in a call, at most, beyond those before."""
    before = resident("VmRSS")
    forget()
    run()
    return resident("VmHWM") - before


# By unit, the value of a turn.
MEASURES: dict[str, Callable[[Run, Workload], float]] = {
    "images/s": lambda run, workload: workload.images / seconds(run),
    "s": lambda run, workload: seconds(run),
    "ms": lambda run, workload: 1000 * seconds(run) / workload.steps,
    "MiB": lambda run, workload: peak(run) / 2**20,
}


def main(name: str, unit: str, text: str) -> None:
    """Take part in a race until the parent has no more turns."""
    # What a library prints must not look like an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(**content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    options = arguments(text)
    find(name)
    if "framework" in options:
        importlib.import_module(f"d2l_lite.{options['framework']}")
    # Of others the work is no memory of this process, or they measure it.
    before = resident("VmRSS") if "workload" in options and STATUS.exists() else None
    measure = set_up(name, unit, options)
    answer(ready=True)
    for _ in sys.stdin:
        answer(value=float(measure()))
    answer(peak=before and resident("VmHWM") - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
