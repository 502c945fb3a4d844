"""Functions that count: parameters by formula, and what a block keeps."""

from numbers import Integral, Real
from typing import Any

from d2l_classroom.failures import describe, told
from d2l_classroom.formulas import COUNTS, Count
from d2l_classroom.report import Levels
from d2l_classroom.time_limit import TimeUp

NAMES = ("counts",)
# No count of the book comes near it, and floats still tell integers apart.
MOST = 1e15
# What rounding may add to a count that is computed in floats.
ROUNDING = 1e-6


def check(task: str, answer: Any, levels: Levels) -> None:
    """Try a function with several arguments, and name the formula that it follows."""
    count = COUNTS[task]
    if not callable(answer):
        levels.fail(
            [
                f"the checker got an object of type {type(answer).__name__}; give it "
                f'your function, without calling it: check("{task}", {task})'
            ]
        )
        return
    found, integers = [], True
    for arguments in count.settings:
        call = f"{task}({', '.join(map(str, arguments))})"
        try:
            value = answer(*arguments)
            problem = _unfit(call, value)
            number = None if problem else _number(value)
        except (KeyboardInterrupt, TimeUp):
            raise
        except BaseException as error:
            problem = f"{call}: {describe(error)}"
            if isinstance(error, TypeError) and "argument" in told(error):
                problem += f"; its arguments are ({', '.join(count.signature)})"
        if problem:
            levels.fail([problem])
            return
        found.append(number)
        integers = integers and isinstance(value, Integral)
    expected = [count.formula(*arguments) for arguments in count.settings]
    if found == expected:
        levels.reach(f"{len(found)} settings, the same {count.noun} as the reference")
        if not integers:
            levels.remark(
                "your function returns floats; // and int keep counts integers"
            )
        return
    levels.fail(_messages(task, count, found, expected))


def _messages(task: str, count: Count, found: list, expected: list) -> list[str]:
    """What was counted, and by which mistake."""
    rows = zip(count.settings, found, expected)
    arguments, value, right = next(row for row in rows if row[1] != row[2])
    call = f"{task}({', '.join(map(str, arguments))})"
    counts = f"{call} gives {value}, the reference {right}"
    for text, formula in count.mistakes.items():
        # At the settings where a mistake makes no difference it says nothing.
        if found == [formula(*arguments) for arguments in count.settings]:
            return [f"{text}. {counts}"]
    return [f"{counts}: {abs(value - right)} too {'many' if value > right else 'few'}"]


def _unfit(call: str, value: Any) -> str:
    if value is None:
        return (
            f"{call} returns None: is there a `return`? What is printed is not returned"
        )
    if isinstance(value, bool) or not isinstance(value, Real):
        return f"{call} returns an object of type {type(value).__name__}, not a number"
    if value != value:
        return f"{call} returns NaN"
    if not -MOST <= value <= MOST:
        return f"{call} returns a number beyond all reason"
    return ""


def _number(value: Real) -> int | float:
    """A count without what rounding has added to it."""
    value = int(value) if isinstance(value, Integral) else float(value)
    return round(value) if abs(value - round(value)) < ROUNDING else value
