"""A worksheet's cells, run in this process: a kernel for each case would take hours."""

import ast
import importlib
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import matplotlib
import nbformat
from nbformat import NotebookNode
from students import overheard

from book.build.source import Book
from book.build.worksheets import FOLDER
from d2l_classroom.report import Message

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


class Outcome(NamedTuple):
    """What a cell has raised, returned, printed, and which messages a check has had."""

    error: Exception | None
    value: Any
    printed: str
    messages: list[Message]


class Session:
    """A notebook's cells in one namespace, and how each ended."""

    def __init__(self, framework: str, name: str, solution: bool) -> None:
        matplotlib.use("Agg")
        importlib.import_module(f"d2l_lite.{framework}")
        self.framework = framework
        self.cells = code_cells(framework, name, solution)
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.outcomes = {cell.id: self.run(cell.source) for cell in self.cells}

    def run(self, source: str) -> Outcome:
        """Execute a cell's text; its last expression is its value."""
        error, value, printed = None, None, StringIO()
        *first, last = ast.parse(source).body
        shown = isinstance(last, ast.Expr)
        try:
            # In the tests' process the others are loaded as well.
            with (
                patch("d2l_classroom.checker.loaded", lambda call: self.framework),
                overheard() as messages,
                redirect_stdout(printed),
            ):
                body = first if shown else [*first, last]
                exec(compile(ast.Module(body, []), "<cell>", "exec"), self.namespace)
                if shown:
                    expression = ast.Expression(last.value)
                    value = eval(compile(expression, "<cell>", "eval"), self.namespace)
        except Exception as raised:
            error = raised
        return Outcome(error, value, printed.getvalue(), messages)

    def graded(self) -> dict[str, tuple[float, float]]:
        """The points of each check, and how many there are."""
        return {
            role(cell): (self.outcomes[cell.id].value, cell.metadata.nbgrader.points)
            for cell in self.cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        }

    def with_answer(self, check: str, old: str, new: str) -> Outcome:
        """How a check ends when `new` stands for `old` in one of its answers."""
        (answer,) = (text for text in self._answers(check) if old in text)
        return self.with_text(check, answer.replace(old, new))

    def with_text(self, check: str, text: str) -> Outcome:
        """How a check ends when a cell of this text has run behind its answers."""
        (judge,) = (cell for cell in self.cells if role(cell) == f"check-{check}")
        try:
            made = self.run(text)
            return made if made.error else self.run(judge.source)
        finally:
            for answer in self._answers(check):
                self.run(answer)

    def _answers(self, check: str) -> list[str]:
        prefix = f"answer-{check}-"
        return [cell.source for cell in self.cells if role(cell).startswith(prefix)]


@cache
def solved(framework: str, name: str) -> Session:
    """The solution, run once; wrong answers leave it as it was."""
    return Session(framework, name, solution=True)
