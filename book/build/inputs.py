"""What a notebook's outputs depend on, as one hash."""

import hashlib
from functools import cache

from nbformat import NotebookNode

from book.build.imports import Repository, cell_imports
from book.build.source import Book, Chapter

# Equal outputs in every run; also what the strict notebook tests need. One thread each:
# sums keep their order on every machine, and two notebooks at a time fill two cores.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "D2L_LITE_PROGRESS": "plain",
    "D2L_LITE_SCALE": "quick",
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
PINS = ("requirements.txt", "requirements-mxnet.txt")
# Below this line of requirements.txt only the pins of what runs a cell count.
TOOLS = "# From chapters to notebooks"
KERNEL = ("ipykernel", "matplotlib-inline")


def inputs(book: Book, chapter: Chapter, framework: str, notebook: NotebookNode) -> str:
    """Hash of all that the notebook's outputs depend on.

    That are its code cells, the modules of this repository that they import and those
    that these import in turn, the data files that such a module names, the files that
    the chapter's notebooks share, the pins, and the settings. Comments, docstrings and
    blank lines of modules do not count. A module that is imported by a name put
    together at run time counts only if it is the framework's own,
    `d2l_lite.<framework>`, which counts always.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    names = {f"d2l_lite.{framework}", "d2l_lite"}
    names.update(*(cell_imports(cell.source) for cell in cells))
    parts = [
        *ENVIRONMENT.items(),
        *_pins(book),
        *_repository(book).closure(names).items(),
        *((cell.id, cell.source) for cell in cells),
        *file_inputs(book, chapter).items(),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def file_inputs(book: Book, chapter: Chapter) -> dict[str, str]:
    """Hash of each file that the chapter's notebooks share, by its name."""
    return {
        book.relative(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in book.files(chapter)
    }


def is_executed(notebook: NotebookNode) -> bool:
    """Whether every code cell has run."""
    return all(
        cell.execution_count is not None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )


def recorded_inputs(notebook: NotebookNode) -> str | None:
    """The hash with which the notebook's outputs were made."""
    return notebook.metadata.get("book", {}).get("inputs")


@cache  # Like its chapters, a book's library is read once.
def _repository(book: Book) -> Repository:
    return Repository(book.root)


@cache
def _pins(book: Book) -> tuple[str, ...]:
    """The pins on which outputs depend: not those of the book's tools."""
    pins = []
    for name in PINS:
        path, tools = book.root / name, False
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            tools |= line.startswith(TOOLS)
            pin = line.partition("#")[0].strip()
            if pin and (not tools or pin.partition("==")[0].strip() in KERNEL):
                pins.append(pin)
    return tuple(sorted(pins))
