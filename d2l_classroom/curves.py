"""Diagnoses of curves: a student's answers beside a key that is not in plain words.

`python -m d2l_classroom.curves LETTER DIAGNOSIS` prints an entry of the key.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from d2l_classroom.report import Levels, listed

FILE = Path(__file__).with_name("curves.json")


@cache
def offered() -> dict[str, Any]:
    """The diagnoses to choose from, and for each curve its key and a hint."""
    return json.loads(FILE.read_text("utf-8"))


def key(letter: str, diagnosis: str) -> str:
    """An entry of the key: nobody reads it by accident, anybody can compute it."""
    return hashlib.sha256(f"{letter}: {diagnosis}".encode()).hexdigest()


def names() -> tuple[str, ...]:
    """The levels: one for each curve."""
    return tuple(f"curve {letter}" for letter in offered()["curves"])


def check(answer: Any, levels: Levels) -> None:
    """Compare letters and diagnoses with the key."""
    letters, diagnoses = offered()["curves"], offered()["diagnoses"]
    if not isinstance(answer, Mapping):
        levels.fail(
            [
                f"the checker got an object of type {type(answer).__name__}; give it a "
                f"dict from the letters {listed(list(letters))} to diagnoses"
            ]
        )
        return
    wrong = []
    for letter, entry in letters.items():
        problem = _problem(letter, answer.get(letter), entry, diagnoses)
        if problem:
            wrong.append(problem)
        else:
            levels.reach(f"curve {letter}: {answer[letter]}")
    unknown = [str(letter) for letter in answer if letter not in letters]
    if unknown:
        wrong.append(f"there is no curve {listed(unknown)}")
    if wrong:
        # A letter too many fails as well where all the others are right.
        levels.reached = min(levels.reached, len(levels.names) - 1)
        levels.fail(wrong)


def _problem(
    letter: str, given: Any, entry: Mapping[str, str], diagnoses: list[str]
) -> str:
    if given is None:
        return f"curve {letter} has no diagnosis yet"
    if given not in diagnoses:
        near = get_close_matches(str(given), diagnoses, n=1, cutoff=0.4)
        meant = f"; did you mean “{near[0]}”?" if near else ""
        return f"curve {letter}: “{given}” is none of the offered diagnoses{meant}"
    if key(letter, given) == entry["key"]:
        return ""
    return f"curve {letter}: not “{given}”. {entry['hint']}"


if __name__ == "__main__":
    print(key(*sys.argv[1:]))
