"""One source per worksheet: a student's and a solution's notebook per framework."""

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path

import yaml
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
# In its place stands the text of a file, so that a notebook needs no file beside it, or
# what varies between the variants of a worksheet.
_INSERTED = re.compile(r"\{\{ ([\w./-]+) \}\}")
HOW_TO = (
    "Run the cells from top to bottom. Where it says `# YOUR CODE HERE`, your code "
    "takes the place of that line and of the `raise` below it. The checks say what is "
    "right, what differs and where to look. To ask for the cause, copy a check into a "
    "cell of your own and add `explain=True`. Run them as often as you like."
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
    book: Book, worksheet: Chapter, labels: Labels, seed: int = 0
) -> Iterator[tuple[Path, str]]:
    """Path and content of each of the worksheet's notebooks, in one of its variants."""
    labels = worksheet_labels(book, labels, worksheet)
    for framework in FRAMEWORKS:
        cells = _cells(book, worksheet, framework, labels, values(worksheet, seed))
        code = [cell for cell in cells if cell.cell_type == "code"]
        points = mark(worksheet, code)
        # One text for both: of the solution, too, nbgrader makes what students get.
        banner = new_markdown_cell(
            f'<!-- Generated from chapters/{worksheet.name}.md by "python -m book '
            f'split": edit that file. -->\n\nWorksheet for {TITLES[framework]}, '
            f"{points:g} points{f', variant {seed}' if seed else ''}. {HOW_TO}"
        )
        first = new_code_cell(installation(book, worksheet, framework))
        occurrences: Counter[str] = Counter()
        for cell in (banner, first):
            cell.id = cell_id(cell, occurrences)
        about = {"name": worksheet.path.stem, "framework": framework}
        about |= {"seed": seed} if seed else {}
        metadata = METADATA | {"worksheet": about}
        for path, kept in (
            (solution_path(book, worksheet, framework), cells),
            (student_path(book, worksheet, framework), _student(cells)),
        ):
            notebook = new_notebook(cells=[banner, first, *kept], metadata=metadata)
            yield path, serialise(notebook)


def _cells(
    book: Book,
    worksheet: Chapter,
    framework: str,
    labels: Labels,
    chosen: dict[str, str],
) -> list[NotebookNode]:
    plain = PlainMarkdown(book, labels, worksheet)
    cells = []
    for cell in worksheet.cells:
        if not belongs(cell, framework):
            continue
        source = _inserted(worksheet, cell, chosen)
        if cell.cell_type == "code":
            cells.append(new_code_cell(source, id=cell.id))
        elif text := plain.translate(source, worksheet.line(cell)):
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


def _inserted(worksheet: Chapter, cell: NotebookNode, values: dict[str, str]) -> str:
    """The cell's source with files and values in the place of their names."""

    def content(match: re.Match) -> str:
        name = match[1]
        path = worksheet.path.parent / name
        if name.startswith("files/") and path.exists():
            return read_text(path, f"{FOLDER}/{name}").strip()
        if name not in values:
            what = "does not exist" if "/" in name else "is not among its `variants`"
            raise worksheet.error(cell, f"{name} {what}; correct the name")
        return values[name]

    return _INSERTED.sub(content, cell.source)


def variants(worksheet: Chapter) -> list[dict[str, list[str]]]:
    """What varies in a worksheet, as its front matter declares it.

    Each entry holds names with as many values; those of one variant belong together,
    and the first are the book's own.
    """
    text = read_text(worksheet.path, worksheet.source)
    declared = yaml.safe_load(text.split("\n---", 1)[0]).get("variants", [])
    groups = declared if isinstance(declared, list) else [None]
    for group in groups:
        lists = group.values() if isinstance(group, dict) else ()
        if not lists or not all(isinstance(values, list) for values in lists):
            what = "variants: write `- name: [value, value]`"
            raise BookError(what, worksheet.source, 1)
        counts = {len(values) for values in group.values()}
        if len(counts) > 1 or max(counts) < 2:
            names = ", ".join(map(str, group))
            what = f"variants of {names}: give each as many values, two at least"
            raise BookError(what, worksheet.source, 1)
    return [{k: [str(v) for v in values] for k, values in g.items()} for g in groups]


def values(worksheet: Chapter, seed: int = 0) -> dict[str, str]:
    """What stands in a variant for each name; that of seed 0 is the book's.

    No other has any of the book's values. Two seeds have the same where they differ by
    a multiple of the number of the others.
    """
    chosen = {}
    for group in variants(worksheet):
        for name, offered in group.items():
            chosen[name] = offered[seed and 1 + (seed - 1) % (len(offered) - 1)]
    return chosen


def write_variant(book: Book, seed: int, frameworks: Iterable[str]) -> list[Path]:
    """Writes a variant of the worksheets that have some; returns the paths."""
    folder = book.root / "_build/variants" / str(seed)
    labels, paths = read_labels(book), []
    for worksheet in read_worksheets(book):
        if not variants(worksheet):
            continue
        for path, text in worksheet_texts(book, worksheet, labels, seed):
            path = folder / path.relative_to(book.root / FOLDER)
            if path.parent.name in frameworks:
                write_if_changed(path, text)
                paths.append(path)
    return paths
