"""Hostile and broken notebooks cost their own grade, and nobody else's."""

import json
import os
import re
import socket
import tempfile
from pathlib import Path

import numpy
import pytest
from returned import FULL, GOOD, cell, cells, given_out, grades, isolated, points, write

import d2l_lite

pytest.importorskip("IPython")
psutil = pytest.importorskip("psutil")
if os.name != "posix":
    pytest.skip("notebooks are graded on POSIX systems", allow_module_level=True)

MARKER = "d2l-lite-test-daemon"
WRONG = "def double(x):\n    return 0\n"
DAEMON = f"""
import subprocess, sys
command = [sys.executable, "-c", "import time; time.sleep(600)", "{MARKER}"]
double = 2
subprocess.Popen(command, start_new_session=True)
"""
BURY = """
import os
os.mkdir("locked")
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
os.chdir(os.environ["HOME"] + "/../work")
os.chmod("locked", 0)
os.chmod(".", 0o500)
"""
FORGE = """
import os
answer = b'{"token": "", "error": null, "value": null, "put_back": []}\\n'
for number in range(3, 50):
    try:
        os.write(number, answer)
    except OSError:
        pass
"""
# An answer with the grader's own token, and a number that no float can hold.
TOO_LARGE = """
def double(x):
    import json, os, sys
    frame = sys._getframe()
    while "outgoing" not in frame.f_locals:
        frame = frame.f_back
    token = frame.f_locals["cell"]["token"]
    answer = {"token": token, "error": None, "value": 10**400, "put_back": []}
    os.write(frame.f_locals["outgoing"], (json.dumps(answer) + "\\n").encode())
"""
# A student's code before its own `double`, which is right, or instead of it.
BEFORE = {
    "exits": "import sys\nsys.exit(1)",
    "quits": "exit()",
    "closes-stdout": "import os\nos.close(1)\nos.close(2)",
    "deletes-its-folder": "import os, shutil\nshutil.rmtree(os.getcwd(), True)",
    "buries": BURY,
    "raises": "class Odd(Exception):\n    def __str__(self):\n        1 / 0\nraise Odd",
    "daemon": DAEMON,
    "escapes": r"""print('\x1b]0;owned\x07\x1b[31m<script>alert(1)</script>')""",
    "replaces-stdout": "import sys\nsys.stdout = None",
}
INSTEAD = {
    "loops": "while True:\n    pass",
    "remembers": "all = []\nwhile True:\n    all.append(bytearray(b'x' * 10**7))",
    "forks": "import os\nwhile True:\n    os.fork()",
    "vanishes": "import os\nos._exit(0)",
    "kills-itself": "import os\nos.kill(os.getpid(), 9)",
    "closes-all": "import os\nos.closerange(3, 100)",
    "forges": FORGE,
    "answers-too-much": TOO_LARGE,
    "crashes": "import ctypes\nctypes.string_at(0)",
}
PATCHES = {
    "patches-a-function": "np.allclose = lambda *_: True\n" + WRONG,
    "takes-its-name": "class np:\n    allclose = staticmethod(lambda *_: 1)\n" + WRONG,
    "patches-builtins": "import builtins\nbuiltins.len = lambda _: 1\n" + WRONG,
}


def broken_files(folder):
    """Files that are no notebook to grade."""
    (folder / "no-json").mkdir()
    (folder / "no-json" / "sums.ipynb").write_text('{"cells": [')
    (folder / "no-notebook").mkdir()
    (folder / "no-notebook" / "sums.ipynb").write_text("[]")
    (folder / "binary").mkdir()
    (folder / "binary" / "sums.ipynb").write_bytes(bytes(range(256)))
    (folder / "deep").mkdir()
    (folder / "deep" / "sums.ipynb").write_text("[" * 100_000)
    (folder / "huge").mkdir()
    with (folder / "huge" / "sums.ipynb").open("wb") as file:
        file.truncate(1 << 34)
    (folder / "link").mkdir()
    (folder / "link" / "sums.ipynb").symlink_to(folder / "good-1" / "sums.ipynb")
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / "sums.ipynb")
    (folder / "folder" / "sums.ipynb").mkdir(parents=True)
    write(folder / "other-form" / "sums.ipynb", [{"cell_type": "code"}])


BROKEN = {
    "no-json": "no JSON",
    "no-notebook": "not a notebook",
    "binary": "not a notebook",
    "deep": "nested too deeply",
    "huge": "16384 MiB",
    "link": "symbolic link",
    "pipe": "not a file",
    "folder": "not a file",
    "other-form": "another form",
}


@pytest.fixture(scope="module")
def a_class(tmp_path_factory):
    """The grades of a class of hostile students among good ones."""
    place = tmp_path_factory.mktemp("class")
    folder = place / "in"
    for number in range(4):
        write(folder / f"good-{number}" / "sums.ipynb")
    for name, source in BEFORE.items():
        before = [cells()[0], cell(source), *cells()[1:]]
        write(folder / name / "sums.ipynb", before)
    for name, source in (INSTEAD | PATCHES).items():
        write(folder / name / "sums.ipynb", double=source)
    # The second check of three, by the code of the function that it calls.
    patched = "weights.is_trainable.__code__ = (lambda name: True).__code__\n"
    patched += "def learned():\n    return 'running_mean'"
    write(folder / "patches-code" / "sums.ipynb", learned=patched)
    edited = cells(double=WRONG)
    edited[3]["source"] = "assert True"
    write(folder / "edits-a-check" / "sums.ipynb", edited)
    write(folder / "deletes-checks" / "sums.ipynb", cells(double=WRONG)[:3])
    broken_files(folder)
    rooms = place / "rooms"
    rooms.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(rooms))
        found = grades(folder, given_out(place / "out"), seconds=15)
    return found, rooms


def test_good_students_keep_their_grades(a_class):
    for number in range(4):
        grade = a_class[0][f"good-{number}"]
        assert points(grade) == FULL
        assert grade.notes == ()


def test_all_are_in_the_table(a_class):
    names = {*BEFORE, *INSTEAD, *PATCHES, *BROKEN}
    assert names <= a_class[0].keys()


@pytest.mark.parametrize("name", BEFORE)
def test_what_does_not_hinder_the_checks_costs_nothing(a_class, name):
    assert points(a_class[0][name]) == FULL


@pytest.mark.parametrize(
    "name, note",
    [
        ("loops", "time limit of 15 s"),
        ("remembers", "memory limit of 500 MiB"),
        ("forks", "limit|processes"),
        ("vanishes", r"ended by itself in cell 3 \(exit status 0\)"),
        ("kills-itself", "ended by itself in cell 3"),
        ("closes-all", "ended by itself"),
        ("forges", "tampered: an answer to the grader that was not asked for"),
        ("answers-too-much", "tampered: .* what is no answer"),
        ("crashes", "ended by itself in cell 3"),
    ],
)
def test_what_ends_a_notebook_is_said_and_leaves_it_no_points(a_class, name, note):
    grade = a_class[0][name]
    assert grade.points == 0
    assert grade.most == sum(FULL.values())
    assert re.search(note, grade.notes[0])


@pytest.mark.parametrize("name", PATCHES)
def test_a_patched_check_gives_no_points(a_class, name):
    assert points(a_class[0][name])["double_check"] == 0


def test_what_was_patched_is_named(a_class):
    assert "put back: numpy.allclose" in a_class[0]["patches-a-function"].notes[0]
    assert (
        "d2l_lite.networks.weights.is_trainable" in a_class[0]["patches-code"].notes[0]
    )
    assert points(a_class[0]["patches-code"]) == FULL | {"learned_check": 0}


def test_edited_checks_are_the_teachers_again(a_class):
    grade = a_class[0]["edits-a-check"]
    assert points(grade) == FULL | {"double_check": 0}
    assert "locked cells edited, the teacher's were run: double_check" in grade.notes


def test_deleted_checks_are_run_all_the_same(a_class):
    grade = a_class[0]["deletes-checks"]
    assert points(grade) == dict.fromkeys(FULL, 0)
    assert grade.most == sum(FULL.values())
    assert any("locked cells gone" in note for note in grade.notes)


@pytest.mark.parametrize("name, note", BROKEN.items())
def test_what_is_no_notebook_is_said(a_class, name, note):
    grade = a_class[0][name]
    assert grade.points == 0
    assert note in grade.notes[0]


def test_nothing_is_left_behind(a_class):
    assert list(a_class[1].iterdir()) == []
    running = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in running if words and MARKER in words]


def test_without_isolation_limits_hold_as_well(tmp_path):
    for name in ("loops", "remembers", "forks", "vanishes"):
        write(tmp_path / "in" / name / "sums.ipynb", triple=INSTEAD[name])
    daemon = [cells()[0], cell(DAEMON), *cells()[1:]]
    write(tmp_path / "in" / "daemon" / "sums.ipynb", daemon)
    write(tmp_path / "in" / "good" / "sums.ipynb")
    found = grades(tmp_path / "in", given_out(tmp_path / "out"), 10, isolate=False)
    assert found["good"].isolated == ()
    assert points(found["good"]) == points(found["daemon"]) == FULL
    for name in ("loops", "remembers", "forks", "vanishes"):
        # What was reached before is kept.
        assert points(found[name]) == dict.fromkeys(FULL, 0) | {"double_check": 2}
    running = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in running if words and MARKER in words]


@pytest.fixture(scope="module")
def confined(tmp_path_factory):
    """What the system isolates; the tests of what it does not are skipped."""
    return isolated(tmp_path_factory.mktemp("confined"))


def tried(place, source):
    """The grade of a student whose answers are right if `source` raises no error."""
    folder = place / "in"
    write(folder / "neighbour" / "sums.ipynb")
    write(folder / "hostile" / "sums.ipynb", double=f"{source}\n{GOOD['double']}")
    found = grades(folder, given_out(place / "out"))
    assert points(found["neighbour"]) == FULL
    return found["hostile"]


@pytest.mark.parametrize(
    "source",
    [
        "open({neighbour!r}).read()",
        "import shutil; shutil.rmtree({folder!r})",
        "import os; os.chmod({folder!r}, 0)",
        "open({package!r} + '/planted.py', 'w')",
        "open({numpy!r}, 'a')",
        "import os; os.listdir({home!r})",
    ],
)
def test_files_of_others_are_out_of_reach(tmp_path, confined, source):
    if "files" not in confined or "network" not in confined:
        pytest.skip("this system does not isolate files")
    names = {
        "folder": str(tmp_path / "in"),
        "neighbour": str(tmp_path / "in" / "neighbour" / "sums.ipynb"),
        "package": str(Path(d2l_lite.__file__).parent),
        "numpy": numpy.__file__,
        "home": str(Path.home()),
    }
    grade = tried(tmp_path, source.format(**names))
    assert points(grade)["double_check"] == 0
    assert any(kind in grade.errors[0] for kind in ("PermissionError", "OSError"))


# By text: each worker of the tests must find the same names of tests.
@pytest.mark.parametrize("target", ["os.getppid()", "-1", "{tests}"])
def test_processes_of_others_are_out_of_reach(tmp_path, confined, target):
    if "processes" not in confined:
        pytest.skip("this system does not isolate processes")
    target = target.format(tests=os.getpid())
    tried(tmp_path, f"import os\nos.kill({target}, 9)")


def test_the_network_is_out_of_reach(tmp_path, confined):
    if "network" not in confined:
        pytest.skip("this system does not isolate the network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = server.getsockname()
        grade = tried(tmp_path, f"import socket\nsocket.create_connection({where})")
    assert points(grade)["double_check"] == 0


@pytest.mark.parametrize(
    "kind, made",
    [
        ("STREAM", "socket.socket(socket.AF_UNIX)"),
        ("DGRAM", "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"),
        ("DGRAM", "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]"),
    ],
)
def test_sockets_of_the_file_system_are_out_of_reach(tmp_path, confined, kind, made):
    if "network" not in confined:
        pytest.skip("this system does not isolate the network")
    # A short path: a socket's has 107 bytes at most.
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, getattr(socket, f"SOCK_{kind}")) as server,
    ):
        where = f"{folder}/bus"
        server.bind(where)
        server.setblocking(False)
        came = server.accept if kind == "STREAM" else lambda: server.recv(1)
        if kind == "STREAM":
            server.listen()
        calls = f"import socket\ns = {made}\ns.connect({where!r})\ns.send(b'x')"
        grade = tried(tmp_path, calls)
        with pytest.raises(BlockingIOError):
            came()
    assert points(grade)["double_check"] == 0
    assert "PermissionError" in grade.errors[0]


def test_no_ring_makes_sockets_past_the_filter(tmp_path, confined):
    if "network" not in confined:
        pytest.skip("this system does not isolate the network")
    ring = "ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120))"
    grade = tried(tmp_path, f"import ctypes\nassert {ring} == -1")
    assert points(grade) == FULL


def test_pairs_of_sockets_stay_possible(tmp_path):
    loop = "import asyncio\nasyncio.new_event_loop().close()\n"
    pair = "import socket\na, b = socket.socketpair()\na.send(b'x')\n"
    assert points(tried(tmp_path, f"{loop}{pair}assert b.recv(1) == b'x'")) == FULL


def test_a_gigabyte_of_output_is_cut(tmp_path):
    grade = tried(tmp_path, "for _ in range(1024):\n    print('x' * 2**20)")
    assert points(grade) == FULL
    assert len(grade.output) < 20_000
    assert grade.output.endswith(" more bytes)")


def test_passwords_in_the_environment_stay_out(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_TOKEN", "secret")
    grade = tried(tmp_path, "import os\nassert 'COURSE_TOKEN' not in os.environ")
    assert points(grade) == FULL


def test_a_students_module_takes_no_others_place(tmp_path):
    module = tmp_path / "in" / "hostile" / "numpy.py"
    module.parent.mkdir(parents=True)
    module.write_text("allclose = lambda *_: True")
    (module.parent / "helper.py").write_text("TWO = 2")
    grade = tried(tmp_path, "import helper\nassert helper.TWO == 2 and np.pi > 3")
    assert points(grade) == FULL


def test_a_lone_surrogate_stops_nothing(tmp_path):
    # It is JSON, but no text that a file can hold.
    source = json.loads(r'"print(\"\ud800\")"')
    write(tmp_path / "in" / "odd" / "sums.ipynb", [*cells(), cell(source)])
    grade = grades(tmp_path / "in", given_out(tmp_path / "out"))["odd"]
    assert points(grade) == FULL
