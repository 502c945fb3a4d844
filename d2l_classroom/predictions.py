"""A prediction beside what was found: which parts differ, and not what is right."""

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from d2l_classroom.failures import untouched
from d2l_classroom.report import Message, Results

# The first wrong parts are named, the others counted.
SHOWN = 3
Plain = bool | int | float | str


def flat(value: Any, name: str = "answer") -> dict[str, Plain]:
    """The numbers and texts of nested lists and dicts, each under a name.

    Raises:
        TypeError: it holds something else.
    """
    if isinstance(value, Mapping):
        parts = [(f"{key}", part) for key, part in value.items()]
    elif isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        value = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(value, (list, tuple)):
            return flat(value, name)
        parts = [(f"{name} {n}", part) for n, part in enumerate(value, 1)]
    elif type(value) in (bool, str):
        return {name: value}
    elif isinstance(value, Real):
        return {name: int(value) if isinstance(value, Integral) else float(value)}
    else:
        kind = "None" if value is None else f"an object of type {type(value).__name__}"
        raise TypeError(f"{name} is {kind}, and should be a number or a text")
    found: dict[str, Plain] = {}
    for key, part in parts:
        found |= flat(part, key)
    return found


def called(answer: Callable[[], Any] | dict[str, Callable[[], Any]]) -> Any:
    """What is predicted, without the functions that nobody has written yet.

    Raises:
        NotImplementedError: nobody has written any.
    """
    if not isinstance(answer, dict):
        return answer()
    values: dict[str, Any] = {}
    for name, function in answer.items():
        try:
            values[name] = function()
        except NotImplementedError as error:
            missing = error
            if not untouched(error):
                raise
    if not values:
        raise missing
    return values


def compare(
    predicted: Any,
    found: dict[str, Plain],
    about: Message,
    close: float,
    answers: Results,
) -> None:
    """Judge each part of a prediction by what was found."""
    try:
        given = flat(predicted)
    except TypeError as error:
        answers.wrong("", Message(str(error)))
        return
    if len(given) > len(found):
        told = f"you predicted {len(given)} things, {len(found)} are asked for"
        answers.wrong("", Message(told))
        return
    wrong = []
    for name, right in found.items():
        value = given.get(name)
        if _same(value, right, close):
            answers.parts[name] = True
        else:
            told = "no answer yet" if value is None else f"not {value!r}"
            wrong.append(f"{name}: {told}")
    if wrong:
        more = [f"{len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        text = "; ".join(wrong[:SHOWN] + more)
        cause = f"{text}. {about.cause}" if about.cause else ""
        answers.wrong("", Message(f"{text}. {about.hint}", cause))
    else:
        answers.lines.append(f"✓ you predicted {predicted}, and so it is")


def _same(value: Plain | None, right: Plain, close: float) -> bool:
    if isinstance(value, (bool, str)) or isinstance(right, (bool, str)):
        return type(value) is type(right) and value == right
    return value is not None and abs(value - right) <= close
