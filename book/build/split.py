"""Splits each chapter into one notebook per framework and writes the models."""

import re
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
from book.build.source import (
    FRAMEWORKS,
    Book,
    BookError,
    Chapter,
    belongs,
    cell_id,
    figure,
    read_text,
    tags,
)
from book.build.vocabulary import SLIDES
from d2l_lite import TITLES

# What prepares Colab and Kaggle, whose `!` gives a cell's line to a shell.
_CELL = """\
import os
import sys

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    if sys.version_info < (3, 11):
        sys.exit("The book needs Python 3.11 or newer: take a newer runtime.")
{share}    # Fetch the book and install its library; what is here stays as it is{but}.
    !mkdir -p ~/{folder} && cd ~/{folder} && \\
        curl -sSfLo archive \\
        {archive} && \\
        tar -xzf archive --strip-components 1 && \\
        pip list --format freeze | grep -vE "^({free})=" >kept.txt && \\
        {first}(pip install --no-build-isolation --constraint kept.txt {library} \\
            >log 2>&1 || (grep -v satisfied log; false)) && \\
        echo Installed: $(pip list --format freeze | grep -vxFf kept.txt)
    if _exit_code:
        sys.exit("Not installed, for the reason above. It takes internet; on Kaggle, "
                 "switch that on in the settings.")
"""
_MXNET = """\
pip install -q --root-user-action ignore --no-deps {} && \\
        """
_END = {
    # A module that was imported before stays in use until the session is restarted.
    "jax": """\
    from importlib.metadata import version
    if "flax" in sys.modules and sys.modules["flax"].__version__ != version("flax"):
        sys.exit("An older Flax is in use: restart the session, then run all cells.")
""",
    # Colab's machines with TPU have none, and pip's would not know the TPU.
    "tensorflow": """\
    from importlib.util import find_spec
    if find_spec("tensorflow") is None:
        sys.exit("This runtime has no TensorFlow: take one with a CPU or a GPU.")
""",
}
_SHARE = {
    "jax": """\
    # Take GPU memory as it is needed: other notebooks use the same GPU.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
""",
    "tensorflow": """\
    # Take GPU memory as it is needed: other notebooks use the same GPU.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
""",
}
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
            "tags": [tag for tag in tags(cell) if tag not in SLIDES],
            "mystnb": cell.metadata.get("mystnb"),
        }
        kept = {key: value for key, value in kept.items() if value}
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
            "outside Colab and Kaggle, run it in a clone of the repository."
        )
    if framework == "mxnet":
        text += (
            " MXNet's last wheels have no GPU that today's CUDA serves: this notebook "
            "runs on the processor."
        )
    return text


def installation(book: Book, chapter: Chapter, framework: str) -> str:
    """The cell that prepares Colab and Kaggle; it does nothing elsewhere.

    Their packages fit each other and the GPU's driver: pip has to keep them all. MXNet
    comes without its dependencies, for its metadata asks for an older NumPy.
    """
    folder = Path(book.repository[0]).name.removesuffix(".git")
    cell = _CELL.format(
        share=_SHARE.get(framework, ""),
        but=",\n    # but for an older Flax" if framework == "jax" else "",
        folder=folder,
        archive=archive(book),
        free="|".join(replaceable(framework)),
        first=_MXNET.format(_mxnet(book)) if framework == "mxnet" else "",
        library={"jax": '".[jax]"', "mxnet": '".[mxnet]"'}.get(framework, "."),
    )
    cell += _END.get(framework, "")
    if book.files(chapter):
        cell += f"    %cd -q ~/{folder}/chapters/{framework}\n"
    return cell.rstrip()


def replaceable(framework: str) -> tuple[str, ...]:
    """What a first cell may replace of the packages that are there."""
    return ("d2l-lite", "flax") if framework == "jax" else ("d2l-lite",)


def archive(book: Book) -> str:
    """Address of the repository's files at its branch, as GitHub packs them."""
    url, branch = book.repository
    return f"{url}/archive/refs/heads/{branch}.tar.gz"


def _mxnet(book: Book) -> str:
    """The pin of MXNet."""
    name = "requirements-mxnet.txt"
    pin = re.search(r"^mxnet==[\w.]+", read_text(book.root / name, name), re.MULTILINE)
    if pin is None:
        raise BookError("has no line mxnet==<version>; write it", name)
    return pin[0]
