"""The book as its authors write it: settings, table of contents, chapters and cells."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import yaml
from jupytext.myst import MystMetadataParsingError, myst_to_notebook
from nbformat import NotebookNode

from d2l_lite import PACKAGES, TITLES

FRAMEWORKS = tuple(PACKAGES)
EACH = "each"  # the tag of a cell that every framework has as its own
# Tags of what stands on a slide: on a new one, on the one before. Nothing else reads
# them: a cell keeps its id, and its outputs, with them and without.
SLIDES = SLIDE, SAME_SLIDE = "slide", "same-slide"
_ONLY = re.compile(r"^%[ \t]*only\b([^:\n]*):[ \t]*(\S.*)$", re.MULTILINE)


class BookError(Exception):
    """A fault in the book that its author can mend: how, and if known file and line."""

    def __init__(self, text: str, file: str = "", line: int = 0) -> None:
        super().__init__(text, file, line)
        self.text, self.file, self.line = text, file, line

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}" if place else self.text


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
        return f"{self.source}:{self.line(cell)}"

    def error(self, cell: NotebookNode, text: str) -> BookError:
        """A fault of the cell."""
        return BookError(text, self.source, self.line(cell))

    @property
    def source(self) -> str:
        """`chapters/<name>.md`."""
        return f"chapters/{self.name}.md"


class Book:
    """A book in the folder `root` (default: the repository of this package)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or Path(__file__).parents[2]).resolve()

    @cached_property
    def config(self) -> dict:
        """_config.yml."""
        return _read_yaml(self.root / "_config.yml")

    @cached_property
    def documents(self) -> tuple[str, ...]:
        """Every document of _toc.yml in order, without suffix (`book/setup`)."""
        return tuple(_documents(_read_yaml(self.root / "_toc.yml")))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The numbers of the documents in the numbered part of _toc.yml."""
        parts = _read_yaml(self.root / "_toc.yml").get("parts", [])
        numbered = [part for part in parts if part.get("numbered")]
        return {name: n for n, name in enumerate(_documents(numbered), 1)}

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

    def notebook_path(self, chapter: Chapter, framework: str) -> Path:
        return self.root / "chapters" / framework / f"{chapter.name}.ipynb"

    def files(self, chapter: Chapter | None = None) -> list[Path]:
        """Files that the chapter's notebooks share (default: those of all chapters).

        Hidden files do not count: such are temporary ones, before they are complete.
        """
        shared = self.root / "chapters" / "files"
        folder = shared / chapter.name if chapter else shared
        return [
            path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(shared).parts)
        ]

    def models_path(self, framework: str) -> Path:
        """The module made from the cells tagged `export`."""
        return self.root / "d2l_lite" / "models" / f"{framework}.py"

    def url(self, document: str, anchor: str = "") -> str:
        """Address of a document (`chapters/densenet`) in the published site."""
        base = self._settings("html").get("baseurl", "").rstrip("/")
        return f"{base}/{document}.html" + (f"#{anchor}" if anchor else "")

    @property
    def repository(self) -> tuple[str, str]:
        """Address and branch of the repository."""
        settings = self._settings("repository")
        return settings.get("url", "").rstrip("/"), settings.get("branch", "main")

    def _settings(self, key: str) -> dict:
        return _mapping(self.config.get(key, {}), f"_config.yml: `{key}`")

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def read_chapter(path: Path, name: str = "") -> Chapter:
    """Reads a chapter; a cell's id depends on its type, tags and source only.

    `name` is its path in chapters/ without suffix, where that is not the file's stem.
    A cell of several frameworks, or tagged `each`, becomes one cell for each of them:
    their outputs may differ.
    """
    name = name or path.stem
    file = f"chapters/{name}.md"
    if not path.exists():
        raise BookError(
            f"chapters/{name} has no source; write {file} or take the entry out",
            "_toc.yml",
        )
    text = read_text(path, file)
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except MystMetadataParsingError as error:
        raise BookError(str(error), file) from None
    text_lines = text.splitlines()
    occurrences: Counter[str] = Counter()
    cells, lines = [], {}
    for cell, line in zip(notebook.cells, notebook.metadata.source_map, strict=True):
        if cell.cell_type == "markdown":  # the map counts from 0 and may be blank
            while not text_lines[line].strip():
                line += 1
            line += 1
        _require_settings(cell, file, line)
        for copy in _one_for_each(cell):
            copy.id = cell_id(copy, occurrences)
            lines[copy.id] = line
            cells.append(copy)
    return Chapter(name, path, tuple(cells), lines)


def _require_settings(cell: NotebookNode, file: str, line: int) -> None:
    """Asserts that a code cell's `mystnb: {figure: …, image: …}` holds settings."""
    settings = cell.metadata.get("mystnb", {})
    for key in ("mystnb", "figure", "image"):
        value = settings if key == "mystnb" else settings.get(key, {})
        if not isinstance(value, dict):
            what = f"the cell's option `{key}` must hold settings (`name: …`)"
            raise BookError(f"{what}, not {value!r}", file, line)
    figure = settings.get("figure")
    if figure is not None and not (figure.get("name") and figure.get("caption")):
        what = 'a figure needs both, `figure: {name: fig-…, caption: "…"}`'
        raise BookError(what, file, line)


def _one_for_each(cell: NotebookNode) -> list[NotebookNode]:
    """The cell, or its copies, each with the tag of one framework.

    In the alternative text of a copy `{framework}` is its title. The figure is one:
    all copies have its name and its caption.
    """
    names = frameworks(cell)
    if len(names) < 2:
        return [cell]
    others = [tag for tag in tags(cell) if tag not in (*FRAMEWORKS, EACH)]
    copies = []
    for name in names:
        copy = deepcopy(cell)
        copy.metadata.tags = [name, *others]
        image = copy.metadata.get("mystnb", {}).get("image", {})
        if "alt" in image:
            image["alt"] = str(image["alt"]).replace("{framework}", TITLES[name])
        copies.append(copy)
    return copies


def cell_id(cell: NotebookNode, occurrences: Counter[str]) -> str:
    """Stable id; equal cells are told apart by their occurrence number."""
    named = sorted(tag for tag in tags(cell) if tag not in SLIDES)
    content = "\n".join([cell.cell_type, *named, cell.source])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    occurrences[digest] += 1
    return f"{digest}-{occurrences[digest]}"


def tags(cell: NotebookNode) -> tuple[str, ...]:
    return tuple(cell.metadata.get("tags", ()))


def figure(cell: NotebookNode) -> dict[str, str]:
    """Name and caption of what a cell draws; empty for a cell without."""
    return cell.metadata.get("mystnb", {}).get("figure", {})


def frameworks(cell: NotebookNode) -> tuple[str, ...]:
    """The frameworks whose cell this is, in a chapter one; empty when it is for all."""
    named = FRAMEWORKS if EACH in tags(cell) else tags(cell)
    return tuple(name for name in FRAMEWORKS if name in named)


def belongs(cell: NotebookNode, framework: str) -> bool:
    """Whether the cell is in the notebook of the framework."""
    return framework in (frameworks(cell) or FRAMEWORKS)


def groups(
    cells: Iterable[NotebookNode],
) -> Iterator[tuple[list[NotebookNode], NotebookNode | None]]:
    """Runs of consecutive framework-tagged cells, each a set of tabs on the page.

    With each the cell before it, if any.
    """
    before = None
    for tagged, run in groupby(cells, key=lambda cell: bool(frameworks(cell))):
        group = list(run)
        if tagged:
            yield group, before
        before = group[-1]


def covered(group: Iterable[NotebookNode]) -> tuple[str, ...]:
    """The frameworks for which a group has code, or, without any code, prose."""
    cells = list(group)
    code = [cell for cell in cells if cell.cell_type == "code"]
    present = {name for cell in code or cells for name in frameworks(cell)}
    return tuple(name for name in FRAMEWORKS if name in present)


def stated_reason(
    chapter: Chapter, group: list[NotebookNode], before: NotebookNode | None
) -> str:
    """Why a group lacks a framework; empty where its author does not say.

    The reason stands in a line `% only jax, mxnet: <reason>` in the prose before the
    group or in its first cell. Raises BookError if that line names other frameworks
    than the group has.
    """
    for cell in (before, group[0]):
        if cell is None or cell.cell_type != "markdown":
            continue
        for names, reason in _ONLY.findall(cell.source)[-1:]:
            present = covered(group)
            if {name.strip().lower() for name in names.split(",")} != set(present):
                raise chapter.error(
                    group[0],
                    f"`% only{names}:` stands above a group of tabs for "
                    f"{', '.join(present)}; name these",
                )
            return reason.strip()
    return ""


def _documents(entry: dict | list) -> Iterator[str]:
    """Files of a table of contents, whatever its parts, chapters and sections.

    Raises BookError for an entry that is not written as one.
    """
    if isinstance(entry, list):
        for item in entry:
            yield from _documents(item)
        return
    if not isinstance(entry, dict):
        what = f"{entry!r} is no entry; write `- file: <document>`"
        raise BookError(what, "_toc.yml")
    for key in ("root", "file"):
        if key in entry:
            if not isinstance(entry[key], str):
                what = f"`{key}: {entry[key]}` must name a document"
                raise BookError(what, "_toc.yml")
            yield entry[key].removesuffix(".md")
    for key in ("parts", "chapters", "sections"):
        yield from _documents(entry.get(key, []))


def read_text(path: Path, name: str) -> str:
    """Text of a source; `name` is what a message calls the file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BookError("is not UTF-8; save it as UTF-8", name, line) from None


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.safe_load(read_text(path, path.name))
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"cannot be read: {error}", path.name) from None
    return _mapping({} if content is None else content, path.name)


def _mapping(value: object, place: str) -> dict:
    if not isinstance(value, dict):
        raise BookError(f"{place} must hold settings (`key: value`), not {value!r}")
    return value
