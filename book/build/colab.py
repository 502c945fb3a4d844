"""Executes each notebook as Colab does: alone, where its first cell installs all."""

import json
import os
import re
import site
import subprocess
import sysconfig
import tempfile
import venv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from tqdm import tqdm

from book.build.files import write_if_changed
from book.build.inputs import ENVIRONMENT
from book.build.kernel import CellFault, execute, stderr
from book.build.run import Task, failure, fault
from book.build.source import Book, BookError, Chapter
from book.build.split import read_notebook, serialise

# The first cell looks for Colab's module. After it the module goes: JAX would use it.
STARTUP = """\
def colab():
    import sys
    import types

    def leave(result):
        del sys.modules["google.colab"]
        events.unregister("post_run_cell", leave)

    sys.modules["google.colab"] = types.ModuleType("google.colab")
    events = get_ipython().events
    events.register("post_run_cell", leave)


colab()
del colab
"""
# What TensorFlow for GPUs tells where there are none: its level I, and how it logs.
NEWS = re.compile(r"^(I\d{4} |WARNING: All log messages before absl).*$", re.MULTILINE)
# Settings of the one who calls, which Colab does not have.
FOREIGN = ("D2L_LITE_DATA", "MPLBACKEND", "PYTHONPATH", "XDG_CACHE_HOME")


def run_in_colab(
    book: Book, chapters: Iterable[Chapter], frameworks: Iterable[str], jobs: int = 1
) -> None:
    """Executes copies of the notebooks, `jobs` at a time; the book stays as it is.

    What Colab offers are the packages of the Python that runs this. The copies, as far
    as they came, are in _build/colab. Prints what notebooks write to stderr, for newer
    packages may well warn. Raises BookError in the end: it names each cell that failed.
    """
    chapters = list(chapters)
    tasks = [
        _task(book, chapter, framework)
        for framework in frameworks
        for chapter in chapters
    ]
    faults = []
    with (
        tempfile.TemporaryDirectory(prefix="book-") as folder,
        ThreadPoolExecutor(jobs) as pool,
    ):
        repository = _repository(book, Path(folder, "repository.git"))
        results = pool.map(lambda task: _execute(book, task, repository), tasks)
        for failed, warnings in tqdm(results, total=len(tasks), unit="notebook"):
            for text in filter(None, [*warnings, failed]):
                tqdm.write(text)
            if failed:
                faults.append(failed.partition("\n")[0])
    if faults:
        counts = f"{len(faults)} of {len(tasks)} notebooks fail in Colab:"
        raise BookError("\n".join([counts, *faults]))
    cells = [cell for task in tasks for cell in task.notebook.cells]
    code = sum(cell.cell_type == "code" for cell in cells)
    print(f"{len(tasks)} notebooks with {code} code cells run as in Colab.")


def _repository(book: Book, path: Path) -> Path:
    """A repository of the working tree, committed or not, for notebooks to clone."""
    branch = book.repository[1]
    git = ["git", f"--git-dir={path}", f"--work-tree={book.root}"]
    me = ["-c", "user.name=book", "-c", "user.email=book", "-c", "commit.gpgsign=false"]
    for command in (
        ["git", "init", "--quiet", "--bare", f"--initial-branch={branch}", str(path)],
        [*git, "add", "--all"],
        [*git, *me, "commit", "--quiet", "--message=Working tree"],
    ):
        done = subprocess.run(command, cwd=book.root, capture_output=True, text=True)
        if done.returncode:
            raise BookError(f"git cannot copy the working tree: {done.stderr.strip()}")
    return path


def _task(book: Book, chapter: Chapter, framework: str) -> Task:
    source = book.notebook_path(chapter, framework)
    notebook = read_notebook(source)
    if notebook is None:
        what = "missing or damaged; run `python -m book split`"
        raise BookError(what, book.relative(source))
    path = book.root / "_build" / "colab" / framework / f"{chapter.name}.ipynb"
    return Task(chapter, framework, path, notebook, inputs="")


def _execute(book: Book, task: Task, repository: Path) -> tuple[str, list[str]]:
    """Executes one notebook; returns its fault, if any, and its warnings."""
    failed = ""
    with tempfile.TemporaryDirectory(prefix="colab-") as folder:
        machine = Path(folder)
        manager = _manager(machine)
        content = machine / "content"
        content.mkdir()
        try:
            execute(
                task.notebook, content, _environment(book, machine, repository), manager
            )
        except CellFault as error:
            failed = str(failure(book, task, error))
    write_if_changed(task.path, serialise(task.notebook))
    warnings = [
        str(fault(book, task, index, f"writes to stderr:\n{text}"))
        for index, cell in enumerate(task.notebook.cells)
        if (text := NEWS.sub("", stderr(cell)).strip())
    ]
    return failed, warnings


def _manager(machine: Path) -> AsyncKernelManager:
    """For a kernel whose Python sees this one's packages and installs elsewhere."""
    venv.create(machine / "venv", symlinks=True)
    own = {"base": str(machine / "venv"), "platbase": str(machine / "venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", own))
    lines = [f"site.addsitedir({folder!r})" for folder in site.getsitepackages()]
    (packages / "colab.pth").write_text("import site; " + "; ".join(lines) + "\n")
    python = Path(sysconfig.get_path("scripts", "venv", own), "python")
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
    }
    kernels = machine / "kernels"
    write_if_changed(kernels / "colab" / "kernel.json", json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(kernels)])
    return AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs)


def _environment(book: Book, machine: Path, repository: Path) -> dict[str, str]:
    home = machine / "home"
    startup = home / ".ipython" / "profile_default" / "startup" / "colab.py"
    write_if_changed(startup, STARTUP)
    inherited = {key: os.environ[key] for key in os.environ if key not in FOREIGN}
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (
        inherited
        | ENVIRONMENT
        | {
            "HOME": str(home),
            # Git gets the book's address from the cell and reads this repository.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": book.repository[0],
            # Downloads and the list of fonts serve all machines.
            "MPLCONFIGDIR": str(caches / "matplotlib"),
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR") or str(caches / "pip"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
    )
