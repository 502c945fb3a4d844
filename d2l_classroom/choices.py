"""Answers that are chosen, beside a key that is not in plain words.

`python -m d2l_classroom.choices TEXT` prints the key of a text.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from d2l_classroom.report import Message, Results, listed

FILE = Path(__file__).with_name("choices.json")
# A line is known by any part of it that has the key; no line of a worksheet is longer.
LONGEST = 80


@cache
def offered() -> dict[str, Any]:
    """What there is to choose from, and for each curve its key and a hint."""
    return json.loads(FILE.read_text("utf-8"))


def key(text: str) -> str:
    """The key of a text: nobody reads it by accident, anybody can compute it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def names() -> tuple[str, ...]:
    """The parts of the task "curves": one for each."""
    return tuple(f"curve {letter}" for letter in offered()["curves"])


def curves(answer: Any, results: Results) -> None:
    """Compare letters and diagnoses with the key."""
    letters, diagnoses = offered()["curves"], offered()["diagnoses"]
    if not isinstance(answer, Mapping):
        told = (
            f"the checker got an object of type {type(answer).__name__}; give it a "
            f"dict from the letters {listed(list(letters))} to diagnoses"
        )
        results.wrong("", Message(told))
        return
    unknown = [str(letter) for letter in answer if letter not in letters]
    for letter, entry in letters.items():
        curve, given = f"curve {letter}", answer.get(letter)
        problem = _unoffered(given, diagnoses)
        if not problem and key(f"{letter}: {given}") != entry["key"]:
            problem = f"not “{given}”. {entry['hint']}"
        if problem:
            results.wrong("", Message(f"{curve}: {problem}"))
        else:
            results.right(curve, f"{curve}: {given}")
    if unknown:
        # A letter too many fails as well where all the others are right.
        results.parts[names()[0]] = False
        results.wrong("", Message(f"there is no curve {listed(unknown)}"))


def _unoffered(given: Any, choices: list[str]) -> str:
    if given is None:
        return "there is no answer yet"
    if type(given) is not str or given not in choices:
        near = get_close_matches(str(given), choices, n=1, cutoff=0.4)
        meant = f"; did you mean “{near[0]}”?" if near else ""
        return f"“{given}” is none of the offered diagnoses{meant}"
    return ""


def bug(answer: Any, keys: str, results: Results) -> None:
    """Compare a wrong line, copied, and the cause of a bug with their keys.

    Args:
        answer: the line and the cause.
        keys: that of the cause, and those of texts of which the line has one.
        results: "line" and "cause".
    """
    if not isinstance(answer, (list, tuple)) or len(answer) != 2:
        told = "give two texts: the wrong line, copied, and a cause out of the list"
        results.wrong("", Message(told))
        return
    line, cause = answer
    right, *parts = keys.split()
    if _has(line, parts):
        results.right("line", "line: this is the one")
    else:
        told = "it is another one: which line makes the symptom that you have seen?"
        results.wrong("line", Message(told))
    problem = _unoffered(cause, offered()["causes"])
    if not problem and key(cause) != right:
        problem = f"not “{cause}”: that would show another symptom"
    if problem:
        results.wrong("cause", Message(problem))
    else:
        results.right("cause", f"cause: {cause}")


def _has(line: Any, keys: list[str]) -> bool:
    """Whether a part of a line has one of the keys."""
    text = "".join(line.split()).lower() if type(line) is str else ""
    return len(text) <= LONGEST and any(
        key(text[start:end]) in keys
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
    )


if __name__ == "__main__":
    print(key(sys.argv[1]))
