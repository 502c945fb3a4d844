"""One source per worksheet: a student's and a solution's notebook per framework."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.build.files import write_if_changed
from book.build.labels import Labels, add_chapter, read_labels
from book.build.markdown import PlainMarkdown
from book.build.nbgrader import mark, without_solutions
from book.build.source import (
    FRAMEWORKS,
    Book,
    BookError,
    Chapter,
    belongs,
    cell_id,
    read_chapter,
    read_text,
)
from book.build.split import METADATA, installation, serialise
from d2l_lite import TITLES

FOLDER = "chapters/worksheets"
# A file's text inside of a cell, so that a notebook needs no file beside it.
_INCLUDED = re.compile(r"\{\{ (files/[\w./-]+) \}\}")
HOW_TO = (
    "Run the cells from top to bottom. Where it says `# YOUR CODE HERE`, your code "
    "takes the place of that line and of the `raise` below it. The checks say what is "
    "right, what differs and where to look, and `explain=True` in a call of `check` "
    "asks for the cause; run them as often as you like."
)


def read_worksheets(book: Book) -> tuple[Chapter, ...]:
    """The worksheets by name: a `Chapter` each, called `worksheets/<name>`."""
    return tuple(
        read_chapter(path, f"worksheets/{path.stem}")
        for path in sorted((book.root / FOLDER).glob("*.md"))
    )


def worksheet_labels(book: Book, labels: Labels, worksheet: Chapter) -> Labels:
    """The book's labels, and the worksheet's own, which no page knows."""
    labels = deepcopy(labels)
    add_chapter(labels, worksheet)
    return labels


def student_path(book: Book, worksheet: Chapter, framework: str) -> Path:
    return book.root / FOLDER / framework / f"{worksheet.path.stem}.ipynb"


def solution_path(book: Book, worksheet: Chapter, framework: str) -> Path:
    name = f"{worksheet.path.stem}.ipynb"
    return book.root / FOLDER / "solutions" / framework / name


def write_worksheets(book: Book) -> None:
    """Writes every worksheet's notebooks."""
    labels = read_labels(book)
    for worksheet in read_worksheets(book):
        for path, text in worksheet_texts(book, worksheet, labels):
            write_if_changed(path, text)


def copy_worksheets(book: Book, site: Path) -> None:
    """Puts the students' notebooks into the site; the solutions never."""
    for worksheet in read_worksheets(book):
        for framework in FRAMEWORKS:
            path = student_path(book, worksheet, framework)
            if not path.exists():
                raise BookError(
                    f"{book.relative(path)}: missing; run `python -m book split`"
                )
            folder = site / "notebooks" / "worksheets" / framework
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder)


def worksheet_texts(
    book: Book, worksheet: Chapter, labels: Labels
) -> Iterator[tuple[Path, str]]:
    """Path and content of each of the worksheet's notebooks."""
    labels = worksheet_labels(book, labels, worksheet)
    for framework in FRAMEWORKS:
        cells = _cells(book, worksheet, framework, labels)
        code = [cell for cell in cells if cell.cell_type == "code"]
        points = mark(worksheet, code)
        # One text for both: of the solution, too, nbgrader makes what students get.
        banner = new_markdown_cell(
            f'<!-- Generated from chapters/{worksheet.name}.md by "python -m book '
            f'split": edit that file. -->\n\nWorksheet for {TITLES[framework]}, '
            f"{points:g} points. {HOW_TO}"
        )
        first = new_code_cell(installation(book, worksheet, framework))
        occurrences: Counter[str] = Counter()
        for cell in (banner, first):
            cell.id = cell_id(cell, occurrences)
        about = {"name": worksheet.path.stem, "framework": framework}
        metadata = METADATA | {"worksheet": about}
        for path, kept in (
            (solution_path(book, worksheet, framework), cells),
            (student_path(book, worksheet, framework), _student(cells)),
        ):
            notebook = new_notebook(cells=[banner, first, *kept], metadata=metadata)
            yield path, serialise(notebook)


def _cells(
    book: Book, worksheet: Chapter, framework: str, labels: Labels
) -> list[NotebookNode]:
    plain = PlainMarkdown(book, labels, worksheet)
    cells = []
    for cell in worksheet.cells:
        if not belongs(cell, framework):
            continue
        if cell.cell_type == "code":
            source = _included(worksheet, cell)
            cells.append(new_code_cell(source, id=cell.id))
        elif text := plain.translate(cell.source, worksheet.line(cell)):
            cells.append(new_markdown_cell(text, id=cell.id))
    return cells


def _student(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells without solutions and hidden tests, under the ids that they have."""
    cells = deepcopy(cells)
    for cell in cells:
        if cell.cell_type == "code":
            cell.source = without_solutions(cell.source)
        if cell.metadata.get("nbgrader", {}).get("locked"):
            cell.metadata |= {"deletable": False, "editable": False}
    return cells


def _included(worksheet: Chapter, cell: NotebookNode) -> str:
    """The cell's source with the files that it names in the place of their names."""

    def content(match: re.Match) -> str:
        path = worksheet.path.parent / match[1]
        if not path.exists():
            what = f"{FOLDER}/{match[1]} does not exist; correct the name"
            raise worksheet.error(cell, what)
        return read_text(path, f"{FOLDER}/{match[1]}").strip()

    return _INCLUDED.sub(content, cell.source)
