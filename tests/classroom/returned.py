"""A worksheet of three small checks, and students' copies of it."""

import json
from pathlib import Path

from d2l_classroom.grading import places, sheets
from d2l_classroom.grading.grade import grade_all
from d2l_classroom.grading.limits import Limits

GOOD = {
    "double": "def double(x):\n    return 2 * x",
    "triple": "def triple(x):\n    return 3 * x",
    "learned": 'def learned():\n    return "conv0.weight"',
}
FULL = {"double_check": 2, "triple_check": 3, "learned_check": 5}


def cell(source, name="", kind="code", points=None, cell_id=None):
    """A cell as nbgrader has it: a check if it has points, else one to fill in."""
    metadata = {}
    if name:
        metadata["nbgrader"] = {
            "grade": points is not None,
            "grade_id": name,
            "locked": points is not None,
            "schema_version": 3,
            "solution": points is None,
            "task": False,
            **({} if points is None else {"points": points}),
        }
    made = {"cell_type": kind, "metadata": metadata, "source": source}
    if cell_id:
        made["id"] = cell_id
    return made


IMPORTS = cell("import numpy as np\nfrom d2l_lite import weights")
CHECKS = {
    "double": "assert np.allclose(double(3), 6), 'double(3) must be 6'",
    "triple": "assert np.allclose(triple(3), 9), 'triple(3) must be 9'",
    "learned": "assert weights.is_trainable(learned()), 'that is not learned'",
}


def cells(**answers):
    """The cells of a copy: correct, but for the answers given."""
    made = [IMPORTS]
    for name, source in (GOOD | answers).items():
        check = f"{name}_check"
        made.append(cell(f"## {name}", kind="markdown"))
        made.append(cell(source, name))
        made.append(cell(CHECKS[name], check, points=FULL[check]))
    return made


def write(path: Path, content=None, **answers) -> Path:
    """Write a notebook of the cells in `content`, or of the answers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = cells(**answers) if content is None else content
    path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": content}))
    return path


def given_out(folder: Path) -> Path:
    """A folder with the worksheet as a teacher gives it out."""
    stub = "    raise NotImplementedError"
    answers = {name: f"def {name}(x=None):\n{stub}" for name in GOOD}
    write(folder / "sums.ipynb", **answers)
    return folder


def grades(folder, sheet_folder, seconds=60, memory=500, jobs=2, isolate=True):
    """Grade a folder; returns the grades by student."""
    known = sheets.load(sheet_folder)
    found = places.find(folder, {sheet.name for sheet in known})
    done = grade_all(found, known, Limits(seconds, memory), jobs, isolate)
    return {grade.returned.student: grade for grade in done}


def points(grade):
    """The points of a grade by check."""
    return {mark.check: mark.points for mark in grade.marks}


def isolated(folder: Path) -> tuple[str, ...]:
    """What this system isolates notebooks from."""
    write(folder / "in" / "anyone" / "sums.ipynb")
    return grades(folder / "in", given_out(folder / "out"))["anyone"].isolated
