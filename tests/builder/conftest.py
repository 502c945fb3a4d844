"""What every test of the builder starts from."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from small_book import TemporaryBook

from book.build.split import serialise


@pytest.fixture
def temporary_book(tmp_path: Path) -> TemporaryBook:
    return TemporaryBook(tmp_path)


@pytest.fixture
def pretend_execution() -> Callable[..., None]:
    """Gives every code cell of a notebook an output, as an execution would."""

    def execute(path: Path, output: dict | None = None, inputs: str = "") -> None:
        notebook = nbformat.read(path, as_version=4)
        output = output or {"output_type": "stream", "name": "stdout", "text": "2\n"}
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for number, cell in enumerate(code, 1):
            cell.outputs = [nbformat.from_dict(output)]
            cell.execution_count = number
        if inputs:
            notebook.metadata.book = {"inputs": inputs}
        path.write_text(serialise(notebook), encoding="utf-8")

    return execute
