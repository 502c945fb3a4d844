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
from nbformat import NotebookNode, ValidationError
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

from book.build.vocabulary import (
    CONTENTS,
    EACH,
    FRAMEWORKS,
    FRONT_MATTER,
    SLIDES,
    VARIANTS,
    cell_faults,
    nearest,
)
from d2l_lite import TITLES

_ONLY = re.compile(r"^%[ \t]*only\b([^:\n]*):[ \t]*(\S.*)$", re.MULTILINE)
_CONFLICT = re.compile(r"^(<{7}|\|{7}|>{7})( |$)", re.MULTILINE)
_TAGS = re.compile(r"^(?::?(tags:.*)|\+\+\+ *(\{.*\"tags\":.*))$")


class BookError(Exception):
    """A fault in the book that its author can mend: how, and if known file and line."""

    def __init__(self, text: str, file: str = "", line: int = 0) -> None:
        super().__init__(text, file, line)
        self.text, self.file, self.line = text, file, line
        self.faults = (self,)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}" if place else self.text


class BookErrors(BookError):
    """Several faults, of which each has its line of the message."""

    def __init__(self, faults: Iterable[BookError]) -> None:
        faults = tuple(faults)
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


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
        """Every document of _toc.yml in order, without suffix (`book/setup`).

        Raises BookError for what Jupyter Book would refuse, and for a page listed
        twice.
        """
        path = self.root / "_toc.yml"
        documents = tuple(_documents(_read_yaml(path)))
        _require_contents(path, documents)
        return documents

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
        raise BookError("does not exist", file)
    text = read_text(path, file)
    text_lines = text.splitlines()
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except MystMetadataParsingError as error:
        what = " ".join(str(error).split())
        place = re.search(r"at line (\d+)", what)
        raise BookError(what, file, int(place[1]) if place else 1) from None
    except ValidationError:  # which does not say where
        what = "tags are different words in brackets: `:tags: [jax, export]`"
        raise BookError(what, file, _line_of_wrong_tags(text_lines)) from None
    occurrences: Counter[str] = Counter()
    cells, lines = [], {}
    worksheet = name.startswith("worksheets/")
    known = (*FRONT_MATTER, *([VARIANTS] if worksheet else []))
    faults = [
        BookError(f"unknown front matter {key!r}; {nearest(key, known)}", file, 1)
        for key in notebook.metadata
        if key not in (*known, "source_map", "jupyter")  # Jupytext's own
    ]
    for key in FRONT_MATTER:
        if key not in notebook.metadata:
            what = f"has no front matter `{key}: …`; begin as the other chapters do"
            faults.append(BookError(what, file, 1))
    for cell, line in zip(notebook.cells, notebook.metadata.source_map, strict=True):
        if cell.cell_type == "markdown":  # the map counts from 0 and may be blank
            while not text_lines[line].strip():
                line += 1
            line += 1
        wrong = [*cell_faults(cell, worksheet)]
        faults += [BookError(what, file, line) for what in wrong]
        for copy in _one_for_each(cell) if not wrong else ():
            copy.id = cell_id(copy, occurrences)
            lines[copy.id] = line
            cells.append(copy)
    if faults:
        raise BookErrors(faults)
    return Chapter(name, path, tuple(cells), lines)


def _line_of_wrong_tags(lines: list[str]) -> int:
    """The first line whose tags are no list of words; 1 if it cannot be told."""
    for number, line in enumerate(lines, 1):
        if match := _TAGS.match(line):
            try:
                value = yaml.safe_load(match[1] or match[2])["tags"]
            except (yaml.YAMLError, ValueError, TypeError, KeyError):  # no setting
                continue
            words = value if isinstance(value, list) else [None]
            if not all(type(word) is str and value.count(word) == 1 for word in words):
                return number
    return 1


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


def _require_contents(path: Path, documents: tuple[str, ...]) -> None:
    """Asserts that Jupyter Book takes the table of contents that lists these."""
    text = read_text(path, path.name)
    for key in _keys(yaml.compose(text)):
        if key.value not in CONTENTS:
            what = f"unknown key {key.value!r}; {nearest(key.value, CONTENTS)}"
            raise BookError(what, path.name, key.start_mark.line + 1)
    lines = text.splitlines()
    sources = {
        p.relative_to(path.parent).as_posix() for p in path.parent.glob("*/*.md")
    }
    for document in documents:
        entry = re.compile(rf"\s*(- )?(file|root): *{re.escape(document)}(\.md)?\s*$")
        places = [number for number, line in enumerate(lines, 1) if entry.match(line)]
        what = ""
        if documents.count(document) > 1:
            what = f"{document} is listed twice; take one entry out"
        elif f"{document}.md" not in sources:
            what = f"{document} has no source; write {document}.md, or correct this: "
            what += nearest(document, [name.removesuffix(".md") for name in sources])
        if what:
            raise BookError(what, path.name, places[-1] if places else 1)
    try:
        parse_toc_yaml(path)
    except MalformedError as error:
        what, _, place = str(error).partition(" @ ")
        raise BookError(what, path.name, _entry_line(path, place)) from None


def _keys(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every key of a YAML file."""
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, value = part if isinstance(part, tuple) else (None, part)
        if key is not None:
            yield key
        yield from _keys(value)


def _entry_line(path: Path, place: str) -> int:
    """The line of an entry of a YAML file, which `/parts/0/chapters/3` names."""
    node = yaml.compose(path.read_text(encoding="utf-8"))
    for key in re.findall(r"\w+", place.partition(":")[0]):
        if isinstance(node, yaml.SequenceNode) and key.isdecimal():
            node = node.value[int(key)]
        elif isinstance(node, yaml.MappingNode):
            node = next((v for k, v in node.value if k.value == key), node)
    return node.start_mark.line + 1 if node else 1


def read_text(path: Path, name: str) -> str:
    """Text of a source; `name` is what a message calls the file.

    Raises BookError if it is not UTF-8, or holds the marks of an unfinished merge.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BookError("is not UTF-8; save it as UTF-8", name, line) from None
    if mark := _CONFLICT.search(text):
        line = text[: mark.start()].count("\n") + 1
        raise BookError(f"has a conflict mark, {mark[1]}; finish the merge", name, line)
    return text


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.safe_load(read_text(path, path.name))
    except (OSError, yaml.YAMLError) as error:
        place = getattr(error, "problem_mark", None)
        what = " ".join(f"cannot be read: {error}".split())
        raise BookError(what, path.name, place.line + 1 if place else 0) from None
    return _mapping({} if content is None else content, path.name)


def _mapping(value: object, place: str) -> dict:
    if not isinstance(value, dict):
        raise BookError(f"{place} must hold settings (`key: value`), not {value!r}")
    return value
