"""A class of nine, graded by nbgrader: hostile notebooks change nobody's marks."""

import csv
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from frameworks import FRAMEWORKS
from sheets import notebook_path

from book.build.source import Book
from d2l_classroom import grade
from d2l_classroom.grade import control, run

NAME = "count_parameters"
BOB = "Jörg Müller 王_12"
ROOT = Book().root
NBGRADER = shutil.which(ROOT / ".venv-nbgrader/bin/nbgrader") or shutil.which(
    "nbgrader"
)
POINTS = {"one_layer": 1, "block": 2, "transition": 1, "densenet": 4, "largest": 1}
ALL = sum(POINTS.values())
BOMB = """import os
kept = []
while True:
    os.fork()
    kept.append(bytearray(range(200)) * 10**6)
"""
# What a notebook should not be able to do; each attempt prints how it ended.
SPY = """import os, socket, subprocess
from pathlib import Path

course = Path({course!r})

def attempt(name, action):
    try:
        print(name, "done", action())
    except Exception as error:
        print(name, "refused", type(error).__name__)

other = "submitted/ada/week1/{name}.ipynb"
attempt("read", lambda: (course / other).read_text())
attempt("marks", lambda: (course / "gradebook.db").write_bytes(b""))
attempt("solution", lambda: Path({solution!r}).read_text())
attempt("original", lambda: Path("/given/{name}.ipynb").write_text("{{}}"))
attempt("library", lambda: Path({library!r}).write_text("def check(*a): pass"))
attempt("system", lambda: Path("/usr/bin/mine").write_text(""))
attempt("root", lambda: os.setuid(0))
attempt("kill", lambda: os.kill({pid}, 9))
attempt("network", lambda: socket.create_connection(("192.0.2.1", 80), 1))
attempt("mount", lambda: subprocess.run(["mount", "--bind", "/", "/mnt"], check=True))
print(sorted(os.environ))
Path("{name}.ipynb").write_text("{{}}")
"""


class Graded(NamedTuple):
    """A course after it was graded; the scores as nbgrader has exported them."""

    course: Path
    printed: str
    scores: dict[str, tuple[float, float]]
    notes: dict[str, str]
    before: dict[str, str]


def needed() -> None:
    """Skip without bubblewrap and nbgrader; where all tests must run, fail."""
    missing = [] if shutil.which("bwrap") else ["bubblewrap"]
    missing += [] if NBGRADER else ["nbgrader (make .venv-nbgrader/installed)"]
    if missing:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"needs {' and '.join(missing)}")


def given(course: Path) -> dict[str, str]:
    """Hashes of all that was there before, the gradebook aside."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("source", "release", "submitted")
        for path in sorted((course / folder).rglob("*"))
        if path.is_file()
    }


def send(course: Path, returned: Path) -> None:
    """What bob, cid and jon hand in, as Moodle and Colab hand it on."""
    bob = returned / f"{BOB}_assignsubmission_file_/homework.ipynb.txt"
    for path, student in ((bob, "bob"), (returned / "cid.ipynb", "cid")):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = course / "submitted" / student
        notebook = json.loads((folder / "week1" / f"{NAME}.ipynb").read_text("utf-8"))
        shutil.rmtree(folder)
        notebook["metadata"]["kernelspec"] = {"name": "conda-env-x"}
        if student == "bob":
            for cell in notebook["cells"]:
                cell["metadata"] = {"id": cell.pop("id")}
            notebook["nbformat_minor"] = 0
        else:
            marked = [c for c in notebook["cells"] if "nbgrader" in c["metadata"]]
            notebook["cells"].remove(marked[-1])
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps(notebook).encode())
    (returned / "jon").mkdir()
    (returned / "jon/sheet.ipynb").touch()


def hand_in(course: Path, student: str, notebook, *edits, first="", tampered=False):
    """A copy of a notebook with edits of its text, and a cell more in front."""
    copy = deepcopy(notebook)
    for cell in copy.cells:
        for old, new in edits:
            cell.source = cell.source.replace(old, new)
        about = cell.metadata.get("nbgrader", {})
        if tampered and about.get("grade"):
            cell.source, about["points"] = "pass", 100
    if first:
        copy.cells.insert(1, nbformat.v4.new_code_cell(first))
    path = course / "submitted" / student / "week1" / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(copy, path)


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Graded:
    needed()
    course = tmp_path_factory.mktemp("course")
    source = course / "source/week1" / f"{NAME}.ipynb"
    source.parent.mkdir(parents=True)
    solution = notebook_path(FRAMEWORKS[0], NAME, solution=True)
    shutil.copy(solution, source)
    config = "get_config().ExecutePreprocessor.timeout = 20\n"
    (course / "nbgrader_config.py").write_text(config)
    command = [NBGRADER, "generate_assignment", "week1"]
    path = f"{Path(NBGRADER).parent}:{os.environ['PATH']}"  # it calls alembic
    env = os.environ | {"PATH": path, "SECRET_TOKEN": "1"}
    subprocess.run(command, cwd=course, env=env, check=True, capture_output=True)
    stub, right = (
        nbformat.read(course / folder / "week1" / source.name, as_version=4)
        for folder in ("release", "source")
    )
    hand_in(course, "ada", right)
    hand_in(course, "bob", stub)
    accumulated = "in_channels + i * growth_rate", "in_channels"
    hand_in(course, "cid", right, ("9 * 3 * 10 + 10", "9 * 3 * 10"), accumulated)
    loop = "return 2 * 3 + 9", "while True: pass\n    return 2 * 3 + 9"
    hand_in(course, "dan", right, loop)
    hand_in(course, "eve", right, first="import os; os._exit(0)")
    hand_in(course, "fay", right, first=BOMB)
    library = str(ROOT / "d2l_classroom/checker.py")
    words = {"course": str(course), "solution": str(solution), "library": library}
    spy = SPY.format(name=NAME, pid=os.getpid(), **words)
    hand_in(course, "gus", stub, first=spy, tampered=True)
    always = "class Always:\n    __eq__ = lambda *any: True"
    hand_in(
        course,
        "ida",
        right,
        ("return 2 * 3 + 9 * 3 * 10 + 10", "return Always()"),
        first=always,
    )
    hand_in(course, "hal", right)
    (course / "submitted/hal/week1/data.csv").symlink_to(source)
    returned = tmp_path_factory.mktemp("returned")
    send(course, returned)
    before = given(course)
    command = [sys.executable, "-m", "d2l_classroom.grade", course, "week1"]
    command += ["--returned", returned]
    command += ["--nbgrader", NBGRADER, "--memory", "2000", "--seconds", "120"]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert ("you grade as root" in done.stderr) == (os.geteuid() == 0)
    with (course / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = {r["student_id"]: (float(r["score"]), float(r["max_score"])) for r in rows}
    notes = {row["student_id"]: row["note"] for row in rows}
    return Graded(course, done.stdout, scores, notes, before)


@pytest.mark.parametrize(
    ("student", "points", "told"),
    [
        ("ada", ALL, "graded"),
        (BOB, 0, "graded"),
        ("jon", 0, "0 points: sheet.ipynb: the file is empty"),
        # Of the block's four settings the one with a single layer is right.
        (
            "cid",
            POINTS["block"] / 4 + POINTS["transition"] + POINTS["largest"],
            f"{NAME}: the check largest was deleted",
        ),
        ("dan", ALL - POINTS["one_layer"], "graded"),
        ("eve", 0, "0 points: nbclient.exceptions.DeadKernelError: Kernel died"),
        ("fay", 0, "0 points: ended: more than 2000 MiB of memory"),
        ("gus", 0, "graded"),
        ("ida", ALL - POINTS["one_layer"], "graded"),
        ("hal", 0, "0 points: there is a link or a device among the files"),
    ],
)
def test_every_student_has_exactly_the_points_of_the_teachers_checks(
    graded, student, points, told
):
    assert graded.scores[student] == (points, ALL)
    assert f"{student}: {told}\n" in graded.printed
    assert graded.notes[student] == told.removeprefix("graded")


def test_every_student_whose_notebook_ran_has_feedback(graded):
    found = {path.parent.parent.name for path in graded.course.glob("feedback/*/*/*")}
    assert found == {"ada", BOB, "cid", "dan", "gus", "ida"}


def test_nothing_outside_can_be_read_or_changed(graded):
    path = graded.course / "autograded/gus/week1" / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    spied = notebook.cells[1].outputs[0].text.splitlines()
    attempts = [line.split()[:2] for line in spied[:-1]]
    assert len(attempts) == SPY.count("\nattempt(")
    assert {ended for _, ended in attempts} == {"refused"}, attempts
    assert "SECRET_TOKEN" not in spied[-1]
    assert graded.before.items() <= given(graded.course).items()


def test_no_process_is_left(graded):
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"ipykernel_launcher\0-f\0/kernel.json" not in path.read_bytes()
        except OSError:
            continue


def test_what_looks_like_an_attack_on_the_checks_is_shown(graded):
    assert f"  look at `import os; os._exit(0)` in {NAME}.ipynb\n" not in graded.printed
    shown = [row for row in graded.printed.splitlines() if row.startswith("  look at")]
    assert any("__eq__ = lambda" in row for row in shown)
    assert any("d2l_classroom/checker.py" in row for row in shown)
    assert not any("import check" in row for row in shown)


def test_a_solution_that_does_not_pass_here_stops_the_grading(graded):
    course = graded.course
    problem = control(course, "week1", Path(NBGRADER), seconds=60, memory=1)
    assert problem == "ended: more than 1 MiB of memory"


def test_a_kernel_that_cannot_start_is_no_zero(graded, monkeypatch):
    monkeypatch.setattr(grade, "shut_in", lambda command: ["false"])
    problem = control(graded.course, "week1", Path(NBGRADER))
    assert any(words in problem for words in grade.NOT_STARTED)
    path = graded.course / "grades.csv"
    before = path.read_text()
    grade.annotate(path, "week1", {"ada": "again"}, ["ada"])
    assert [r for r in path.read_text().splitlines() if ",ada," in r][0].endswith(
        ",,9.0,again"
    )
    path.write_text(before)


@pytest.mark.parametrize(("limit", "told"), [("FSIZE", "ulimit -f"), ("NPROC", "-u")])
def test_limits_of_the_machine_that_are_too_low_are_named(monkeypatch, limit, told):
    kind = getattr(resource, f"RLIMIT_{limit}")
    monkeypatch.setattr(grade.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        grade.resource, "getrlimit", lambda asked: (64, 64 if asked == kind else -1)
    )
    for function in (grade.file_bytes, grade.processes):
        function.cache_clear()
    try:
        with pytest.raises(SystemExit, match=told):
            grade.file_bytes()
            grade.processes()
    finally:
        for function in (grade.file_bytes, grade.processes):
            function.cache_clear()


def test_what_takes_too_long_is_ended(tmp_path):
    needed()
    assert run(tmp_path, ["sleep", "60"], seconds=0.5) == "ended: not done in time"


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 137"])
def test_a_process_that_the_system_killed_is_no_zero(end):
    child = subprocess.Popen(["sh", "-c", end])
    assert grade.watch(child, time.monotonic() + 60, 1 << 30) in grade.NOT_STARTED
