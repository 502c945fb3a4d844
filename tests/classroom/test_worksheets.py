"""Every worksheet in every framework: untouched, solved, and wrongly answered."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from right_answers import right_answers
from sheets import NAMES, Session, code_cells, notebook_path, role, solved
from wrong_answers import WRONG, Wrong

from book.build.inputs import ENVIRONMENT
from book.build.nbgrader import solutions
from book.build.source import FRAMEWORKS, Book
from d2l_lite import installed

BOOK = Book()
AVAILABLE = [framework for framework in FRAMEWORKS if installed(framework)]
CASES = [(framework, name) for framework in AVAILABLE for name in NAMES]
MISTAKES = [
    pytest.param(framework, name, wrong, id=f"{framework}-{name}-{wrong.name}")
    for framework, name in CASES
    for wrong in WRONG[name]
    if framework in wrong.edits
]
# A kernel takes long to start, and what it adds is no framework's matter.
IN_KERNELS = ("pytorch", "jax")
SHORTEST = 60  # characters of a solution that no other text has by accident


@pytest.mark.parametrize(("framework", "name"), CASES)
def test_solution_passes(framework: str, name: str):
    session = solved(framework, name)
    assert [o.error for o in session.outcomes.values() if o.error] == []
    assert all(got == points for got, points in session.graded().values())


@pytest.mark.parametrize(("framework", "name"), CASES)
def test_untouched_it_runs_and_says_of_each_check_that_nothing_was_attempted(
    framework: str, name: str
):
    student = Session(framework, name, solution=False)
    assert [o.error for o in student.outcomes.values() if o.error] == []
    assert {got for got, _ in student.graded().values()} == {0}
    for cell in student.cells:
        if role(cell).startswith("check-"):
            assert "not attempted yet" in student.outcomes[cell.id].printed


@cache
def solution_lines(framework: str, name: str) -> set[str]:
    """The lines of a worksheet's solutions that say something by themselves."""
    lines = {
        squeezed(line)
        for cell in code_cells(framework, name, solution=True)
        for text in solutions(cell.source)
        for line in text.splitlines()
    }
    return {line for line in lines if len(line) >= 16}


def secrets_in(message: str, framework: str, name: str) -> list[str]:
    """The lines of the solution, and values that are returned, which a message has."""
    told = squeezed(message)
    lines = solution_lines(framework, name)
    known = {line.removeprefix("return") for line in lines}
    formulas = {"in_channels+i*growth_rate", "num_layers*growth_rate"}
    return [line for line in known | formulas if line in told]


@pytest.mark.parametrize(("framework", "name", "wrong"), MISTAKES)
def test_wrong_answer_gets_its_message(framework: str, name: str, wrong: Wrong):
    session = solved(framework, name)
    outcome = session.with_answer(wrong.check, *wrong.edits[framework])
    assert outcome.error is None
    (points,) = [p for r, (_, p) in session.graded().items() if r[6:] == wrong.check]
    assert 0 <= outcome.value < points
    hint, cause = outcome.messages[0]
    assert wrong.says[framework] in (cause or hint)
    assert hint in outcome.printed
    assert not cause or cause not in outcome.printed
    for message in outcome.messages:
        assert not secrets_in(" ".join(message), framework, name)


@pytest.mark.parametrize(("framework", "name"), CASES)
def test_right_answers_that_are_written_in_another_way_pass(framework: str, name: str):
    session, answers = solved(framework, name), right_answers(framework, name)
    assert len(answers) >= 5
    for right in answers:
        outcome = session.with_text(right.check, right.text)
        got, points = outcome.value, session.graded()[f"check-{right.check}"][1]
        assert got == points, (right.name, outcome)


SIX = (
    "your batch norm keeps 10 % of its running statistics, the reference 90 %",
    "the channels are not accumulated: denselayer2 is made for 3 channels",
    "denselayer2 reads the features in reverse order",
    "your batch norm is stuck in evaluation mode",
    "your transition takes the maximum of 2×2 pixels",
    "your convolution pads 2 pixels on every side, the reference 3",
)


@pytest.mark.parametrize("framework", AVAILABLE)
def test_the_six_bugs_are_the_same_in_all_frameworks_and_stay_secret(
    framework: str, monkeypatch
):
    """As it is given, each piece is told to be that; without that, what is wrong."""
    session = solved(framework, "find_the_bug")
    sources = [cell.source for cell in session.cells]
    checks = [s for s in sources if "import check\n" in s]
    for number, (told, judge) in enumerate(zip(SIX, checks, strict=True), 1):
        (given,) = (n for n, s in enumerate(sources) if f"given({number}, " in s)
        monkeypatch.setattr("d2l_classroom.origin._given", {})
        for source in sources[given - 2 : given + 1]:
            assert session.run(source).error is None
        monkeypatch.setattr("d2l_classroom.origin._diagnosed", set())
        outcome = session.run(judge)
        assert f"this is the code of bug {number} as it was given" in outcome.printed
        assert outcome.value == 0 and outcome.messages == []
        monkeypatch.setattr("d2l_classroom.origin._diagnosed", {number})
        hint, cause = session.run(judge).messages[0]
        assert cause.startswith(told) and told not in hint


@pytest.mark.parametrize("name", NAMES)
def test_there_are_ten_wrong_answers_in_each_framework(name: str):
    # Of the sheet on bugs six are wrong as they are given.
    least = 4 if name == "find_the_bug" else 10
    for framework in FRAMEWORKS:
        assert sum(framework in wrong.edits for wrong in WRONG[name]) >= least


@pytest.mark.parametrize("framework", [f for f in AVAILABLE if f in IN_KERNELS])
def test_notebooks_run_as_students_run_them(framework: str, monkeypatch, tmp_path):
    """In a kernel, the first cell included: the solution, and the untouched sheet."""
    for key, value in (ENVIRONMENT | {"PYTHONPATH": str(BOOK.root)}).items():
        monkeypatch.setenv(key, value)
    for solution in (True, False):
        path = notebook_path(framework, "conv_block", solution)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook,
            timeout=300,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()
        printed = json.dumps(notebook)
        assert ("running statistics: equal to" in printed) is solution
        assert ("not attempted yet" in printed) is not solution


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_narrow(name):
    for framework in FRAMEWORKS:
        notebook = nbformat.read(notebook_path(framework, name, True), as_version=4)
        # What stands in front is the same in all notebooks; a table is read by nobody.
        for cell in notebook.cells[2:]:
            for line in cell.source.split('TABLE = """')[0].splitlines():
                wide = cell.cell_type == "code" or line.startswith("    ")
                assert len(line) <= 64 or not wide, (framework, name, line)


def squeezed(text: str) -> str:
    """Without what differs between a notebook, a page and a source: blanks, markup."""
    text = unescape(re.sub(r"</?(span|code|pre)[^>]*>", "", text))
    return re.sub(r"\s|\\n|\\|\"(?:,|$)|,?\"$", "", text.replace('\\"', '"'))


def secrets() -> dict[str, str]:
    """Solutions long enough to be known by their text, squeezed."""
    found = {}
    for framework, name in CASES:
        for cell in code_cells(framework, name, solution=True):
            for text in map(squeezed, solutions(cell.source)):
                if len(text) >= SHORTEST:
                    found[text.replace('"', "")] = f"{framework}/{name} {role(cell)}"
    return found


def texts(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of a file, or of each file of an archive."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from texts(f"{name}:{member}", archive.read(member))
    else:
        yield name, content.decode("utf-8", errors="ignore")


def leaks(files: Iterator[tuple[str, bytes]]) -> list[str]:
    """Where a solution stands in plain sight."""
    known = secrets()
    found = []
    for name, content in files:
        for place, text in texts(name, content):
            plain = squeezed(text).replace('"', "")
            found += [
                f"{place}: {what}" for body, what in known.items() if body in plain
            ]
    return found


def contents(folder: Path, *patterns: str) -> Iterator[tuple[str, bytes]]:
    for pattern in patterns:
        for path in sorted(folder.rglob(pattern)):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()


def test_a_leak_would_be_seen(tmp_path: Path):
    path = notebook_path("pytorch", "conv_block", solution=True)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(path, "sheet.ipynb")
    (cell,) = (
        cell
        for cell in code_cells("pytorch", "conv_block", solution=True)
        if role(cell) == "answer-conv_block-1"
    )
    page = "".join(f"<span>{line}</span>\n" for line in cell.source.splitlines())
    (tmp_path / "page.html").write_text(f"<pre>{page}</pre>")
    found = "\n".join(leaks(contents(tmp_path, "*")))
    assert "all.zip:sheet.ipynb: pytorch/conv_block answer-conv_block-1" in found
    assert "page.html: pytorch/conv_block answer-conv_block-1" in found


def test_students_notebooks_hold_no_solution():
    students = [notebook_path(*case, solution=False) for case in CASES]
    files = ((str(path), path.read_bytes()) for path in students)
    assert leaks(files) == []
    for path in students:
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8")


def test_the_site_holds_no_solution():
    site = BOOK.root / "_build/html"
    if not (site / "book/index.html").exists():
        pytest.skip("_build/html holds no site: run `make book` first")
    for framework in FRAMEWORKS:
        folder = site / "notebooks/worksheets" / framework
        assert {path.stem for path in folder.iterdir()} == set(NAMES)
    assert leaks(contents(site, "*.ipynb", "*.html", "*.zip", "*.js", "*.txt")) == []
