"""Grades a class with nbgrader, the kernel of each notebook shut in by bubblewrap.

The Python that runs this command runs the notebooks, too; nbgrader may live in an
environment of its own. The page "Teaching with This Book" goes through all steps.
"""

import argparse
import csv
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from d2l_classroom.returned import collect

READABLE = "/usr /bin /lib /lib32 /lib64 /etc/alternatives /etc/fonts /etc/ld.so.cache"
SPACE = "--perms 1777 --size 1073741824 --tmpfs"
# nbgrader tells a kernel its ports in a file, here number 9, and counts what a check
# writes to stderr as its failure.
INNER = f"""bwrap --die-with-parent --new-session --unshare-pid --unshare-ipc
--unshare-uts --unshare-cgroup-try --proc /proc --dev /dev {SPACE} /tmp
{SPACE} /dev/shm --ro-bind . /given --perms 0444 --ro-bind-data 9 /kernel.json
--clearenv --setenv HOME /tmp --setenv LANG C.UTF-8 --setenv PATH /usr/bin:/bin
--setenv PYTHONSAFEPATH 1 --setenv PYTHONNOUSERSITE 1
--setenv USER nobody --setenv PYTHONWARNINGS ignore --setenv JAX_PLATFORMS cpu
--setenv TF_CPP_MIN_LOG_LEVEL 3 --chdir /tmp"""
OUTER = """bwrap --die-with-parent --unshare-net --ro-bind / / --dev-bind /dev /dev
--bind /proc /proc"""
# What the notebooks of a student may use, and what honest ones need.
FILE_BYTES, FILE_LEAST = 256 << 20, 64 << 20
PROCESSES, PROCESSES_LEAST = 512, 128
# To interrupt by a signal would end bubblewrap instead of the cell.
KERNEL = {"interrupt_mode": "message", "language": "python", "display_name": ""}
AUTOGRADE = """autograde --force --ExecutePreprocessor.kernel_name=shut_in
--ExecutePreprocessor.iopub_timeout=20"""
# Every cell that nbgrader grades by itself must give all its points to the solution.
FULL = """import sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    notebooks = book.find_submission(*sys.argv[1:]).notebooks
    grades = [g for n in notebooks for g in n.grades if g.cell.cell_type == "code"]
    wrong = [g.name for g in grades if g.auto_score != g.max_score]
    sys.exit(f"solution: no points for {', '.join(wrong)}" if wrong else 0)
"""
# What is said where a notebook was not run, or not to an end by no fault of its own.
KILLED = "killed by the system"
NOT_STARTED = (
    KILLED,
    "before replying to kernel_info",
    "didn't respond in",
    "bwrap",
    "prlimit",
)
# Words of code that may be after the checks and not after the answer.
SUSPECT = re.compile(
    r"d2l_classroom(?! import (check|compare|diagnose|given)\b)|__eq__|sys\.modules|"
    r"\bctypes|\bgc\.|settrace|setprofile|mock|nbgrader|get_ipython|JSONEncoder|_exit"
)
# A submission that was not graded has no points, whatever an earlier one had.
FORGET = """import sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    book.update_or_create_student(sys.argv[2])
    book.update_or_create_submission(*sys.argv[1:])
    book.remove_submission(*sys.argv[1:])
"""


def shut_in(command: str) -> list[str]:
    """Python where it sees programs and a copy of the folder in which it is started.

    It has no rights, sees no other processes, and writes to memory only. Its network is
    that of `run`: nobody is there but nbgrader.
    """
    root, library = os.geteuid() == 0, Path(__file__).parents[1]
    rights = "--cap-add CAP_SETUID --cap-add CAP_SETGID" if root else "--unshare-user"
    # The system limits the processes of users, but not those of root.
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups" if root else ""
    bwrap = [*INNER.split(), *rights.split(), "--setenv", "PYTHONPATH", str(library)]
    own = [sys.prefix, sys.base_prefix, library / "d2l_lite", library / "d2l_classroom"]
    for path in map(Path, READABLE.split() + own):
        for parent in reversed(path.parents):
            bwrap += ["--dir", str(parent)]  # those that --ro-bind makes are closed
        bwrap += ["--ro-bind-try", str(path), str(path)]
    limit = f"prlimit --nproc={processes()}"
    start = f'cp -r /given/. . && exec {nobody} {limit} "$0" {command}'
    bwrap += ["--remount-ro", "/dev", "--remount-ro", "/", "sh", "-c", start]
    return ["sh", "-c", 'exec "$@" 9<"{connection_file}"', "sh", *bwrap, sys.executable]


@cache
def file_bytes() -> int:
    """How large a file may get: a limit of this machine's own cannot be raised."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if os.geteuid() == 0 or hard == resource.RLIM_INFINITY:
        return FILE_BYTES
    if hard < FILE_LEAST:
        sys.exit(f"`ulimit -f` allows {hard >> 10} KiB; {FILE_LEAST >> 10} are needed")
    return min(FILE_BYTES, hard)


@cache
def processes() -> int:
    """How many there may be of the user, other programs' included."""
    user, running = os.geteuid() or 65534, 0
    for tasks in Path("/proc").glob("[0-9]*/task"):
        with suppress(OSError):  # it may have ended meanwhile
            if tasks.stat().st_uid == user:
                running += len(list(tasks.iterdir()))
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if os.geteuid() == 0 or hard == resource.RLIM_INFINITY:
        return running + PROCESSES
    if hard < running + PROCESSES_LEAST:
        sys.exit(
            f"`ulimit -u` allows {hard} processes and threads, {running} are running; "
            f"{PROCESSES_LEAST} more are needed"
        )
    return min(hard, running + PROCESSES)


def run(course: Path, command: list, seconds: float = 600, memory: int = 4096) -> str:
    """Call nbgrader where it can write to the course only; returns what went wrong."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        spec = Path(folder, "kernels/shut_in/kernel.json")
        spec.parent.mkdir(parents=True)
        argv = shut_in("-m ipykernel_launcher -f /kernel.json")
        spec.write_text(json.dumps(KERNEL | {"argv": argv}))
        outer = ["prlimit", f"--fsize={file_bytes()}", "--core=0", *OUTER.split()]
        outer += ["--cap-add", "ALL"] * (os.geteuid() == 0)
        for path in (str(course), folder):
            outer += ["--bind", path, path]
        command = [*outer, "--chdir", str(course), *command]
        homes = ("HOME", "TMPDIR", "JUPYTER_PATH", "JUPYTER_RUNTIME_DIR")
        env = os.environ | dict.fromkeys(homes, folder)
        with Path(folder, "log").open("w+", errors="replace") as log:
            child = subprocess.Popen(command, env=env, stdout=log, stderr=log)
            try:
                problem = watch(child, time.monotonic() + seconds, memory << 20)
            finally:
                child.kill()
                child.wait()
            if child.returncode > 0 and problem != KILLED:
                log.seek(0)
                told = re.findall(r"^ *([\w.]+: .+)$", log.read(), re.MULTILINE)
                problem = "".join(filter(str.isprintable, [problem, *told][-1][:200]))
        return problem


def watch(child: subprocess.Popen, end: float, memory: int) -> str:
    """Wait for a process; says why if it must not go on, or that it failed."""
    while time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            status = child.wait(0.2)
            if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
                return KILLED
            return f"exit status {status}" if status else ""
        processes, used = [child.pid], 0
        for pid in processes:  # grows by the children of those that are read
            with suppress(OSError, IndexError):  # it may have ended meanwhile
                for task in Path(f"/proc/{pid}/task").iterdir():
                    processes += map(int, Path(task, "children").read_text().split())
                # Pss: what processes share is divided among them.
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                used += int(text.split("Pss:")[1].split()[0]) << 10
        if used > memory:
            return f"ended: more than {memory >> 20} MiB of memory"
    return "ended: not done in time"


def control(course: Path, assignment: str, nbgrader: Path, **limits: float) -> str:
    """Grade the solution, in a copy of the course; says why it has not all points."""
    student = "solution"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "course")
        source = course / "source" / assignment
        shutil.copytree(source, copy / "source" / assignment)
        shutil.copytree(source, copy / "submitted" / student / assignment)
        for name in ("gradebook.db", "nbgrader_config.py"):
            with suppress(FileNotFoundError):
                shutil.copy(course / name, copy)
        grade = [nbgrader, *AUTOGRADE.split(), assignment, f"--student={student}"]
        full = [nbgrader.with_name("python"), "-c", FULL, assignment, student]
        return run(copy, grade, **limits) or run(copy, full)


def suspects(notebook: Path, source: Path) -> list[str]:
    """Lines that were not handed out, and that may be after the checks."""
    theirs, ours = (
        [
            line.strip()
            for cell in json.loads(path.read_text("utf-8"))["cells"]
            if cell["cell_type"] == "code"
            for line in "".join(cell["source"]).splitlines()
        ]
        for path in (notebook, source)
    )
    return [line for line in theirs if line not in ours and SUSPECT.search(line)]


def annotate(
    grades: Path, assignment: str, notes: Mapping[str, str], ungraded: list[str]
) -> None:
    """Give nbgrader's table notes; who was not graded has no points, and not 0."""
    with grades.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        here = row["assignment"] == assignment
        row["note"] = notes.get(row["student_id"], "") if here else ""
        if here and row["student_id"] in ungraded:
            row["raw_score"] = row["score"] = ""
    with grades.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("course", type=Path, help="nbgrader's folder")
    parser.add_argument("assignment", help="the name of a folder in its source/")
    parser.add_argument("--nbgrader", default="nbgrader", help="nbgrader's program")
    came_back = "a folder or ZIP archive of what students have handed in"
    parser.add_argument("--returned", type=Path, help=came_back)
    parser.add_argument("--seconds", type=float, default=300, help="for each student")
    parser.add_argument("--memory", type=int, default=4096, help="MiB for each student")
    chosen = parser.parse_args()
    course, assignment = chosen.course.resolve(), chosen.assignment
    taken = {}
    if chosen.returned:
        try:
            taken = collect(course, assignment, chosen.returned)
        except ValueError as error:
            parser.error(str(error))
    submitted = sorted(course.glob(f"submitted/*/{assignment}"))
    if not submitted:
        parser.error(f"{course}/submitted: nobody has handed in {assignment}")
    if named := [f.parent.name for f in submitted if set(',"\n') & set(f.parent.name)]:
        parser.error(f"nbgrader's table cannot hold this name, rename it: {named[0]!r}")
    if not shutil.which(chosen.nbgrader):
        parser.error(f"--nbgrader {chosen.nbgrader}: there is no such program")
    nbgrader = Path(shutil.which(chosen.nbgrader)).absolute()
    os.environ["PATH"] = f"{nbgrader.parent}:{os.environ['PATH']}"  # it calls alembic
    if os.geteuid() == 0:
        told = "you grade as root: what breaks out of the sandbox owns this machine"
        print(f"warning: {told}; take an ordinary user", file=sys.stderr)
    trial = [a.format(connection_file=os.devnull) for a in shut_in("-m ipykernel -h")]
    if problem := run(course, trial):
        sys.exit(f"notebooks cannot be shut in: {problem}")
    limits = {"seconds": chosen.seconds, "memory": chosen.memory}
    if problem := control(course, assignment, nbgrader, **limits):
        sys.exit(f"nothing is graded, for the solution itself does not pass: {problem}")
    ungraded, notes = [], {}
    for folder in submitted:
        student, files = folder.parent.name, [folder.parent, folder, *folder.rglob("*")]
        usable, note = taken.get(student, (True, ""))
        problem = "" if usable else note
        if any(p.is_symlink() or not (p.is_dir() or p.is_file()) for p in files):
            problem = "there is a link or a device among the files"
        if not problem:
            grade = [nbgrader, *AUTOGRADE.split(), assignment, f"--student={student}"]
            problem = run(course, grade, **limits)
            if any(words in problem for words in NOT_STARTED):
                ungraded.append(student)
                notes[student] = (
                    f"not graded, its process did not run to its end: {problem}"
                )
                print(f"{student}: {notes[student]}")
                continue
        if problem:
            shutil.rmtree(course / "autograded" / student / assignment, True)
            python = nbgrader.with_name("python")
            run(course, [python, "-c", FORGET, assignment, student])
        notes[student] = f"0 points: {problem}" if problem else note
        print(f"{student}: {notes[student] or 'graded'}")
        for path in sorted(course.glob(f"autograded/{student}/{assignment}/*.ipynb")):
            for line in suspects(path, course / "source" / assignment / path.name):
                print(f"  look at `{line}` in {path.name}")
    for words in (["generate_feedback", assignment, "--force"], ["export"]):
        if problem := run(course, [nbgrader, *words]):
            sys.exit(f"nbgrader {words[0]}: {problem}")
    annotate(course / "grades.csv", assignment, notes, ungraded)
    print(course / "grades.csv")
    if ungraded:
        sys.exit(f"not graded: {', '.join(ungraded)}; grade again")


if __name__ == "__main__":
    main()
