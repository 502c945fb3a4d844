"""A worksheet's cells, run in this process: a kernel for each case would take hours."""

import importlib
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import matplotlib
import nbformat
from nbformat import NotebookNode

from book.build.source import Book
from book.build.worksheets import FOLDER

ROOT = Book().root / FOLDER
NAMES = tuple(sorted(path.stem for path in ROOT.glob("*.md")))


def notebook_path(framework: str, name: str, solution: bool) -> Path:
    return ROOT / ("solutions" if solution else "") / framework / f"{name}.ipynb"


def code_cells(framework: str, name: str, solution: bool) -> list[NotebookNode]:
    """All code but the first cell's, which prepares Colab."""
    notebook = nbformat.read(notebook_path(framework, name, solution), as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"][1:]


def role(cell: NotebookNode) -> str:
    """`answer-…`, `check-…`, or nothing."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


class Session:
    """A notebook's cells in one namespace, and what each raised."""

    def __init__(self, framework: str, name: str, solution: bool) -> None:
        matplotlib.use("Agg")
        importlib.import_module(f"d2l_lite.{framework}")
        self.framework = framework
        self.cells = code_cells(framework, name, solution)
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.raised = {cell.id: self.run(cell.source) for cell in self.cells}

    def run(self, source: str) -> Exception | None:
        """Execute a cell's text; what it raised."""
        try:
            # In the tests' process the others are loaded as well.
            with patch("d2l_classroom.checker.loaded", lambda call: self.framework):
                exec(compile(source, "<cell>", "exec"), self.namespace)
        except Exception as error:
            return error
        return None

    def failures(self) -> dict[str, Exception]:
        """What cells raised, by their roles."""
        return {
            role(cell): error
            for cell in self.cells
            if (error := self.raised[cell.id]) is not None
        }

    def with_wrong_answer(self, check: str, old: str, new: str) -> Exception | None:
        """What a check raises when `new` stands for `old` in one of its answers."""
        (answer,) = (
            cell
            for cell in self.cells
            if role(cell).startswith(f"answer-{check}-") and old in cell.source
        )
        (judge,) = (cell for cell in self.cells if role(cell) == f"check-{check}")
        try:
            error = self.run(answer.source.replace(old, new))
            return error or self.run(judge.source)
        finally:
            self.run(answer.source)


@cache
def solved(framework: str, name: str) -> Session:
    """The solution, run once; wrong answers leave it as it was."""
    return Session(framework, name, solution=True)
