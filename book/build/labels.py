"""What references point at: labels, titles and the bibliography."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pybtex.database import BibliographyData, Entry, parse_string
from pybtex.exceptions import PybtexError

from book.build.myst import Block, walk
from book.build.source import (
    Book,
    BookError,
    BookErrors,
    Chapter,
    figure,
    frameworks,
    read_text,
)

KINDS = {"figure": "Figure", "exercise": "Exercise", "math": "Equation"}


@dataclass(frozen=True)
class Label:
    """The place of a label: its document, and its title or kind and number.

    Numbers are those of the site, with the chapter's before the dot.
    """

    document: str
    title: str = ""
    kind: str = ""
    number: str = ""


@dataclass
class Labels:
    """Every target of the book by its name, and the titles of its documents."""

    names: dict[str, Label] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    numbers: dict[tuple[str, int], str] = field(default_factory=dict)
    bibliography: BibliographyData = field(default_factory=BibliographyData)

    def citation(self, key: str) -> tuple[str, str] | None:
        """Authors as a text names them, and year: ("Huang et al.", "2017")."""
        entry = self.bibliography.entries.get(key)
        return (_authors(entry), entry.fields.get("year", "")) if entry else None


def read_labels(book: Book) -> Labels:
    """Reads the sources of all documents and book/references.bib.

    Raises BookError for a label that stands twice.
    """
    labels = Labels()
    for path in front_matter(book):
        name = book.relative(path)
        blocks = walk(read_text(path, name))
        _add(labels, name.removesuffix(".md"), blocks)
    for chapter in book.chapters:
        number = book.numbers.get(f"chapters/{chapter.name}")
        add_chapter(labels, chapter, f"{number}." if number else "")
    path = book.root / "book" / "references.bib"
    if path.exists():
        try:
            text = read_text(path, book.relative(path))
            labels.bibliography = parse_string(text, "bibtex")
        except PybtexError as error:
            what = f"cannot be read: {error}"
            raise BookError(what, "book/references.bib") from None
    return labels


def front_matter(book: Book) -> list[Path]:
    """The pages beside the chapters."""
    return sorted((book.root / "book").glob("*.md"))


def add_chapter(labels: Labels, chapter: Chapter, prefix: str = "") -> None:
    """Adds what a chapter or a worksheet defines, its numbers behind `prefix`."""
    _add(labels, f"chapters/{chapter.name}", _chapter_blocks(chapter), prefix)


def _chapter_blocks(chapter: Chapter) -> Iterator[Block]:
    # The figure that cells of one group draw together, and whose cells these are.
    drawn: dict[str, str] = {}
    by: set[str] = set()
    for cell in chapter.cells:
        line = chapter.line(cell)
        if not frameworks(cell):
            drawn = {}
        if cell.cell_type == "markdown":
            yield from walk(cell.source, line)
            continue
        own = figure(cell)
        if own and (own != drawn or by.intersection(frameworks(cell))):
            drawn, by = own if frameworks(cell) else {}, set()
            yield Block("directive", line, cell.source, "figure", options=own)
        else:
            yield Block("directive", line, cell.source, "code-cell")
        if own:
            by.update(frameworks(cell))


def _add(
    labels: Labels, document: str, blocks: Iterator[Block], prefix: str = ""
) -> None:
    counts: Counter[str] = Counter()
    pending: list[str] = []
    twice: list[BookError] = []
    for block in blocks:
        if block.kind == "target":
            pending.append(block.label)
            continue
        if block.kind == "comment" or block.kind == "text" and not block.text.strip():
            continue
        if block.kind == "heading":
            labels.titles.setdefault(document, block.argument)
        own = [block.options[key] for key in ("name", "label") if key in block.options]
        own += [block.label] if block.label else []
        kind = _kind(block, bool(own))
        number = ""
        if kind:
            counts[kind] += 1
            number = labels.numbers[document, block.line] = f"{prefix}{counts[kind]}"
        for name in [*pending, *own]:
            if other := _same(labels, name):
                what = f"the label {name!r} stands in {other.document}.md, too"
                file = f"{document}.md"
                twice.append(BookError(f"{what}; rename one", file, block.line))
            labels.names[name] = Label(document, block.argument, kind, number)
        pending.clear()
    if twice:
        raise BookErrors(twice)


def _same(labels: Labels, name: str) -> Label | None:
    """The label of this name; Sphinx tells no capitals from small letters."""
    names = labels.names.items()
    return next((label for key, label in names if key.lower() == name.lower()), None)


def _kind(block: Block, labelled: bool) -> str:
    """What a numbered block is called; empty for the others."""
    name = block.name or block.kind
    return KINDS.get(name, "") if name != "math" or labelled else ""


def _authors(entry: Entry) -> str:
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(str(part) for part in one.rich_last_names) for one in people]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names) or entry.fields.get("title", "")
