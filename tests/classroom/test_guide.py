"""The teacher's guide: its minutes add up, and what it names is there."""

import csv
import math
import re
from pathlib import Path

import nbformat
import pytest

from book.build.source import FRAMEWORKS, Book
from book.build.worksheets import read_worksheets
from d2l_classroom.explanations import REASONS

BOOK = Book()
GUIDE = (BOOK.root / "book/in_class.md").read_text(encoding="utf-8")
ABOUT = {
    worksheet.path.stem: int(re.search(r"About (\d+) minutes", text)[1])
    for worksheet in read_worksheets(BOOK)
    if (text := worksheet.path.read_text(encoding="utf-8"))
}
FIRST_WEEK = 1.5


def rows(heading: str, head: str) -> list[list[str]]:
    """The cells of the table below a heading that begins with this cell."""
    section = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = section[section.index(f"| {head} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def sheet(text: str) -> tuple[str, bool]:
    """The worksheet that a row is for, and whether all of it."""
    named = re.search(r"Worksheet `(\w+)`", text)
    return (named[1], "parts" not in text) if named else ("", False)


def test_the_lesson_has_ninety_minutes_and_gives_sheets_their_time():
    lesson, done = rows("Ninety minutes", "minutes"), {}
    end = 0
    for span, minutes, what, _ in lesson:
        start, stop = map(int, span.split("–"))
        assert (start, stop - start) == (end, int(minutes))
        end = stop
        done[sheet(what)] = stop - start
    assert end == 90
    assert done["dense_block", True] == math.ceil(FIRST_WEEK * ABOUT["dense_block"])
    # Two of its three parts.
    assert done["conv_block", False] == FIRST_WEEK * ABOUT["conv_block"] * 2 / 3
    assert list(done).index(("conv_block", False)) < list(done).index(
        ("dense_block", True)
    )


def test_each_meeting_of_two_weeks_has_ninety_minutes():
    meetings: dict[str, int] = {}
    number = ""
    for named, minutes, what, _ in rows("Two weeks", "meeting"):
        number = named or number
        meetings[number] = meetings.get(number, 0) + int(minutes)
        name, whole = sheet(what)
        if name:
            factor = FIRST_WEEK if number in "12" else 1
            assert whole and int(minutes) == math.ceil(factor * ABOUT[name])
    assert meetings == dict.fromkeys("1234", 90)
    homework = re.search(r"^Homework, in minutes:.*?\n\n", GUIDE, re.M | re.S)[0]
    for name, minutes in re.findall(r"`(\w+)` \((\d+)\)", homework):
        week = 1 if name == "translate" else FIRST_WEEK
        part = 1 / 3 if name == "conv_block" else 1
        assert int(minutes) == math.ceil(week * ABOUT[name] * part)


def test_every_worksheet_is_in_the_one_table_and_in_a_plan():
    table = GUIDE.split("```{worksheets}\n")[1].split("```")[0]
    assert {line.partition(":")[0] for line in table.splitlines()} == set(ABOUT)
    plans = GUIDE.split("\n## Ninety minutes")[1].split("\n## What goes wrong")[0]
    assert set(re.findall(r"`(\w+)`", plans)) & set(ABOUT) == set(ABOUT)


def test_files_and_folders_that_are_named_exist():
    named = re.findall(r"(?<![\w/])(?:chapters|book|requirements)[\w/.-]*", GUIDE)
    paths = {name.rstrip("./") for name in named if "/" in name or "." in name}
    assert len(paths) >= 3
    missing = [path for path in paths if not (BOOK.root / path).exists()]
    assert missing == []


def test_the_first_cells_print_what_the_guide_says():
    (digits,) = re.findall(r"`(\[-[\d. -]+\])`", GUIDE)
    for framework in FRAMEWORKS:
        path = BOOK.root / f"chapters/{framework}/dense_blocks.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        outputs = [o for c in cells for o in c.get("outputs", ())]
        assert any(digits in output.get("text", "") for output in outputs)


GRADES = """\
assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,\
late_submission_penalty,score,max_score,note
week1,,,Ada Lovelace_123,,,,9.0,0.0,8.5,9.0,"sheet: the check one was deleted"
week1,,,王小明_7,,,,2.0,0.0,2.0,9.0,
week2,,,王小明_7,,,,1.0,0.0,1.0,9.0,
week1,,,bob,,,,0.0,0.0,0.0,9.0,0 points: the file is empty
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Feedback comments
Participant 123,Ada Lovelace,ada@example.org,Submitted,,9.00,
Participant 7,王小明,wang@example.org,Submitted,,9.00,
Participant 1234,Cid,cid@example.org,No submission,,9.00,
"""
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Week 1 (4711),Final Score
    Points Possible,,,,,9.00,(read only)
"Lovelace, Ada",123,,ada,A,,50
"王, 小明",7,,wang,A,,60
"""


@pytest.mark.parametrize(("mine", "column"), [(MOODLE, 4), (CANVAS, 5)])
def test_the_recipe_fills_in_the_tables_of_both_platforms(
    tmp_path: Path, monkeypatch, capsys, mine, column
):
    monkeypatch.chdir(tmp_path)
    section = GUIDE.split("\n### Marks into Moodle or Canvas\n")[1]
    code = section.split("```python\n")[1].split("```")[0]
    if mine == CANVAS:
        first, second = re.findall(r"^(?:# )?KEY, .*\n", code, re.M)
        code = code.replace(first, "").replace(second, second.removeprefix("# "))
    (tmp_path / "course").mkdir()
    (tmp_path / "course/grades.csv").write_text(GRADES, encoding="utf-8")
    # With a byte order mark, as both write it.
    (tmp_path / "exported.csv").write_text(mine, encoding="utf-8-sig")
    exec(code, {})
    with (tmp_path / "filled.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    wanted = list(csv.reader(mine.splitlines()))
    marks = {"Ada": "8.5", "王": "2.0"}
    for row in wanted:
        for name, mark in marks.items():
            if name in f"{row[0]}{row[1]}":
                row[column] = mark
        if mine == MOODLE and "Ada" in row[1]:
            row[6] = "sheet: the check one was deleted"
    assert found == wanted
    assert capsys.readouterr().out == "not in the table: ['bob']\n"


def test_a_sheet_keeps_its_explanations_to_itself_and_its_checks_need_no_other_cell():
    explained = []
    for worksheet in read_worksheets(BOOK):
        explained += re.findall(
            r"\bcompare\(\s*\"([^\"]+)\"", worksheet.path.read_text()
        )
        for framework in FRAMEWORKS:
            path = worksheet.path.parent / framework / f"{worksheet.path.stem}.ipynb"
            for cell in nbformat.read(path, as_version=4).cells:
                assert "why=" not in cell.source
                if cell.metadata.get("nbgrader", {}).get("grade"):
                    word = re.search(r"\b(check|compare|diagnose)\(", cell.source)[1]
                    assert f"from d2l_classroom import {word}\n" in cell.source
    assert sorted(explained) == sorted(REASONS)
