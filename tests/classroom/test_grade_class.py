"""A class from its folder to the table, by the command line."""

import csv
import html.parser
import os
import re
import signal
import subprocess
import sys

import pytest
from returned import FULL, GOOD, cell, cells, given_out, grades, points, write

from d2l_classroom.grading import grade, places
from d2l_classroom.grading.grade import Grade
from d2l_lite.__main__ import main

pytest.importorskip("IPython")
pytest.importorskip("psutil")
if os.name != "posix":
    pytest.skip("notebooks are graded on POSIX systems", allow_module_level=True)

FORMULA = "=cmd|' -C calc'!A0"
TAG = "<img src=x onerror=alert(1)>"


class Page(html.parser.HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.scopes = set(), "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.scopes += [value for name, value in attributes if name == "scope"]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The command's status, output and tables for a class with odd names."""
    place = tmp_path_factory.mktemp("class")
    folder = place / "in"
    write(folder / "bob" / "sums.ipynb")
    write(folder / "Ada_sums.ipynb", triple="def triple(x):\n    return 0")
    wrong = f"def double(x):\n    raise AssertionError('=1+1 {TAG}')"
    write(folder / FORMULA / "sums.ipynb", double=wrong)
    write(folder / TAG / "sums.ipynb", double=f"print('{TAG}')")
    write(folder / "\x1b[31mred" / "sums.ipynb", triple="raise ValueError('=2+2')")
    command = [sys.executable, "-m", "d2l_lite", "grade", folder]
    command += ["--against", given_out(place / "sheets"), "--out", place / "tables"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, place / "tables"


def table(folder):
    """The lines of the CSV file, by student."""
    with (folder / "grades.csv").open(newline="", encoding="utf-8") as file:
        return {line["student"]: line for line in csv.DictReader(file)}


def test_summary(graded):
    done, _ = graded
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first == "5 notebooks, 5 graded to the end, 1 with notes:"
    assert "\x1b" not in done.stdout + done.stderr


def test_points_of_each_check(graded):
    found = table(graded[1])
    names = [f"sums: {name}" for name in FULL]
    assert [found["bob"][name] for name in names] == ["2", "3", "5"]
    assert [found["Ada"][name] for name in names] == ["2", "0", "5"]
    assert (found["Ada"]["total"], found["Ada"]["max"]) == ("7", "10")
    assert [name for name in found if name in ("bob", "Ada")] == ["Ada", "bob"]
    assert float(found["bob"]["seconds"]) > 0
    assert int(found["bob"]["peak MiB"]) > 0


def test_no_field_is_a_formula(graded):
    text = (graded[1] / "grades.csv").read_text()
    fields = [field for line in csv.reader(text.splitlines()) for field in line]
    assert f"'{FORMULA}" in fields
    assert not [field for field in fields if re.match(r"[=+\-@\t\r]", field)]


def test_the_page_shows_text_and_loads_nothing(graded):
    text = (graded[1] / "grades.html").read_text()
    page = Page(text)
    assert not page.tags & {"img", "script", "link", "iframe", "object", "a"}
    assert page.text.count(TAG) >= 3  # a name, a message, some output
    assert "\x1b" not in text
    assert not re.search(r"https?://", text)
    assert {"col", "row"} == set(page.scopes)
    assert {"caption", "main", "h1", "title"} <= page.tags


def test_messages_of_checks_are_on_the_page(graded):
    assert "triple(3) must be 9" in Page((graded[1] / "grades.html").read_text()).text


def test_cells_as_in_jupyter(tmp_path):
    magic = "%matplotlib inline\n!touch made\n%pip install nothing\nfiles = !ls\n"
    shown = "display(3)\nawait_me = 1\nexit()"
    loop = "import asyncio\nawait asyncio.sleep(0)"
    more = [cell(magic), cell(shown), cell(loop), cell("%%time\nx = 1")]
    write(tmp_path / "in" / "ada" / "sums.ipynb", [cells()[0], *more, *cells()[1:]])
    grade = grades(tmp_path / "in", given_out(tmp_path / "out"))["ada"]
    assert points(grade) == FULL
    assert grade.notes == ()
    assert "not run while grading: touch made" in grade.output


def test_a_check_may_give_some_of_its_points(tmp_path):
    sheet = [cell("n = 0", "n"), cell("n", "check", points=4)]
    write(tmp_path / "out" / "count.ipynb", sheet)
    values = {"2.5": 2.5, "9": 4, "-1": 0, "float('nan')": 0, "None": 4, "True": 4}
    for number, value in enumerate(values):
        mine = [cell(f"n = {value}", "n"), sheet[1]]
        write(tmp_path / "in" / str(number) / "count.ipynb", mine)
    found = grades(tmp_path / "in", tmp_path / "out")
    assert [found[str(i)].points for i in range(len(values))] == [*values.values()]


def test_what_the_teacher_defines_stays_so(tmp_path):
    given = [
        cell("def asked():\n    return 1", cell_id="given"),
        cell("def answer():\n    raise NotImplementedError", "answer"),
        cell("assert answer() == asked()", "check", points=1),
    ]
    write(tmp_path / "out" / "ask.ipynb", given)
    cheat = cell("def answer():\n    return 0\nasked = answer", "answer")
    write(tmp_path / "in" / "cheat" / "ask.ipynb", [given[0], cheat, given[2]])
    honest = cell("def answer():\n    return 1", "answer")
    write(tmp_path / "in" / "honest" / "ask.ipynb", [given[0], honest, given[2]])
    found = grades(tmp_path / "in", tmp_path / "out")
    assert (found["cheat"].points, found["honest"].points) == (0, 1)
    assert found["cheat"].notes == ("changed what checks rely on, put back: asked",)
    assert found["honest"].notes == ()


def test_hidden_checks_of_the_solutions_are_run(tmp_path):
    hidden = cells(**GOOD)
    hidden[3]["source"] += "\nassert double(10) == 20, 'hidden'"
    write(tmp_path / "solutions" / "sums.ipynb", hidden)
    write(tmp_path / "in" / "ada" / "sums.ipynb", double="def double(x):\n    return 6")
    grade = grades(tmp_path / "in", tmp_path / "solutions")["ada"]
    assert points(grade) == FULL | {"double_check": 0}
    assert grade.marks[0].message == "hidden"


@pytest.mark.parametrize(
    "options, status, message",
    [
        (["{here}/none"], 1, "not a folder"),
        (["{here}"], 1, "no notebooks to grade"),
        (["{here}", "--time-limit", "0"], 2, "--time-limit: must be more than 0"),
        (["{here}", "--jobs", "-1"], 2, "--jobs: must be more than 0"),
        (["{here}", "--worksheet", "other"], 2, "other: there are sums"),
        (["{here}", "--against", "{here}"], 1, "name their folder in --against"),
    ],
)
def test_wrong_options(tmp_path, capsys, options, status, message):
    sheet = given_out(tmp_path / "sheets")
    (tmp_path / "here").mkdir()
    words = [word.format(here=tmp_path / "here") for word in options]
    out = ["--out", str(tmp_path / "out")]
    assert main(["grade", "--against", str(sheet), *out, *words]) == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "told, said",
    [
        ([(), ("files", "network", "processes")], "Isolated: "),
        ([(), ("files",)], "Not isolated on this system: network, processes."),
        ([(), ()], "It is not known that notebooks were isolated"),
    ],
)
def test_what_is_isolated_is_what_a_notebook_told(
    tmp_path, capsys, monkeypatch, told, said
):
    write(tmp_path / "in" / "bob" / "sums.ipynb")
    [returned] = places.find(tmp_path / "in", {"sums"})
    done = [Grade(returned, isolated=kinds, ran=True) for kinds in told]
    monkeypatch.setattr(grade, "grade_all", lambda *_: done)
    options = ["--against", given_out(tmp_path / "sheets"), "--out", tmp_path / "out"]
    main(["grade", *map(str, [tmp_path / "in", *options])])
    assert said in capsys.readouterr().err
    assert said in Page((tmp_path / "out" / "grades.html").read_text()).text


def test_an_interruption_keeps_what_is_graded(tmp_path):
    write(tmp_path / "in" / "ada" / "sums.ipynb")
    write(tmp_path / "in" / "bob" / "sums.ipynb", double="while True:\n    pass")
    # Started in the background, the tests and what they start ignore Ctrl-C.
    listen = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    run = "runpy.run_module('d2l_lite', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", f"import runpy, signal; {listen}; {run}"]
    command += ["grade", tmp_path / "in", "--jobs", "1"]
    command += ["--against", given_out(tmp_path / "sheets")]
    command += ["--out", tmp_path / "out"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        for line in process.stderr:
            if line.startswith(b"[1/2]"):
                break
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert table(tmp_path / "out")["ada"]["total"] == "10"
    assert list(table(tmp_path / "out")) == ["ada"]
    assert not list(tmp_path.glob("d2l-grade-*"))
