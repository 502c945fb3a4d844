"""The grades of a class as a CSV file for spreadsheets."""

import csv
from collections.abc import Sequence
from pathlib import Path

from d2l_classroom.grading.grade import Grade
from d2l_lite.files import replacing

HEAD = ("student", "worksheet", "framework", "notebook")
TAIL = ("total", "max", "seconds", "peak MiB", "note")
# With one of these first, a spreadsheet takes a text for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def ordered(grades: Sequence[Grade]) -> list[Grade]:
    """By student, then worksheet, then file."""

    def key(grade: Grade) -> tuple[str, ...]:
        one = grade.returned
        return one.student.casefold(), grade.worksheet, grade.framework, one.file

    return sorted(grades, key=key)


def write_csv(grades: Sequence[Grade], path: Path) -> None:
    """Write a line for each notebook, and for each check of each worksheet a column."""
    checks = dict.fromkeys(
        (grade.worksheet, mark.check)
        for grade in sorted(grades, key=lambda grade: grade.worksheet)
        for mark in grade.marks
    )
    columns = [": ".join(map(_harmless, check)) for check in checks]
    with replacing(path, encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*HEAD, *columns, *TAIL])
        for grade in ordered(grades):
            points = {(grade.worksheet, m.check): f"{m.points:g}" for m in grade.marks}
            one = grade.returned
            table.writerow(
                [
                    *map(_harmless, (one.student, grade.worksheet, grade.framework)),
                    _harmless(one.file),
                    *(points.get(check, "") for check in checks),
                    f"{grade.points:g}",
                    f"{grade.most:g}" if grade.marks else "",
                    f"{grade.seconds:.1f}",
                    grade.memory,
                    _harmless("; ".join(grade.notes)),
                ]
            )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def summary(grades: Sequence[Grade], found: int) -> str:
    """What came out, in one line, and below it each notebook with a note."""
    whole = sum(grade.whole for grade in grades)
    noted = [grade for grade in ordered(grades) if grade.notes]
    missing = f", {found - len(grades)} not done" if len(grades) < found else ""
    first = f"{found} notebooks, {whole} graded to the end{missing}"
    lines = [f"{first}, {len(noted)} with notes{':' if noted else ''}"]
    lines += [f"  {g.returned.file}: {'; '.join(g.notes)}"[:300] for g in noted]
    return "\n".join(lines)
