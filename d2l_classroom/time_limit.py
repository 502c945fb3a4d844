"""A time limit that code with `except Exception` does not survive."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# An alarm that code has caught comes again after this many seconds.
AGAIN = 0.05
# After so many even a bare `except` must not have the last word.
PATIENCE = 3
OWN = str(Path(__file__).parent)


class TimeUp(BaseException):
    """The time limit is over; no Exception, so that few programs catch it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeUp inside of the block after `seconds`, again and again.

    Only in the main thread of a POSIX system, where notebooks run their cells.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "setitimer")):
        yield
        return
    open_, rings, tracing = True, 0, sys.gettrace()

    def ring(number, frame):
        nonlocal rings
        if not open_:
            return
        rings += 1
        if rings > PATIENCE:
            _insist(frame)
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        # First of all, for an alarm may ring in here as well.
        open_ = False
        sys.settrace(tracing)
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)


def _insist(frame: FrameType | None) -> None:
    """Have the line that catches TimeUp raise it again."""

    def trace(frame, event, argument):
        if frame.f_code.co_filename.startswith(OWN):
            return None
        if event == "line":
            raise TimeUp
        return trace

    while frame is not None:
        frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(trace)
