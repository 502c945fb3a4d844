"""What students hand in, in every form that it comes in."""

import json
import os
import shutil
import zipfile
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from d2l_classroom.returned import collect

STUB = "def one():\n    raise NotImplementedError()"


def role(name: str, **more) -> dict:
    about = {"grade": False, "grade_id": name, "locked": False, "points": 1}
    more = {"schema_version": 3, "solution": not more, "task": False} | more
    return {"nbgrader": about | more}


def sheet() -> nbformat.NotebookNode:
    """A worksheet with two answers, as it is handed out."""
    cells = [
        new_markdown_cell("# A sheet"),
        new_code_cell("import math"),
        new_code_cell(STUB, metadata=role("answer-one-1")),
        new_code_cell("assert one() == 1", metadata=role("check-one", grade=True)),
        new_code_cell(STUB.replace("one", "two"), metadata=role("answer-two-1")),
        new_code_cell("assert two() == 2", metadata=role("check-two", grade=True)),
    ]
    about = {"name": "sheet", "framework": "pytorch"}
    return new_notebook(cells=cells, metadata={"worksheet": about})


def solved(edit=None) -> bytes:
    """A student's notebook, after an edit of its JSON."""
    notebook = sheet()
    for cell in notebook.cells:
        if cell.source.startswith("def"):
            number = 1 if "one" in cell.source else 2
            cell.source = cell.source.replace(
                "raise NotImplementedError()", f"return {number}"
            )
    content = json.loads(nbformat.writes(notebook))
    if edit:
        edit(content)
    return json.dumps(content).encode()


def without(number: int):
    return lambda content: content["cells"].pop(number)


def cells(change):
    """An edit of every cell."""

    def edit(content):
        for cell in content["cells"]:
            change(cell)

    return edit


def colab(content):
    """As Colab saves: format 4.0, ids in metadata, its own settings, outputs."""
    content |= {"nbformat_minor": 0}
    content["metadata"] |= {
        "colab": {"provenance": []},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
    }
    for cell in content["cells"]:
        cell["metadata"]["id"] = cell.pop("id")
        if cell["cell_type"] == "code":
            cell["execution_count"] = 3
            stream = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
            cell["outputs"] = [stream, {"output_type": "error"}]


def nothing_known(content):
    """No metadata at all is left."""
    content["metadata"] = {}
    for cell in content["cells"]:
        cell["metadata"] = {}


def twice(content):
    """A check copied with its metadata, and an answer tried before it was written."""
    content["cells"].insert(4, deepcopy(content["cells"][3]))
    tried = deepcopy(content["cells"][2])
    tried["source"] = STUB
    content["cells"].insert(2, tried)


def damaged(content):
    """Cells as no program should write them."""
    content["cells"][0] = {"cell_type": "heading", "source": None, "level": 1}
    content["cells"].insert(1, "no cell")
    content["cells"][2] |= {"metadata": [], "attachments": 3, "source": ["import ", 4]}
    content["cells"].append({"source": "\ud800"})
    content["nbformat"] = "4"


def moved(content):
    """The answer rewritten in a cell of its own, the given one deleted."""
    own = {"cell_type": "code", "metadata": {}, "source": "def one():\n    return 1"}
    content["cells"][2] = own


def other_order(content):
    """Part two before part one, and of part one no program knows anything."""
    cells = content["cells"]
    for cell in cells[2:4]:
        cell["metadata"] = {}
    content["cells"] = [*cells[:2], *cells[4:], *cells[2:4]]


GIVEN = "given code was changed or deleted: `import math`"
# How many of the two checks the notebook passes, and what is said of it.
USABLE = {
    "as it is": (solved(), 2, ""),
    "byte order mark": (b"\xef\xbb\xbf" + solved(), 2, ""),
    "UTF-16": (solved().decode().encode("utf-16"), 2, ""),
    "Colab": (solved(colab), 2, ""),
    "JupyterLab one line a string": (
        solved(cells(lambda c: c.update(source=c["source"]))),
        2,
        "",
    ),
    "another kernel": (
        solved(lambda c: c["metadata"].update(kernelspec={"name": "conda-env-x"})),
        2,
        "",
    ),
    "no metadata": (solved(nothing_known), 2, ""),
    "cells twice": (solved(twice), 2, ""),
    "damaged cells": (solved(damaged), 2, f"sheet: {GIVEN}"),
    "given code deleted": (solved(without(1)), 2, f"sheet: {GIVEN}"),
    "given code changed": (
        solved(lambda c: c["cells"][1].update(source="import os")),
        2,
        f"sheet: {GIVEN}",
    ),
    "answer moved": (solved(moved), 2, ""),
    "other order": (solved(other_order), 2, ""),
    "answer deleted": (solved(without(2)), 1, "sheet: the answer one was deleted"),
    "check deleted": (solved(without(5)), 2, "sheet: the check two was deleted"),
    "first cells deleted": (
        solved(lambda c: c["cells"].__delitem__(slice(0, 4))),
        1,
        f"sheet: {GIVEN}; "
        "sheet: the answer one was deleted; sheet: the check one was deleted",
    ),
    "all cells deleted": (
        solved(lambda c: c["cells"].clear()),
        0,
        f"sheet: {GIVEN}; "
        "sheet: the answer one was deleted; sheet: the check one was deleted; "
        "sheet: the answer two was deleted; sheet: the check two was deleted",
    ),
    "checks patched": (
        solved(lambda c: c["cells"][3].update(source="pass")),
        2,
        "",
    ),
    "an answer as text": (
        solved(lambda c: c["cells"][2].update(cell_type="markdown")),
        2,
        "",
    ),
    "another framework": (
        solved(lambda c: c["metadata"]["worksheet"].update(framework="jax")),
        2,
        "sheet: its framework is jax, handed out was pytorch",
    ),
}
REFUSED = {
    "empty": (b"", "the file is empty"),
    "zeros": (b"\0" * 100, "the file is empty"),
    "broken off": (solved()[:-40], "a notebook, but broken off or changed at char"),
    "a page": (b"<!DOCTYPE html>", "is no notebook (a file .ipynb)"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff", "is no notebook (a file .ipynb)"),
    "a list": (b"[1, 2]", "is no notebook"),
    "nested": (b'{"cells":' + b"[" * 10**5, "a notebook, but broken off or changed"),
    "a long number": (b"1" * 5000, "is no notebook"),
    "format 3": (b'{"worksheets": [{"cells": []}]}', "a notebook of an old format"),
    "R": (
        solved(lambda c: c["metadata"].update(language_info={"name": "R"})),
        "is a notebook for R, not for Python",
    ),
    "another": (
        nbformat.writes(new_notebook(cells=[new_code_cell("1 + 1")])).encode(),
        "is another notebook than sheet",
    ),
}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    path = tmp_path / "course/release/week1/sheet.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(sheet()), encoding="utf-8")
    return tmp_path / "course"


def passed(course: Path, student: str) -> int:
    """Run the notebook of a student that nbgrader will get, if it is a valid one."""
    path = course / "submitted" / student / "week1/sheet.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    found = [c for c in notebook.cells if "nbgrader" in c.metadata]
    assert sorted(c.metadata.nbgrader.grade_id for c in found) == [
        *("answer-one-1", "answer-two-1", "check-one", "check-two"),
    ]
    namespace, count = {}, 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            try:
                exec(cell.source, namespace)
                count += cell.metadata.get("nbgrader", {}).get("grade", False)
            except (Exception, SyntaxError):
                continue
    return count


@pytest.mark.parametrize("form", ["files", "folders", "archive", "archives"])
def test_every_form_of_a_notebook_has_a_row(course, tmp_path, form):
    returned = tmp_path / "returned"
    returned.mkdir()
    contents = {name: content for name, (content, *_) in (USABLE | REFUSED).items()}
    for number, (name, content) in enumerate(contents.items()):
        folder = returned if form == "files" else returned / name
        folder.mkdir(exist_ok=True)
        # Also under names that say nothing.
        own = ("sheet.ipynb", "sheet (1).ipynb", "homework.ipynb.txt")[number % 3]
        file = folder / (f"{name}.ipynb" if form == "files" else own)
        file.write_bytes(content)
        if form == "archives":
            with zipfile.ZipFile(returned / f"{name}.zip", "w") as archive:
                archive.write(file, f"{name}/{own}")
            file.unlink()
            folder.rmdir()
    if form == "archive":
        with zipfile.ZipFile(tmp_path / "week1.zip", "w") as archive:
            for file in returned.rglob("*.*"):
                own = f"week1/{file.relative_to(returned)}"
                archive.write(file, own)
                archive.writestr(f"__MACOSX/{own}", b"\0")
        returned = tmp_path / "week1.zip"
    taken = collect(course, "week1", returned)
    assert set(taken) == set(contents)
    for name, (_, count, note) in USABLE.items():
        assert (taken[name].usable, taken[name].note) == (True, note), name
        assert passed(course, name) == count, name
    for name, (_, reason) in REFUSED.items():
        assert not taken[name].usable and reason in taken[name].note, taken[name]


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Jörg Müller_123_assignsubmission_file_/sheet.ipynb", "Jörg Müller_123"),
        ("王小明_77_assignsubmission_file_sheet.ipynb", "王小明_77"),
        ("muellerjoerg_LATE_123_4567_sheet-1.ipynb", "muellerjoerg_123"),
        ("lovelaceada_12_34_sheet.ipynb", "lovelaceada_12"),
        ("Jo\u0308rg/deep/folder/x.ipynb", "Jörg"),
        ("O'Brien, M. (2)/sheet.ipynb", "O'Brien M. (2)"),
        ("a*[b]?/sheet.ipynb", "a__b__"),
        ("ada.IPYNB.txt", "ada"),
    ],
)
def test_students_are_named_as_platforms_name_them(course, tmp_path, path, student):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(path, solved())
    assert collect(course, "week1", tmp_path / "all.zip") == {student: (True, "")}
    assert passed(course, student) == 2


def test_what_is_no_notebook_and_what_hides_is_named(course, tmp_path):
    returned = tmp_path / "returned"
    for name in ("ada", "bob", "cid", "dan", "eve/.ipynb_checkpoints", "fay", "gus"):
        (returned / name).mkdir(parents=True)
    (returned / "ada/sheet.ipynb").symlink_to("/etc/passwd")
    (returned / "bob/sheet.zip").write_bytes(b"PK\3\4 no archive")
    with zipfile.ZipFile(returned / "cid/essay.docx", "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    (returned / "eve/.ipynb_checkpoints/sheet.ipynb").write_bytes(solved())
    with zipfile.ZipFile(returned / "fay/out.zip", "w") as archive:
        archive.writestr("../../../course/release/week1/sheet.ipynb", b"{}")
    with zipfile.ZipFile(returned / "gus/two.zip", "w") as archive:
        for year, name, edit in ((2026, "xx", None), (2025, "old", without(2))):
            info = zipfile.ZipInfo(f"{name}.ipynb", (year, 1, 1, 0, 0, 0))
            archive.writestr(info, solved(edit))
        archive.writestr("report.pdf", b"%PDF\xff")
    # An umlaut as UTF-8, though the archive does not say that it is.
    packed = (returned / "gus/two.zip").read_bytes()
    packed = packed.replace(b"xx.ipynb", "ü.ipynb".encode())
    (returned / "gus/two.zip").write_bytes(packed)
    assert collect(course, "week1", returned) == {
        "ada": (False, "sheet.ipynb: is a link or a device"),
        "bob": (False, "sheet.zip: is a broken archive; hand it in again"),
        "cid": (False, "essay.docx: is no notebook (a file .ipynb)"),
        "dan": (False, "nothing was handed in"),
        "eve": (False, "nothing was handed in"),
        "fay": (False, "nothing was handed in"),
        "gus": (
            True,
            "old.ipynb: ü.ipynb is newer, and graded; "
            "report.pdf: is no notebook (a file .ipynb)",
        ),
    }
    assert passed(course, "gus") == 2


def test_a_name_is_nobody_elses(course, tmp_path):
    for name, edit in (("a*", None), ("a?", without(2))):
        (tmp_path / "returned" / name).mkdir(parents=True)
        path = tmp_path / "returned" / name / "sheet.ipynb"
        path.write_bytes(solved(edit))
    assert set(collect(course, "week1", tmp_path / "returned")) == {"a_", "a__"}
    assert [passed(course, name) for name in ("a_", "a__")] == [2, 1]


def test_the_teachers_own_mistakes_are_told(course, tmp_path):
    with pytest.raises(ValueError, match="neither a folder nor a ZIP archive"):
        collect(course, "week1", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="call nbgrader generate_assignment first"):
        collect(course, "week2", tmp_path)


def test_another_worksheet_is_not_graded_as_this_one(tmp_path):
    # All of the book's notebooks start with the same cell, and share some roles.
    book = Path(__file__).parents[2] / "chapters"
    release = tmp_path / "release/week1"
    release.mkdir(parents=True)
    shutil.copy(book / "worksheets/pytorch/dense_block.ipynb", release)
    others = [
        book / "worksheets/pytorch/transition_block.ipynb",
        book / "worksheets/pytorch/find_the_bug.ipynb",
        book / "pytorch/dense_blocks.ipynb",
    ]
    for student in ("both", "alone"):
        for number, other in enumerate(others):
            folder = tmp_path / f"returned/{student}{number}"
            folder.mkdir(parents=True)
            content = json.loads(other.read_text("utf-8"))
            (folder / "other.ipynb").write_text(json.dumps(content))
            content["metadata"] = {}
            (folder / "unnamed.ipynb").write_text(json.dumps(content))
            if student == "both":
                own = shutil.copy(release / "dense_block.ipynb", folder)
                os.utime(own, (10**9, 10**9))
    what = "is another notebook than dense_block"
    note = f"other.ipynb: {what}; unnamed.ipynb: {what}"
    taken = collect(tmp_path, "week1", tmp_path / "returned")
    for number in range(3):
        assert taken[f"both{number}"] == (True, note)
        assert taken[f"alone{number}"] == (False, note)


@pytest.mark.parametrize(
    ("paths", "students"),
    [
        (("submissions/ada/x.ipynb", "submissions/bob/x.ipynb"), {"ada", "bob"}),
        (("all/ada/x.ipynb", "all/bob/"), {"ada", "bob"}),
        (("all/ada_1_2_x.ipynb", "all/bob_3_4_x.ipynb"), {"ada_1", "bob_3"}),
        (("all/A_1_assignsubmission_file_/x.ipynb", "all/bob/y"), {"A_1", "bob"}),
        (("ada/x.ipynb", "ada/more/y.ipynb"), {"ada"}),
        (("ada/one/x.ipynb",), {"ada"}),
        (("A_1_assignsubmission_file_/a/x", "A_1_assignsubmission_file_/b/x"), {"A_1"}),
    ],
)
def test_a_folder_around_all_is_no_student(course, tmp_path, paths, students):
    with zipfile.ZipFile(tmp_path / "submissions (1).zip", "w") as archive:
        for path in paths:
            archive.writestr(path, b"" if path.endswith("/") else solved())
    taken = collect(course, "week1", tmp_path / "submissions (1).zip")
    assert set(taken) == students


def test_a_teachers_own_sheet_without_metadata_is_known_by_its_cells(course, tmp_path):
    path = course / "release/week1/sheet.ipynb"
    path.write_text(path.read_text("utf-8").replace('"worksheet"', '"x"'), "utf-8")
    (tmp_path / "returned").mkdir()
    (tmp_path / "returned/ada.ipynb").write_bytes(solved(nothing_known))
    (tmp_path / "returned/bob.ipynb").write_bytes(REFUSED["another"][0])
    taken = collect(course, "week1", tmp_path / "returned")
    assert taken["ada"] == (True, "")
    assert taken["bob"] == (False, "bob.ipynb: is another notebook than sheet")


def test_what_cannot_be_read_or_unpacked_is_a_row(course, tmp_path, monkeypatch):
    returned = tmp_path / "returned"
    for name in ("ada/x.ipynb", "bob/x.ipynb"):
        (returned / name).parent.mkdir(parents=True)
        (returned / name).write_bytes(solved())
    (returned / "locked").mkdir()
    with zipfile.ZipFile(returned / "cid.zip", "w") as archive:
        archive.writestr("x.ipynb", solved())
    # Another method of compression, in both of the archive's entries of the file.
    packed = bytearray((returned / "cid.zip").read_bytes())
    packed[8], packed[packed.index(b"PK\1\2") + 10] = 98, 98
    (returned / "cid.zip").write_bytes(packed)
    # Root may read everything.
    closed, able = (returned / "bob/x.ipynb", returned / "locked"), os.access
    monkeypatch.setattr(os, "access", lambda p, m: p not in closed and able(p, m))
    why = "cannot be read here: change its permissions"
    unknown = "is packed in a way that is not known here; pack it as a ZIP"
    assert collect(course, "week1", returned) == {
        "ada": (True, ""),
        "bob": (False, f"x.ipynb: {why}"),
        "cid": (False, f"x.ipynb: {unknown}"),
        "locked": (False, f"locked: {why}"),
    }
