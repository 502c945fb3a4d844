"""The page's cells: the chapter's source with the outputs of its executed notebooks."""

import json
import re
from base64 import b64decode
from copy import deepcopy
from io import BytesIO
from itertools import zip_longest
from math import inf

from nbformat import NotebookNode
from PIL import Image, ImageChops

from book.build.inputs import inputs, recorded_inputs
from book.build.source import FRAMEWORKS, Book, Chapter, frameworks
from book.build.split import read_notebook
from d2l_lite import TITLES

SVG = "image/svg+xml"
NUMBER = re.compile(r"-?\d+\.?\d*")


def merged_cells(book: Book, chapter: Chapter) -> list[NotebookNode]:
    """Cells of the source in order, prose as in the source, code with its outputs.

    A cell that no notebook has executed has no outputs. Raises BookError if a cell
    that all share shows different outputs in them.
    """
    notebooks = {
        name: notebook
        for name in FRAMEWORKS
        if (notebook := read_notebook(book.notebook_path(chapter, name)))
    }
    executed = {name: _executed(notebook) for name, notebook in notebooks.items()}
    stale = [
        name
        for name, notebook in notebooks.items()
        if recorded_inputs(notebook)
        not in (None, inputs(book, chapter, name, notebook))
    ]
    cells = []
    for source in chapter.cells:
        cell = deepcopy(source)
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        found = {
            name: executed[name][cell.id]
            for name in frameworks(cell) or FRAMEWORKS
            if cell.id in executed.get(name, ())
        }
        # Outputs of other inputs may differ: they count only where there are no others.
        found = {name: found[name] for name in found if name not in stale} or found
        _require_equal(chapter, cell, found)
        if found:
            shown = next(iter(found.values()))
            cell.outputs = shown.outputs
            cell.execution_count = shown.execution_count
    return cells


def _executed(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The executed code cells of a notebook by their ids."""
    return {
        cell.id: cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.execution_count is not None
    }


def _require_equal(
    chapter: Chapter, cell: NotebookNode, found: dict[str, NotebookNode]
) -> None:
    shown = {name: _shown(executed) for name, executed in found.items()}
    first = next(iter(shown), "")
    for name in shown:
        if difference := _difference(shown[name], shown[first]):
            what = f"the output of this shared cell differs: {TITLES[name]} shows "
            if distance := _distance(*difference):
                what += (
                    f"the picture of {TITLES[first]} but for rounding ({distance}); "
                )
                what += "draw it from rounded numbers,"
            else:
                here, there = (repr(line[:80]) for line in difference)
                what += f"{here}, {TITLES[first]} {there};"
            raise chapter.error(
                cell,
                f"{what} give it the tag `each`, or execute the notebooks anew with "
                f"`python -m book run --force --chapter {chapter.name}`",
            )


def _shown(cell: NotebookNode) -> list[str]:
    """The outputs as lines of text, without the numbers of their execution."""
    lines = []
    for output in cell.outputs:
        if output.output_type == "stream":
            lines += output.text.splitlines()
        elif "text/plain" in output.get("data", ()) and len(output.data) == 1:
            lines += output.data["text/plain"].splitlines()
        else:
            lines.append(
                json.dumps({**output, "execution_count": None}, sort_keys=True)
            )
    return lines


def _difference(here: list[str], there: list[str]) -> tuple[str, str] | None:
    """The first lines that differ, if any do."""
    pairs = zip_longest(here, there, fillvalue="")
    return next((pair for pair in pairs if not _alike(*pair)), None)


def _alike(here: str, there: str) -> bool:
    """Whether two lines show the same: drawings may differ by their last digits.

    What is drawn may come from a framework's arithmetic; a hundredth of a point is
    less than anybody sees.
    """
    return here == there or _points(here, there) < 0.01


def _points(here: str, there: str) -> float:
    """How far apart two drawings are that differ in their numbers only."""
    if SVG not in here or NUMBER.sub("", here) != NUMBER.sub("", there):
        return inf
    numbers = zip(NUMBER.findall(here), NUMBER.findall(there))
    return max(abs(float(one) - float(other)) for one, other in numbers)


def _distance(here: str, there: str) -> str:
    """How little two pictures differ, if that may come from rounding; else empty."""
    if (points := _points(here, there)) < 1:
        return f"at most {points:.2g} points"
    try:
        one, other = (
            Image.open(BytesIO(b64decode(json.loads(line)["data"]["image/png"])))
            for line in (here, there)
        )
    except (ValueError, KeyError, TypeError, OSError):  # text, or another picture
        return ""
    if (one.size, one.mode) != (other.size, other.mode):
        return ""
    pixels = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getdata()
    share = sum(map(any, pixels)) / len(pixels)
    most = max(map(max, pixels))
    if most > 32 and share > 0.01:
        return ""
    return f"{share:.2%} of the pixels, by at most {most} of 255"
