"""Executes the notebooks whose code or library inputs have changed."""

import os
from collections.abc import Iterable
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from tqdm import tqdm

from book.build.files import write_if_changed
from book.build.inputs import (
    ENVIRONMENT,
    file_inputs,
    inputs,
    is_executed,
    recorded_inputs,
)
from book.build.kernel import CellFault, execute, stderr, threads
from book.build.source import FRAMEWORKS, Book, BookError, Chapter
from book.build.split import read_notebook, serialise, split
from d2l_lite import TITLES, installed

# One to write the files that notebooks share, one to read them all, one to spare.
PASSES = 3


@dataclass(frozen=True)
class Task:
    """A notebook to execute and the inputs to record with its outputs."""

    chapter: Chapter
    framework: str
    path: Path
    notebook: NotebookNode
    inputs: str

    def __str__(self) -> str:
        return f"{self.chapter.name} ({TITLES[self.framework]})"


def run(
    book: Book,
    chapters: Iterable[Chapter] | None = None,
    frameworks: Iterable[str] = FRAMEWORKS,
    force: bool = False,
    jobs: int = 2,
) -> None:
    """Splits the chapters and executes what is out of date, `jobs` notebooks at a time.

    While that changes files that notebooks share, what depends on them is out of date
    again and executed once more. Raises BookError if the files never come to rest, and
    at the first cell that fails or writes to stderr; its notebook stays as it was,
    those that have finished are kept.
    """
    chapters = list(book.chapters if chapters is None else chapters)
    frameworks = tuple(frameworks)
    available = tuple(filter(installed, frameworks))
    for framework in frameworks:
        if framework not in available:
            print(f"{TITLES[framework]} is not installed: its notebooks stay as is.")
    executed: set[Path] = set()
    changed: list[str] = []
    for number in range(PASSES):
        if changed:
            print(f"{', '.join(changed)} changed: what depends on it runs again.")
        split(book, chapters, frameworks)
        before = _files(book, chapters)
        # Chapter by chapter: a new one's faults show early in every framework.
        tasks = [
            _task(book, chapter, framework)
            for chapter in chapters
            for framework in available
        ]
        forced = force and number == 0
        stale = [task for task in tasks if forced or not _is_current(task)]
        if stale:
            _execute_all(book, stale, jobs)
        executed.update(task.path for task in stale)
        changed = sorted({name for name, _ in before ^ _files(book, chapters)})
        if not changed:
            break
    else:
        raise BookError(
            f"{', '.join(changed)}: still changing after {PASSES} executions, so that "
            "the notebooks are never up to date; make what is stored repeatable, and "
            "leave a file as it is while it says the same up to rounding"
        )
    print(
        f"{len(executed)} notebooks executed, {len(tasks) - len(executed)} unchanged."
    )


def _files(book: Book, chapters: Iterable[Chapter]) -> set[tuple[str, str]]:
    """Names and hashes of the files that the chapters' notebooks share."""
    return {file for chapter in chapters for file in file_inputs(book, chapter).items()}


def _task(book: Book, chapter: Chapter, framework: str) -> Task:
    path = book.notebook_path(chapter, framework)
    notebook = read_notebook(path)
    digest = inputs(book, chapter, framework, notebook)
    return Task(chapter, framework, path, notebook, digest)


def _is_current(task: Task) -> bool:
    same = recorded_inputs(task.notebook) == task.inputs
    return same and is_executed(task.notebook)


def _execute_all(book: Book, tasks: list[Task], jobs: int) -> None:
    running: list[str] = []
    with tqdm(total=len(tasks), unit="notebook") as progress, threads(jobs) as pool:

        def work(task: Task) -> None:
            running.append(str(task))
            progress.set_description(", ".join(running))
            try:
                _execute(book, task)
            finally:
                running.remove(str(task))
                progress.set_description(", ".join(running))

        for done in as_completed([pool.submit(work, task) for task in tasks]):
            done.result()
            progress.update()


def _execute(book: Book, task: Task) -> None:
    """Executes one notebook in its folder and writes it if all went well."""
    notebook = task.notebook
    _run_kernel(book, task)
    _normalise(notebook)
    for index, cell in enumerate(notebook.cells):
        if text := stderr(cell).rstrip():
            what = f"writes to stderr; mend or silence what writes it:\n{text}"
            raise fault(book, task, index, what)
    notebook.metadata.book = {"inputs": task.inputs}
    write_if_changed(task.path, serialise(notebook))


def _run_kernel(book: Book, task: Task) -> None:
    """Fills the outputs of the task's notebook."""
    try:
        execute(task.notebook, task.path.parent, _environment(book.root))
    except CellFault as error:
        raise failure(book, task, error) from None


def failure(book: Book, task: Task, error: CellFault) -> BookError:
    """Where a cell failed, its text and its traceback."""
    source = task.notebook.cells[error.index].source
    return fault(book, task, error.index, f"fails:\n\n{source}\n\n{error}")


def fault(book: Book, task: Task, index: int, what: str) -> BookError:
    """`chapters/x.md:41: cell 7 of x in JAX <what>`, the cell counted from 1."""
    cell = task.notebook.cells[index]
    framework = TITLES[task.framework]
    text = f"cell {index + 1} of {task.chapter.name} in {framework} {what}"
    if cell.id in task.chapter.lines:
        return task.chapter.error(cell, text)
    return BookError(text, book.relative(task.path))  # the splitter added the cell


def _environment(root: Path) -> dict[str, str]:
    # An inherited backend would keep the figures out of the notebook.
    inherited = {key: os.environ[key] for key in os.environ if key != "MPLBACKEND"}
    paths = [str(root), inherited.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    return inherited | ENVIRONMENT | {"PYTHONPATH": path}


def _normalise(notebook: NotebookNode) -> None:
    """Leaves nothing in the outputs that differs between two equal executions."""
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.metadata.pop("execution", None)
        outputs: list[NotebookNode] = []
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            last = outputs[-1] if outputs else None
            if (
                last
                and output.output_type == "stream"
                and last.get("name") == output.name
            ):
                last.text += output.text
            else:
                outputs.append(output)
        cell.outputs = outputs
