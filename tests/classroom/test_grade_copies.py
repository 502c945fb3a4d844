"""Whose a returned notebook is, what it is a copy of, and which of its cells run."""

import os
import subprocess
from pathlib import Path

import pytest
from returned import CHECKS, GOOD, cell, cells, given_out, write

from d2l_classroom.grading import places, sheets
from d2l_classroom.grading.notebook import clean, read
from d2l_lite import DataError

NAMES = {"dense_block", "block", "sums"}


@pytest.mark.parametrize(
    "path, student, words",
    [
        ("ada/sums.ipynb", "ada", {"sums"}),
        ("ada_sums.ipynb", "ada", {"sums"}),
        ("Ada Lovelace - sums.ipynb", "Ada Lovelace", {"sums"}),
        ("sums_ada.ipynb", "ada", {"sums"}),
        ("submitted/ada/week1/sums.ipynb", "ada", {"sums"}),
        ("ada/sums/sums.ipynb", "ada", {"sums"}),
        ("sums/ada.ipynb", "ada", {"sums"}),
        ("jax/ada_dense_block.ipynb", "ada", {"dense_block", "jax"}),
        ("ada/dense_block/mxnet/dense_block.ipynb", "ada", {"dense_block", "mxnet"}),
        ("ada_jax_dense_block.ipynb", "ada", {"dense_block", "jax"}),
        ("ada/dense_block (2).ipynb", "ada", {"dense_block"}),
        ("ada/dense_block-Copy1.ipynb", "ada", {"dense_block"}),
        ("block/ada/dense_block.ipynb", "ada", {"dense_block"}),
        ("ada/Untitled.ipynb", "ada", set()),
        ("sums.ipynb", "(no name)", {"sums"}),
    ],
)
def test_layouts(tmp_path, path, student, words):
    write(tmp_path / path)
    (found,) = places.find(tmp_path, NAMES)
    assert (found.student, found.words) == (student, words)
    assert found.file == path


def test_what_is_nobodys_is_not_found(tmp_path):
    for path in (
        "ada/.ipynb_checkpoints/sums-checkpoint.ipynb",
        "__MACOSX/ada/sums.ipynb",
        "ada/.sums.ipynb",
        "ada/notes.txt",
    ):
        write(tmp_path / path)
    (tmp_path / "bob").symlink_to(tmp_path / "ada")
    assert places.find(tmp_path, NAMES) == []


def test_a_folder_nested_deeper_than_functions_go(tmp_path):
    write(tmp_path / "ada" / "sums.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "ada")
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
    try:
        (found,) = places.find(tmp_path, NAMES)
        with places.workspace(found) as room:
            assert (room / "work" / "sums.ipynb").is_file()
        assert not room.exists()
    finally:
        # pytest removes its folders by functions that call themselves.
        subprocess.run(["rm", "-rf", tmp_path / "ada"], check=True)


def test_the_copy_has_what_lies_beside_the_notebook(tmp_path):
    write(tmp_path / "ada" / "sums.ipynb")
    write(tmp_path / "ada" / "data" / "more.csv")
    (tmp_path / "ada" / "link").symlink_to("/etc/passwd")
    (found,) = [n for n in places.find(tmp_path, NAMES) if n.words]
    with places.workspace(found) as room:
        files = {p.name for p in (room / "work").rglob("*") if not p.is_dir()}
    assert files == {"sums.ipynb", "more.csv"}


def test_who_share_a_folder_see_no_other_notebook(tmp_path):
    for name in ("ada", "bob"):
        write(tmp_path / f"{name}_sums.ipynb")
    ada, _ = places.find(tmp_path, NAMES)
    with places.workspace(ada) as room:
        assert [p.name for p in (room / "work").iterdir()] == ["ada_sums.ipynb"]


def test_a_worksheet_is_known_by_its_cells(tmp_path):
    given_out(tmp_path)
    other = [cell("import this"), cell("assert 1", "other_check", points=1)]
    for framework in ("pytorch", "jax"):
        mine = [cell(f"from d2l_lite import {framework} as d2l"), *other]
        write(tmp_path / framework / "other.ipynb", mine)
    known = sheets.load(tmp_path)
    assert [(s.name, s.framework) for s in known] == [
        ("sums", ""),
        ("other", "pytorch"),
        ("other", "jax"),
    ]
    copy = read(tmp_path / "jax" / "other.ipynb")
    assert sheets.match(known, copy, set()).framework == "jax"
    assert sheets.match(known, copy, {"other"}).framework == "jax"
    assert sheets.match(known, copy, {"pytorch"}).framework == "pytorch"
    assert sheets.match(known, copy, {"sums"}).name == "sums"
    with pytest.raises(
        DataError, match="no copy of a worksheet; known are sums, other"
    ):
        sheets.match(known, (), set())


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no worksheets"),
        ([cell("pass")], "no worksheets"),
        ([cell("1", "a", points=1)] * 2, "grade_id 'a' is no name of one cell"),
    ],
)
def test_a_folder_without_worksheets_is_refused(tmp_path, content, message):
    if content:
        write(tmp_path / "sums.ipynb", content)
    with pytest.raises(DataError, match=message):
        sheets.load(tmp_path)


@pytest.fixture
def program(tmp_path):
    """A function: the steps and notes for the cells of a copy."""
    (sheet,) = sheets.load(given_out(tmp_path / "out"))

    def program(copy):
        steps, notes = sheets.program(sheet, read(write(tmp_path / "in.ipynb", copy)))
        return [step.check or step.source for step in steps], notes

    return program


IN_ORDER = [
    "import numpy as np\nfrom d2l_lite import weights",
    *(text for name, code in GOOD.items() for text in (code, f"{name}_check")),
]


def test_an_honest_copy_runs_as_it_is(program):
    assert program(cells()) == (IN_ORDER, [])


def test_names_of_checks_that_are_gone_stand_where_they_stood(program):
    # As where a tool drops the cells' metadata, and the student has removed a check.
    bare = [{**one, "metadata": {}} for one in cells()]
    del bare[3]
    steps, notes = program(bare)
    assert steps == IN_ORDER
    assert notes == ["locked cells gone, the teacher's were run: double_check"]


def test_a_check_is_never_the_students(program):
    copy = cells()
    copy[3]["source"] = "assert True"
    copy.append(copy[3])
    steps, notes = program(copy)
    assert "assert True" in steps  # the copy of it: any code of the student's may run
    assert sorted(s for s in steps if s.endswith("check")) == sorted(
        f"{name}_check" for name in CHECKS
    )
    assert notes == ["locked cells edited, the teacher's were run: double_check"]


def test_cells_that_are_worth_reading_are_named(program):
    copy = [*cells(), cell("import ctypes")]
    copy[0] = cell("import numpy as np  # edited", cell_id="first")
    _, notes = program(copy)
    assert notes == ["worth reading: ctypes in cell 11"]


def test_an_edited_cell_of_the_teachers_is_noted(tmp_path):
    given = [cell("a = 1", cell_id="one"), cell("assert a", "check", points=1)]
    (sheet,) = sheets.load(write(tmp_path / "out.ipynb", given))
    mine = [cell("a = 2", cell_id="one"), given[1]]
    steps, notes = sheets.program(sheet, read(write(tmp_path / "in.ipynb", mine)))
    assert [step.source for step in steps] == ["a = 2", "assert a"]
    assert notes == ["given cells edited: cell 1"]


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("two\nlines", "two lines"),
        ("a\rb\x00c\x9bd", "a�b�c�d"),
        ("abc\u202egpj", "abc�gpj"),
        ("\ud800", "�"),
        ("Łukasz Ünal 李", "Łukasz Ünal 李"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text, shown):
    assert clean(text) == shown
