"""Splits each chapter into one notebook per framework and writes the models."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.build.files import write_if_changed
from book.build.labels import Labels, read_labels
from book.build.markdown import PlainMarkdown
from book.build.models import models_text
from book.build.source import FRAMEWORKS, Book, Chapter, belongs, cell_id, figure
from d2l_lite import TITLES

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def split(
    book: Book,
    chapters: Iterable[Chapter] | None = None,
    frameworks: Iterable[str] = FRAMEWORKS,
) -> None:
    """Writes the notebooks that are asked for, and the models of every framework."""
    labels = read_labels(book)
    frameworks = tuple(frameworks)
    for chapter in book.chapters if chapters is None else chapters:
        for framework in frameworks:
            path = book.notebook_path(chapter, framework)
            text = notebook_text(book, chapter, framework, labels)
            write_if_changed(path, text)
    package = book.root / "d2l_lite" / "models" / "__init__.py"
    if not package.exists():
        write_if_changed(package, '"""The book\'s networks, one module each."""\n')
    for framework in FRAMEWORKS:
        write_if_changed(book.models_path(framework), models_text(book, framework))


def notebook_text(book: Book, chapter: Chapter, framework: str, labels: Labels) -> str:
    """The notebook as it belongs on disk.

    A cell that is unchanged there (same id) keeps its outputs.
    """
    previous = read_notebook(book.notebook_path(chapter, framework))
    notebook = new_notebook(metadata=METADATA)
    if previous and "book" in previous.metadata:
        notebook.metadata.book = previous.metadata.book
    notebook.cells = _cells(book, chapter, framework, labels)
    executed = {cell.id: cell for cell in previous.cells} if previous else {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id in executed:
            cell.outputs = executed[cell.id].outputs
            cell.execution_count = executed[cell.id].execution_count
    return serialise(notebook)


def read_notebook(path: Path) -> NotebookNode | None:
    """The notebook on disk; None where there is none that can be read."""
    try:
        notebook = nbformat.reader.reads(path.read_text(encoding="utf-8"))
        nbformat.validate(notebook)
        return notebook if all("id" in cell for cell in notebook.cells) else None
    # What JSON that is no notebook, or text that is no JSON, makes nbformat raise.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    except nbformat.ValidationError:
        return None


def serialise(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook) + "\n"


def _cells(
    book: Book, chapter: Chapter, framework: str, labels: Labels
) -> list[NotebookNode]:
    occurrences: Counter[str] = Counter()
    cells = [
        new_markdown_cell(_banner(book, chapter, framework, labels)),
        new_code_cell(installation(book, chapter, framework)),
    ]
    for cell in cells:
        cell.id = cell_id(cell, occurrences)
    plain = PlainMarkdown(book, labels, chapter)
    for cell in chapter.cells:
        if not belongs(cell, framework):
            continue
        kept = {
            key: cell.metadata[key]
            for key in ("tags", "mystnb")
            if key in cell.metadata
        }
        if cell.cell_type == "code":
            cells.append(new_code_cell(cell.source, id=cell.id, metadata=kept))
            if figure(cell):
                text = plain.caption(figure(cell), chapter.line(cell))
                cells.append(new_markdown_cell(text, id=f"{cell.id}-caption"))
        elif text := plain.translate(cell.source, chapter.line(cell)):
            cells.append(new_markdown_cell(text, id=cell.id, metadata=kept))
    return cells


def _banner(book: Book, chapter: Chapter, framework: str, labels: Labels) -> str:
    document = f"chapters/{chapter.name}"
    page = f"{book.url(document)}?framework={framework}"
    title = labels.titles.get(document, chapter.name)
    text = (
        f'<!-- Generated from {document}.md by "python -m book split": '
        "edit that file. -->\n\n"
        f"This is the {TITLES[framework]} notebook of [{title}]({page}); the page "
        "shows all four frameworks."
    )
    if book.files(chapter):  # which a notebook that was downloaded alone lacks
        url, branch = book.repository
        files = f"{url}/tree/{branch}/chapters/files/{chapter.name}"
        text += (
            f" It shares [files]({files}) with the notebooks of the other three: "
            "outside Colab, run it in a clone of the repository."
        )
    return text


def installation(book: Book, chapter: Chapter, framework: str) -> str:
    """The cell that prepares Colab; it does nothing elsewhere."""
    url, branch = book.repository
    extra = "" if framework == "mxnet" else f"[{framework}]"
    lines = []
    if framework == "mxnet":  # its metadata asks for a NumPy older than Colab's
        lines.append("%pip install -q --no-deps mxnet==1.9.1")
    if book.files(chapter):  # they come with a clone; from ~, the cell can run twice
        clone = Path(url).name.removesuffix(".git")
        lines += [
            "%cd -q ~",
            f"!test -d {clone} || git clone -q --depth 1 --branch {branch} {url}",
            f'%pip install -q "./{clone}{extra}"',
            f"%cd -q {clone}/chapters/{framework}",
        ]
    else:
        lines.append(f'%pip install -q "d2l-lite{extra} @ git+{url}@{branch}"')
    condition = ["import sys", "", 'if "google.colab" in sys.modules:']
    return "\n".join([*condition, *(f"    {line}" for line in lines)])
