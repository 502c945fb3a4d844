"""Every worksheet in every framework: untouched, solved, and wrongly answered."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sheets import NAMES, Session, code_cells, notebook_path, role, solved
from wrong_answers import WRONG, Wrong

from book.build.inputs import ENVIRONMENT
from book.build.nbgrader import solutions
from book.build.source import FRAMEWORKS, Book, frameworks
from book.build.worksheets import read_worksheets
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
    assert solved(framework, name).failures() == {}


@pytest.mark.parametrize(("framework", "name"), CASES)
def test_untouched_only_the_checks_fail_and_say_what_is_missing(
    framework: str, name: str
):
    student = Session(framework, name, solution=False)
    checks = [role(cell) for cell in student.cells if role(cell).startswith("check-")]
    failures = student.failures()
    assert checks and list(failures) == checks
    for error in failures.values():
        text = f"{type(error).__name__}: {error}"
        assert re.match(r"NotImplementedError|AssertionError: .*NotImplemented", text)


@pytest.mark.parametrize(("framework", "name", "wrong"), MISTAKES)
def test_wrong_answer_gets_its_message(framework: str, name: str, wrong: Wrong):
    session = solved(framework, name)
    error = session.with_wrong_answer(wrong.check, *wrong.edits[framework])
    assert isinstance(error, AssertionError), error
    assert wrong.says[framework] in str(error)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_ten_wrong_answers_in_each_framework(name: str):
    for framework in FRAMEWORKS:
        assert sum(framework in wrong.edits for wrong in WRONG[name]) >= 10


@pytest.mark.parametrize("framework", [f for f in AVAILABLE if f in IN_KERNELS])
def test_notebooks_run_as_students_run_them(framework: str, monkeypatch, tmp_path):
    """In a kernel, the first cell included: the solution, and with errors the sheet."""
    for key, value in (ENVIRONMENT | {"PYTHONPATH": str(BOOK.root)}).items():
        monkeypatch.setenv(key, value)
    for solution in (True, False):
        path = notebook_path(framework, "conv_block", solution)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook,
            timeout=300,
            allow_errors=not solution,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()
        printed = json.dumps(notebook)
        assert ("running statistics: equal to" in printed) is solution
        assert ("NotImplementedError" in printed) is not solution


@pytest.mark.parametrize("worksheet", read_worksheets(BOOK), ids=NAMES)
def test_cells_are_narrow(worksheet):
    for cell in worksheet.cells:
        if cell.cell_type == "code" or frameworks(cell):
            for line in cell.source.splitlines():
                wide = cell.cell_type == "code" or line.startswith("    ")
                assert len(line) <= 64 or not wide, (worksheet.where(cell), line)


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
