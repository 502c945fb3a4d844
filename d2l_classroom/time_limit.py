"""A time limit that code with `except Exception` does not survive."""

import ctypes
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

    In the main thread of a POSIX system an alarm does it; elsewhere another thread,
    which Python heeds between two of its own instructions only.
    """
    main = threading.current_thread() is threading.main_thread()
    with _alarm(seconds) if main and hasattr(signal, "setitimer") else _thread(seconds):
        yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
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


@contextmanager
def _thread(seconds: float) -> Iterator[None]:
    target = ctypes.c_ulong(threading.get_ident())
    over, lock = threading.Event(), threading.Lock()

    def watch():
        wait = seconds
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    raising = ctypes.py_object(TimeUp)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, raising)
            wait = AGAIN

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
        with lock:
            # What was raised and has not arrived yet is taken back.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, None)
