"""Functions that count: parameters by formula, and what a block keeps."""

from numbers import Integral, Real
from typing import Any

from d2l_classroom.failures import describe, place, told, untouched
from d2l_classroom.formulas import COUNTS, Count
from d2l_classroom.report import Message, Results
from d2l_classroom.time_limit import TimeUp

# No count of the book comes near it, and floats still tell integers apart.
MOST = 1e15
# What rounding may add to a count that is computed in floats.
ROUNDING = 1e-6


def parts(task: str) -> tuple[str, ...]:
    """The settings that a function is tried with."""
    return tuple(f"setting {n}" for n, _ in enumerate(COUNTS[task].settings, 1))


def check(task: str, answer: Any, results: Results) -> None:
    """Try a function with several arguments, and name the formula that it follows."""
    count = COUNTS[task]
    if not callable(answer):
        message = (
            f"the checker got an object of type {type(answer).__name__}; give it "
            f'your function, without calling it: check("{task}", {task})'
        )
        results.wrong("", Message(message))
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
            if untouched(error):
                results.untouched(place(error))
                return
            problem = f"{call}: {describe(error)}"
            if isinstance(error, TypeError) and "argument" in told(error):
                problem += f"; its arguments are ({', '.join(count.signature)})"
        if problem:
            results.wrong("", Message(problem))
            return
        found.append(number)
        integers = integers and isinstance(value, Integral)
    expected = [count.formula(*arguments) for arguments in count.settings]
    # The same number everywhere is no count, though it may be right once.
    right = [f == e and len({*found}) > 1 for f, e in zip(found, expected)]
    results.parts = dict(zip(results.parts, right))
    number = sum(right)
    if not all(right):
        results.wrong("", _message(task, count, found, expected))
        if number:
            results.note(f"right for {number} of {len(found)} settings")
        return
    results.lines.append(f"✓ {number} settings, the same {count.noun} as the reference")
    if not integers:
        results.note("your function returns floats; // and int keep counts integers")


def _message(task: str, count: Count, found: list, expected: list) -> Message:
    """What was counted, and by which mistake."""
    rows = zip(count.settings, found, expected)
    arguments, value, right = next(row for row in rows if row[1] != row[2])
    call = f"{task}({', '.join(map(str, arguments))})"
    wrong = f"{call} gives {value}, too {'many' if value > right else 'few'}"
    hint = f"{wrong}: count this one on paper, part by part"
    for text, formula in count.mistakes.items():
        # At the settings where a mistake makes no difference it says nothing.
        if found == [formula(*arguments) for arguments in count.settings]:
            return Message(hint, f"{text}. {wrong}")
    return Message(hint, f"{wrong}: it differs by {abs(value - right)}")


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
