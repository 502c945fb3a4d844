"""Writes _build/pages/, the complete source tree from which Sphinx makes the site."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.build.files import write_if_changed
from book.build.merge import merged_cells
from book.build.source import (
    FRAMEWORKS,
    Book,
    Chapter,
    figure,
    frameworks,
    stated_reason,
)
from book.build.split import METADATA
from d2l_lite import TITLES

STATIC = Path(__file__).parents[1] / "site" / "static"
HEADING = re.compile(r"\A\s*#{1,6}\s")
FRONT_MATTER = ("*.md", "*.bib", "figures/*.svg")


def write_pages(book: Book, folder: Path) -> None:
    """Makes the folder what the sources say.

    A file that is right already keeps its time stamp, so that Sphinx reads only
    what changed; a file that no source stands behind is removed.
    """
    wanted = {folder / name: content for name, content in _files(book)}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
    for path, content in wanted.items():
        write_if_changed(path, content)


def page_notebook(book: Book, chapter: Chapter) -> NotebookNode:
    """The merged notebook of a chapter as Sphinx reads it."""
    cells: list[NotebookNode] = []
    for tagged, run in groupby(
        merged_cells(book, chapter), key=lambda cell: bool(frameworks(cell))
    ):
        before = cells[-1] if cells else None
        for group, caption in _cut(list(run)):
            cells += _tabs(chapter, group, before) if tagged else group
            cells += caption
    # For Sphinx's messages. MyST-NB adds 2; a fence of ours stands one line above.
    places = [cell.id.partition("_") for cell in cells]
    lines = [chapter.lines[cell] - 2 - len(fenced) for cell, fenced, _ in places]
    metadata = METADATA | {"source_map": lines}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _cut(
    cells: list[NotebookNode],
) -> Iterator[tuple[list[NotebookNode], list[NotebookNode]]]:
    """The cells in pieces, each up to the last cell of a figure, and its caption.

    A figure that every framework draws for itself has one caption below its tabs.
    """
    ends = {figure(cell)["name"]: n for n, cell in enumerate(cells) if figure(cell)}
    start = 0
    for end in ends.values():
        drawing = cells[end]
        name, caption = (figure(drawing)[key] for key in ("name", "caption"))
        for cell in cells[start : end + 1]:
            cell.metadata.get("mystnb", {}).pop("figure", None)
        fence = ":" * 12
        source = f"{fence}{{figure-of-cells}} {name}\n{caption}\n{fence}"
        yield (
            cells[start : end + 1],
            [nbformat.v4.new_markdown_cell(source, id=f"{drawing.id}_caption")],
        )
        start = end + 1
    if cells[start:]:
        yield cells[start:], []


def _tabs(
    chapter: Chapter, group: list[NotebookNode], before: NotebookNode | None
) -> Iterator[NotebookNode]:
    """A group's cells, each with one framework's tag, and a note in a tab without."""
    present = set()
    for cell in group:
        (framework,) = frameworks(cell)
        present.add(framework)
        prose = cell.cell_type == "markdown"
        yield _prose(chapter, cell, framework, cell.source) if prose else cell
    for framework in FRAMEWORKS:
        if framework not in present:
            note = f"There is no {TITLES[framework]} version of this step"
            if reason := stated_reason(chapter, group, before):
                note += f": {reason.rstrip('.')}"
            yield _prose(chapter, group[0], framework, f"{note}.")


def _prose(
    chapter: Chapter, cell: NotebookNode, framework: str, text: str
) -> NotebookNode:
    """Prose of one framework; Sphinx sees no tags of prose, so a directive has them."""
    if HEADING.search(text):
        raise chapter.error(
            cell,
            f"a heading in prose for {TITLES[framework]} only; headings belong in "
            "prose for all frameworks",
        )
    fence = ":" * 12
    source = f"{fence}{{framework}} {framework}\n{text}\n{fence}"
    return nbformat.v4.new_markdown_cell(source, id=f"{cell.id}_{framework}")


def _files(book: Book) -> Iterator[tuple[str, bytes]]:
    """Every file of the tree: its name and its content."""
    for pattern in FRONT_MATTER:
        for path in (book.root / "book").glob(pattern):
            yield path.relative_to(book.root).as_posix(), path.read_bytes()
    for chapter in book.chapters:
        text = nbformat.writes(page_notebook(book, chapter))
        yield f"chapters/{chapter.name}.ipynb", text.encode()
    for path in STATIC.iterdir():
        yield f"_static/{path.name}", path.read_bytes()
