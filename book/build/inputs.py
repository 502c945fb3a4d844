"""What a notebook's outputs depend on, as one hash."""

import ast
import hashlib
import io
import tokenize
from functools import cache
from pathlib import Path

from nbformat import NotebookNode

from book.build.source import FRAMEWORKS, Book, BookError, Chapter

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


# Below this line of requirements.txt only the pins of what runs a cell count.
TOOLS = "# From chapters to notebooks"
KERNEL = ("ipykernel", "matplotlib-inline")


def inputs(book: Book, chapter: Chapter, framework: str, notebook: NotebookNode) -> str:
    """Hash of the notebook's library and code, and of the files that it shares."""
    digest = hashlib.sha256(library_inputs(book, framework).encode())
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(f"\0{cell.id}\0{cell.source}".encode())
    for name, content in file_inputs(book, chapter).items():
        digest.update(f"\0{name}\0{content}".encode())
    return digest.hexdigest()


def file_inputs(book: Book, chapter: Chapter) -> dict[str, str]:
    """Hash of each file that the chapter's notebooks share, by its name."""
    return {
        book.relative(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in book.files(chapter)
    }


@cache
def library_inputs(book: Book, framework: str) -> str:
    """Hash of the modules, data and pins that the framework's notebooks use.

    Comments, docstrings and blank lines do not count. Like its chapters, a book's
    library is read once.
    """
    root = book.root / "d2l_lite"
    others = {f"{name}.py" for name in FRAMEWORKS if name != framework}
    # Not the classroom, which no chapter uses.
    found = [*sorted(root.glob("*.py")), *sorted(root.glob("devices/*.py"))]
    modules = [path for path in found if path.name not in others]
    modules.append(book.models_path(framework))
    digest = hashlib.sha256(repr(sorted(ENVIRONMENT.items())).encode())
    for path in modules:
        if path.exists():
            place = f"{path.parent.name}/{path.name}"
            code = _code(path.read_text(encoding="utf-8"), place)
            digest.update(f"\0{path.name}\0{code}".encode())
    for path in sorted((root / "sample").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    for pin in _pins(book.root / "requirements.txt"):
        digest.update(f"\0{pin}".encode())
    return digest.hexdigest()


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


def _pins(path: Path) -> list[str]:
    """The pins on which outputs depend: not those of the book's tools."""
    pins = []
    tools = False
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        tools |= line.startswith(TOOLS)
        pin = line.partition("#")[0].strip()
        if pin and (not tools or pin.partition("==")[0].strip() in KERNEL):
            pins.append(pin)
    return sorted(pins)


@cache  # The four frameworks share most modules.
def _code(source: str, place: str) -> str:
    """The module's text without comments and docstrings.

    Text, not `ast.dump`, whose form changes with the version of Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise BookError(
            f"{place}:{error.lineno}: not valid Python: {error.msg}"
        ) from None
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            for index in range(docstring.lineno - 1, docstring.end_lineno):
                lines[index] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
