"""A contender's side of a race: it sets itself up, then measures when it is told to."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def serve(set_up: Callable[[], Callable[[], float]], peak: bool = True) -> None:
    """Take part in a race until the parent has no more rounds.

    Call it when everything is imported: what the process holds then does not count in
    its peak. `set_up` compiles and warms up, and returns what measures one round: its
    value in the race's unit. All that a round has begun must be over when it returns.
    Without `peak` none is told: other processes do the work.
    """
    # What a library prints must not look like an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(**content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    before = resident("VmRSS") if peak else None
    if before is not None:
        FORGET.write_text("5")  # the highest so far
    measure = set_up()
    answer(ready=True)
    for _ in sys.stdin:
        answer(value=float(measure()))
    answer(peak=None if before is None else resident("VmHWM") - before)


def resident(line: str) -> int | None:
    """Bytes that this process holds (`VmRSS`) or has held (`VmHWM`), where Linux is."""
    if not STATUS.exists():
        return None
    for entry in STATUS.read_text().splitlines():
        name, _, value = entry.partition(":")
        if name == line:
            return int(value.split()[0]) * 1024
    raise KeyError(f"{STATUS} has no line {line}")
