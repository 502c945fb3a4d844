"""What goes wrong in a student's code, in one message with the student's own line."""

import linecache
import re
import site
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, TracebackType

from d2l_classroom.time_limit import TimeUp

LONGEST = 300


class Refused(Exception):
    """An answer of a kind that cannot be judged; its text is the message."""


def describe(error: BaseException) -> str:
    """An exception's type and text, and the innermost line of the student's code."""
    return f"your code raises {told(error)}{place(error)}"


def untouched(error: BaseException) -> bool:
    """Whether it is the line that stands in the gap of a worksheet."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    # A framework raises the same where a block has no way forward.
    return (
        isinstance(error, NotImplementedError)
        and traceback is not None
        and _is_own(traceback.tb_frame.f_code.co_filename)
    )


def hung(error: TimeUp, seconds: float) -> str:
    """The message for code that did not finish."""
    return (
        f"your code did not finish within {seconds:g} seconds{place(error)}; "
        "is there a loop that never ends?"
    )


def place(error: BaseException) -> str:
    """' (in line 3: `X = X + Y`)', or nothing if no line is the student's."""
    lines = [
        (number, linecache.getline(file, number).strip())
        for file, number in _own_lines(error.__traceback__)
    ]
    # Frameworks make functions, too, of texts that are no file.
    for number, text in reversed(lines):
        if text:
            return f" (in line {number}: `{text}`)"
    return f" (in line {lines[-1][0]})" if lines else ""


def _own_lines(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        code: CodeType = traceback.tb_frame.f_code
        if _is_own(code.co_filename):
            yield code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _is_own(file: str) -> bool:
    if file.startswith("<frozen") or file.startswith("<__array_function"):
        return False
    return not any(Path(file).is_relative_to(root) for root in ROOTS)


def _roots() -> set[Path]:
    """Where Python and its packages live, this one included."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found = {sysconfig.get_path(name) for name in names}
    found |= {*site.getsitepackages(), site.getusersitepackages()}
    return {Path(__file__).parents[1], *map(Path, found)}


ROOTS = _roots()


def told(error: BaseException) -> str:
    """An exception's type and text, in one line."""
    name = type(error).__name__
    try:
        text = str(error)
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as other:
        text = f"an error that cannot be printed ({type(other).__name__})"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("Traceback"):
        # MXNet puts the stack of its engine first.
        lines = lines[-1:]
    text = re.sub(r"\x1b\[\d+m", "", " ".join(lines))
    # Keras tells what it tried before it tells what went wrong.
    text = text.removeprefix(f"{name}: ").rpartition("Error encountered: ")[2]
    if len(text) > LONGEST:
        text = f"{text[:LONGEST].rstrip()} …"
    return f"{name}: {text}" if text else name
