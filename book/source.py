"""The book as its authors write it: settings, table of contents, chapters and cells."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import yaml
from jupytext.myst import MystMetadataParsingError, myst_to_notebook
from nbformat import NotebookNode

FRAMEWORKS = ("pytorch", "tensorflow", "jax", "mxnet")
TITLES = {
    "pytorch": "PyTorch",
    "tensorflow": "TensorFlow",
    "jax": "JAX",
    "mxnet": "MXNet",
}


class BookError(Exception):
    """A fault in the book that its author can mend; the message says how."""


@dataclass(frozen=True)
class Chapter:
    """One chapter source: its cells in order and the line where each starts."""

    name: str
    path: Path
    cells: tuple[NotebookNode, ...]
    lines: dict[str, int]  # cell id → line in the source, counted from 1

    def line(self, cell: NotebookNode) -> int:
        return self.lines[cell.id]

    def where(self, cell: NotebookNode) -> str:
        """`chapters/<name>.md:<line>`, the start of a message about the cell."""
        return f"chapters/{self.name}.md:{self.line(cell)}"


class Book:
    """A book in the folder `root` (default: the repository of this package)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or Path(__file__).parents[1]).resolve()

    @cached_property
    def config(self) -> dict:
        """_config.yml."""
        return _read_yaml(self.root / "_config.yml")

    @cached_property
    def documents(self) -> tuple[str, ...]:
        """Every document of _toc.yml in order, without suffix (`book/setup`)."""
        return tuple(_documents(_read_yaml(self.root / "_toc.yml")))

    @property
    def chapter_names(self) -> tuple[str, ...]:
        """The documents of _toc.yml that lie in chapters/."""
        paths = [Path(document) for document in self.documents]
        return tuple(path.stem for path in paths if path.parent == Path("chapters"))

    @cached_property
    def chapters(self) -> tuple[Chapter, ...]:
        """The chapters in order, read."""
        folder = self.root / "chapters"
        return tuple(read_chapter(folder / f"{name}.md") for name in self.chapter_names)

    def chapter(self, name: str) -> Chapter:
        for chapter in self.chapters:
            if chapter.name == name:
                return chapter
        names = ", ".join(self.chapter_names)
        raise BookError(f"no chapter {name!r}; there are: {names}")

    def notebook_path(self, chapter: Chapter, framework: str) -> Path:
        return self.root / "chapters" / framework / f"{chapter.name}.ipynb"

    def models_path(self, framework: str) -> Path:
        """The module made from the cells tagged `export`."""
        return self.root / "d2l_lite" / "models" / f"{framework}.py"

    def url(self, document: str, anchor: str = "") -> str:
        """Address of a document (`chapters/densenet`) in the published site."""
        base = self.config.get("html", {}).get("baseurl", "").rstrip("/")
        return f"{base}/{document}.html" + (f"#{anchor}" if anchor else "")

    @property
    def repository(self) -> tuple[str, str]:
        """Address and branch of the repository."""
        settings = self.config.get("repository", {})
        return settings.get("url", "").rstrip("/"), settings.get("branch", "main")

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def read_chapter(path: Path) -> Chapter:
    """Reads a chapter; a cell's id depends on its type, tags and source only."""
    if not path.exists():
        raise BookError(
            f"_toc.yml: chapters/{path.stem} has no source; write chapters/{path.name} "
            "or take the entry out"
        )
    text = path.read_text(encoding="utf-8")
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except MystMetadataParsingError as error:
        raise BookError(f"chapters/{path.name}: {error}") from None
    text_lines = text.splitlines()
    occurrences: Counter[str] = Counter()
    lines = {}
    for cell, line in zip(notebook.cells, notebook.metadata.source_map, strict=True):
        cell.id = cell_id(cell, occurrences)
        if cell.cell_type == "markdown":  # the map counts from 0 and may be blank
            while not text_lines[line].strip():
                line += 1
            line += 1
        lines[cell.id] = line
    return Chapter(path.stem, path, tuple(notebook.cells), lines)


def cell_id(cell: NotebookNode, occurrences: Counter[str]) -> str:
    """Stable id; equal cells are told apart by their occurrence number."""
    content = "\n".join([cell.cell_type, *sorted(tags(cell)), cell.source])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    occurrences[digest] += 1
    return f"{digest}-{occurrences[digest]}"


def tags(cell: NotebookNode) -> tuple[str, ...]:
    return tuple(cell.metadata.get("tags", ()))


def frameworks(cell: NotebookNode) -> tuple[str, ...]:
    """The frameworks whose cell this is; empty when it is for all."""
    return tuple(name for name in FRAMEWORKS if name in tags(cell))


def belongs(cell: NotebookNode, framework: str) -> bool:
    """Whether the cell is in the notebook of the framework."""
    return framework in (frameworks(cell) or FRAMEWORKS)


def groups(cells: Iterable[NotebookNode]) -> list[list[NotebookNode]]:
    """Runs of consecutive framework-tagged cells, each a set of tabs on the page."""
    runs = groupby(cells, key=lambda cell: bool(frameworks(cell)))
    return [list(run) for tagged, run in runs if tagged]


def _documents(entry: dict | list) -> Iterator[str]:
    """Files of a table of contents, whatever its parts, chapters and sections."""
    if isinstance(entry, list):
        for item in entry:
            yield from _documents(item)
        return
    for key in ("root", "file"):
        if key in entry:
            yield entry[key].removesuffix(".md")
    for key in ("parts", "chapters", "sections"):
        yield from _documents(entry.get(key, []))


def _read_yaml(path: Path) -> dict:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"{path.name}: cannot be read: {error}") from None
