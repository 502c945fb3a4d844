"""Grades a class with nbgrader, the kernel of each notebook shut in by bubblewrap.

The Python that runs this command runs the notebooks, too; nbgrader may live in an
environment of its own. The page "Teaching with This Book" goes through all steps.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
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
--setenv USER nobody --setenv PYTHONWARNINGS ignore --setenv JAX_PLATFORMS cpu
--setenv TF_CPP_MIN_LOG_LEVEL 3 --chdir /tmp"""
OUTER = """prlimit --fsize=268435456 --core=0 bwrap --die-with-parent --unshare-net
--ro-bind / / --dev-bind /dev /dev --bind /proc /proc"""
# To interrupt by a signal would end bubblewrap instead of the cell.
KERNEL = {"interrupt_mode": "message", "language": "python", "display_name": ""}
AUTOGRADE = """autograde --force --ExecutePreprocessor.kernel_name=shut_in
--ExecutePreprocessor.iopub_timeout=20"""
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
    start = f'cp -r /given/. . && exec {nobody} prlimit --nproc=512 "$0" {command}'
    bwrap += ["--remount-ro", "/dev", "--remount-ro", "/", "sh", "-c", start]
    return ["sh", "-c", 'exec "$@" 9<"{connection_file}"', "sh", *bwrap, sys.executable]


def run(course: Path, command: list, seconds: float = 600, memory: int = 4096) -> str:
    """Call nbgrader where it can write to the course only; returns what went wrong."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        spec = Path(folder, "kernels/shut_in/kernel.json")
        spec.parent.mkdir(parents=True)
        argv = shut_in("-m ipykernel_launcher -f /kernel.json")
        spec.write_text(json.dumps(KERNEL | {"argv": argv}))
        outer = OUTER.split() + ["--cap-add", "ALL"] * (os.geteuid() == 0)
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
            if child.returncode > 0:
                log.seek(0)
                told = re.findall(r"^ *([\w.]+: .+)$", log.read(), re.MULTILINE)
                problem = "".join(filter(str.isprintable, [problem, *told][-1][:200]))
        return problem


def watch(child: subprocess.Popen, end: float, memory: int) -> str:
    """Wait for a process; says why if it must not go on, or that it failed."""
    while time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            return f"exit status {child.returncode}" if child.wait(0.2) else ""
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


def annotate(grades: Path, assignment: str, notes: Mapping[str, str]) -> None:
    """Give nbgrader's table a last column `note`."""
    with grades.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        noted = notes.get(row["student_id"], "")
        row["note"] = noted if row["assignment"] == assignment else ""
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
    trial = [a.format(connection_file=os.devnull) for a in shut_in("-m ipykernel -h")]
    if problem := run(course, trial):
        sys.exit(f"notebooks cannot be shut in: {problem}")
    notes: dict[str, str] = {}
    for folder in submitted:
        student, files = folder.parent.name, [folder.parent, folder, *folder.rglob("*")]
        usable, note = taken.get(student, (True, ""))
        problem = "there is a link or a device among the files" if usable else note
        if usable and all(
            (p.is_dir() or p.is_file()) and not p.is_symlink() for p in files
        ):
            grade = [nbgrader, *AUTOGRADE.split(), assignment, f"--student={student}"]
            problem = run(course, grade, chosen.seconds, chosen.memory)
        if problem:
            shutil.rmtree(course / "autograded" / student / assignment, True)
            python = nbgrader.with_name("python")
            run(course, [python, "-c", FORGET, assignment, student])
        notes[student] = f"0 points: {problem}" if problem else note
        print(f"{student}: {notes[student] or 'graded'}")
    for words in (["generate_feedback", assignment, "--force"], ["export"]):
        if problem := run(course, [nbgrader, *words]):
            sys.exit(f"nbgrader {words[0]}: {problem}")
    annotate(course / "grades.csv", assignment, notes)
    print(course / "grades.csv")


if __name__ == "__main__":
    main()
