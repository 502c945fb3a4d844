"""One notebook in a process of its own: what it answers, and the limits it keeps."""

import fcntl
import json
import os
import secrets
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from d2l_classroom.grading import limits, settings
from d2l_classroom.grading.limits import Limits
from d2l_classroom.grading.sheets import Step

CHUNK = 1 << 20
KEPT_OUTPUT = 16 << 10
LONGEST_ANSWER = 64 << 10
# The system's own limit counts threads, of which frameworks start hundreds.
MOST_THREADS = 4096
# What an answer raises that is none; OverflowError: a number too large for a float.
WRONG = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
MODULE = "d2l_classroom.grading"


@dataclass
class Outcome:
    """What a run gave: an answer for each step it came to, and what it took."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    ending: str = ""
    isolated: list[str] = field(default_factory=list)
    output: str = ""
    seconds: float = 0.0
    memory: int = 0


class Interrupted(Exception):
    """The grader was told to stop."""


class Run:
    """A run of the steps of one notebook in `room`; `result` does all."""

    def __init__(self, steps: Sequence[Step], imports: str, room: Path, most: Limits):
        self.steps, self.imports, self.room, self.limits = steps, imports, room, most
        self.outcome = Outcome()
        self._buffer, self._output, self._lost = b"", b"", 0
        self._token = ""

    def result(self, stop: threading.Event, isolate: bool = True) -> Outcome:
        """Run the steps until they are done, or a limit is reached.

        Raises `Interrupted`, with nothing left running, once `stop` is set.
        """
        start = time.monotonic()
        settings.furnish(self.room)
        process = self._start(isolate)
        try:
            self.outcome.ending = self._follow(process, start, stop)
        finally:
            limits.end(process)
            process.stdout.close()
            os.close(self._cells)
            os.close(self._answers)
        self.outcome.seconds = time.monotonic() - start
        text = self._output.decode("utf-8", "replace")
        rest = f"\n({self._lost:,} more bytes)" if self._lost else ""
        self.outcome.output = text + rest
        return self.outcome

    def _start(self, isolate: bool) -> subprocess.Popen:
        incoming, self._cells = os.pipe()
        self._answers, outgoing = os.pipe()
        python = [sys.executable, "-s", "-P", "-m"]
        job = {
            "command": [*python, f"{MODULE}.runner", str(incoming), str(outgoing)],
            "folder": str(self.room),
            "isolate": isolate,
            "processes": MOST_THREADS,
            "report": outgoing,
            "rules": settings.rules(self.room),
        }
        process = subprocess.Popen(
            [*python, f"{MODULE}.warden", json.dumps(job)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=settings.environment(self.room),
            pass_fds=(incoming, outgoing),
            start_new_session=True,
        )
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # So that a gigabyte of output is gone in seconds.
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, CHUNK)
        os.close(incoming)
        os.close(outgoing)
        os.set_blocking(self._cells, False)
        self._waiting = json.dumps({"imports": self.imports}).encode() + b"\n"
        return process

    def _follow(self, process: subprocess.Popen, start: float, stop) -> str:
        """Exchange cells and answers; returns why it ended before the last, or ""."""
        watched = psutil.Process(process.pid)
        disk_seen = looked = start
        with selectors.DefaultSelector() as ready:
            ready.register(self._answers, selectors.EVENT_READ, self._take_answers)
            ready.register(process.stdout, selectors.EVENT_READ, self._take_output)
            while True:
                self._send()
                for key, _ in ready.select(0.02 if self._waiting else 0.1):
                    if (what := key.data(key.fd)) is None:
                        ready.unregister(key.fileobj)
                    elif what:
                        return what
                if stop.is_set():
                    raise Interrupted
                if len(self.outcome.answers) == len(self.steps):
                    return ""
                now = time.monotonic()
                if now - start > self.limits.seconds:
                    return f"time limit of {self.limits.seconds:g} s reached"
                if process.poll() is not None:
                    while not (what := self._take_answers(self._answers)):
                        if what is None:
                            break
                    return what or self._left(process.returncode)
                if now - looked >= 0.1:
                    looked = now
                    memory, reason = limits.check_memory(watched, self.limits)
                    self.outcome.memory = max(self.outcome.memory, memory)
                    if reason:
                        return reason
                if now - disk_seen >= 1:
                    disk_seen = now
                    if reason := limits.check_disk(self.room):
                        return reason

    def _send(self) -> None:
        """Send the waiting cell, as much of it as the pipe takes now."""
        while self._waiting:
            try:
                sent = os.write(self._cells, self._waiting)
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._waiting = b""
                return
            self._waiting = self._waiting[sent:]

    def _next(self) -> None:
        """Make the next cell ready; its token is made only now."""
        if len(self.outcome.answers) < len(self.steps):
            step = self.steps[len(self.outcome.answers)]
            self._token = secrets.token_hex(16)
            cell = {"check": bool(step.check), "names": step.names}
            cell |= {"source": step.source, "token": self._token}
            self._waiting += json.dumps(cell).encode() + b"\n"

    def _take_output(self, pipe: int) -> str | None:
        data = os.read(pipe, CHUNK)
        room = KEPT_OUTPUT - len(self._output)
        self._output += data[:room]
        self._lost += max(0, len(data) - room)
        return "" if data else None

    def _take_answers(self, pipe: int) -> str | None:
        """Take what has come: "" to go on, None at its end, or why that was wrong."""
        data = os.read(pipe, 1 << 16)
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                answer = _understood(json.loads(line))
            except WRONG:
                return "tampered: its process wrote to the grader what is no answer"
            if "isolated" in answer and not self._token:
                self.outcome.isolated = answer["isolated"]
            elif not self._token or answer.get("token") != self._token:
                return "tampered: an answer to the grader that was not asked for"
            else:
                self.outcome.answers.append(answer)
            self._next()
        if len(self._buffer) > LONGEST_ANSWER:
            return "tampered: its process wrote to the grader what is no answer"
        return "" if data else None

    def _left(self, status: int) -> str:
        done = len(self.outcome.answers)
        place = self.steps[done].place if self._token else "the start"
        return f"its process ended by itself in {place} (exit status {status})"


def _understood(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, if each part is what it must be; else ValueError."""
    kinds = {
        "isolated": (list,),
        "token": (str,),
        "error": (str, type(None)),
        "value": (int, float, type(None)),
        "put_back": (list,),
    }
    for key, value in answer.items():
        if type(value) not in kinds[key]:
            raise ValueError(key)
    if "isolated" not in answer and len(answer) != 4:
        raise ValueError("parts are missing")
    if answer.get("value") is not None:
        answer["value"] = float(answer["value"])
    return answer
