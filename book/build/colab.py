"""Executes each notebook as Colab does: alone, where its first cell installs all."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from tqdm import tqdm

from book.build.files import write_if_changed
from book.build.inputs import ENVIRONMENT
from book.build.kernel import CellFault, execute, stderr, threads
from book.build.run import Task, failure, fault
from book.build.source import Book, BookError, Chapter
from book.build.split import archive, read_notebook, replaceable, serialise

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
# Prints name and version of all packages; where there are two, what an import finds.
VERSIONS = """\
import json
from importlib.metadata import distributions
pairs = [(each.name.lower().replace("_", "-"), each.version)
         for each in distributions()]
print(json.dumps(dict(reversed(pairs))))
"""


def run_in_colab(
    book: Book,
    chapters: Iterable[Chapter],
    frameworks: Iterable[str],
    python: Path = Path(sys.executable),
    only_first_cells: bool = False,
    jobs: int = 1,
) -> None:
    """Executes copies of the notebooks, `jobs` at a time; the book stays as it is.

    What Colab offers are the packages of `python`, which stay as they are. The copies,
    as far as they came, are in _build/colab. Prints what notebooks write to stderr, for
    newer packages may well warn. Raises BookError in the end: it names each cell that
    failed, and each first cell that changed a package.
    """
    chapters = list(chapters)
    tasks = [
        _task(book, chapter, framework, only_first_cells)
        for framework in frameworks
        for chapter in chapters
    ]
    faults = []
    with (
        tempfile.TemporaryDirectory(prefix="book-") as folder,
        threads(jobs) as pool,
    ):
        packed = _archive(book, Path(folder, "archive.tar.gz"))
        results = pool.map(lambda task: _execute(book, task, python, packed), tasks)
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


def _archive(book: Book, path: Path) -> Path:
    """The working tree, committed or not, as the repository's archive has it."""
    repository = path.with_suffix(".git")
    git = ["git", f"--git-dir={repository}", f"--work-tree={book.root}"]
    for command in (
        ["git", "init", "--quiet", "--bare", str(repository)],
        [*git, "add", "--all"],
        [*git, "write-tree"],
    ):
        tree = _output(command, book.root)
    _output([*git, "archive", "--prefix=book/", f"--output={path}", tree], book.root)
    return path


def _output(command: list[str], folder: Path) -> str:
    """What a command prints. Raises BookError with its last words where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise BookError(f"{' '.join(command)} fails: {done.stderr.strip()}")
    return done.stdout.strip()


def _task(book: Book, chapter: Chapter, framework: str, only_first_cell: bool) -> Task:
    source = book.notebook_path(chapter, framework)
    notebook = read_notebook(source)
    if notebook is None:
        what = "missing or damaged; run `python -m book split`"
        raise BookError(what, book.relative(source))
    if only_first_cell:
        code = [cell.cell_type == "code" for cell in notebook.cells]
        del notebook.cells[code.index(True) + 1 :]
    path = book.root / "_build" / "colab" / framework / f"{chapter.name}.ipynb"
    return Task(chapter, framework, path, notebook, inputs="")


def _execute(
    book: Book, task: Task, python: Path, packed: Path
) -> tuple[str, list[str]]:
    """Executes one notebook; returns its fault, if any, and its warnings."""
    failed = ""
    cells = task.notebook.cells
    first = next(cell for cell in cells if cell.cell_type == "code")
    published = first.source
    if archive(book) not in published:
        what = f"its first cell does not fetch {archive(book)}"
        raise BookError(f"{what}; run `python -m book split`", str(task))
    first.source = published.replace(archive(book), packed.as_uri())
    with tempfile.TemporaryDirectory(prefix="colab-") as folder:
        machine = Path(folder)
        own = _overlay(machine / "venv", python)
        before = _versions(own)
        content = machine / "content"
        content.mkdir()
        environment = _environment(machine, own)
        try:
            execute(task.notebook, content, environment, _manager(machine, own))
        except CellFault as error:
            printed = "".join(output.get("text", "") for output in first.outputs)
            failed = f"{failure(book, task, error)}\n{printed}"
        after = _versions(own)
    first.source = published
    changes = [
        f"{name} {version} → {after.get(name, 'removed')}"
        for name, version in before.items()
        if after.get(name) != version and name not in replaceable(task.framework)
    ]
    if changes and not failed:
        what = f"changes what was installed: {', '.join(changes)}"
        failed = str(fault(book, task, cells.index(first), what))
    write_if_changed(task.path, serialise(task.notebook))
    warnings = [
        str(fault(book, task, index, f"writes to stderr:\n{text}"))
        for index, cell in enumerate(cells)
        if (text := NEWS.sub("", stderr(cell)).strip())
    ]
    return failed, warnings


def _versions(python: Path) -> dict[str, str]:
    return json.loads(_output([str(python), "-c", VERSIONS], python.parent))


def _overlay(folder: Path, python: Path) -> Path:
    """A Python that sees the packages of another one and installs into `folder`."""
    _output([str(python), "-m", "venv", "--without-pip", str(folder)], folder.parent)
    own = folder / "bin" / "python"
    where = "import json, site; print(json.dumps(site.getsitepackages()))"
    seen = json.loads(_output([str(python), "-c", where], folder.parent))
    (packages,) = json.loads(_output([str(own), "-c", where], folder.parent))
    lines = [f"site.addsitedir({name!r})" for name in seen]
    Path(packages, "colab.pth").write_text("import site; " + "; ".join(lines) + "\n")
    for name, module in (("pip", "pip"), ("torchrun", "torch.distributed.run")):
        program = own.with_name(name)
        program.write_text(f'#!/bin/sh\nexec "{own}" -m {module} "$@"\n')
        program.chmod(0o755)
    return own


def _manager(machine: Path, python: Path) -> AsyncKernelManager:
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
    }
    kernels = machine / "kernels"
    write_if_changed(kernels / "colab" / "kernel.json", json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(kernels)])
    return AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs)


def _environment(machine: Path, python: Path) -> dict[str, str]:
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
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            # Downloads and the list of fonts serve all machines.
            "MPLCONFIGDIR": str(caches / "matplotlib"),
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR") or str(caches / "pip"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # Else a kernel's debugger warns of Python's frozen modules.
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
    )
