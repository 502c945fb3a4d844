"""What references point at: labels, titles, terms and the bibliography."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pybtex.database import BibliographyData, Entry, parse_string
from pybtex.exceptions import PybtexError

from book.build.myst import Block, walk
from book.build.source import Book, BookError, read_text

KINDS = {"figure": "Figure", "table": "Table", "list-table": "Table"}
KINDS |= {"exercise": "Exercise", "math": "Equation"}


@dataclass(frozen=True)
class Label:
    """The place of a label: its document, and its title or kind and number there."""

    document: str
    title: str = ""
    kind: str = ""
    number: int = 0


@dataclass
class Labels:
    """Every target of the book by its name, and the titles of its documents."""

    names: dict[str, Label] = field(default_factory=dict)
    terms: dict[str, Label] = field(default_factory=dict)  # in lower case
    titles: dict[str, str] = field(default_factory=dict)
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    slugs: dict[str, set[str]] = field(default_factory=dict)
    bibliography: BibliographyData = field(default_factory=BibliographyData)

    def citation(self, key: str) -> tuple[str, str] | None:
        """Authors as a text names them, and year: ("Huang et al.", "2017")."""
        entry = self.bibliography.entries.get(key)
        return (_authors(entry), entry.fields.get("year", "")) if entry else None


def read_labels(book: Book) -> Labels:
    """Reads the sources of all documents and book/references.bib."""
    labels = Labels()
    for path in sources(book):
        read_document(book, path, labels)
    path = book.root / "book" / "references.bib"
    if path.exists():
        try:
            text = read_text(path, book.relative(path))
            labels.bibliography = parse_string(text, "bibtex")
        except PybtexError as error:
            raise BookError(f"book/references.bib: cannot be read: {error}") from None
    return labels


def sources(book: Book) -> list[Path]:
    """The Markdown files that make the book, in a stable order."""
    folders = (book.root / "book", book.root / "chapters")
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]


def slug(title: str) -> str:
    """Anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def read_document(book: Book, path: Path, labels: Labels) -> None:
    """Adds what one document defines."""
    document = book.relative(path).removesuffix(".md")
    counts: Counter[str] = Counter()
    pending: list[str] = []
    labels.slugs[document] = set()
    for block in walk(read_text(path, book.relative(path))):
        _require_settings(block, document)
        if block.kind == "target":
            pending.append(block.label)
            continue
        if block.kind in ("comment", "break") or not _content(block):
            continue
        title = block.argument if block.kind in ("heading", "directive") else ""
        if block.kind == "heading":
            labels.titles.setdefault(document, title)
            labels.slugs[document].add(slug(title))
        kind = _kind(block)
        number = 0
        if kind:
            counts[kind] += 1
            number = labels.numbers[document, block.line] = counts[kind]
        for name in [*pending, *_own_labels(block)]:
            labels.names[name] = Label(document, title, kind, number)
        pending.clear()
        for term in _terms(block):
            labels.terms[term.lower()] = Label(document, term)


def _content(block: Block) -> bool:
    return block.kind in ("directive", "math") or bool(block.text.strip())


def _kind(block: Block) -> str:
    """What a numbered block is called; empty for the others."""
    if block.kind == "math":
        return "Equation" if block.label else ""
    if block.name == "math" and not block.options.get("label"):
        return ""
    if block.name == "code-cell":
        return "Figure" if _figure(block) else ""
    return KINDS.get(block.name, "")


def _require_settings(block: Block, document: str) -> None:
    """Asserts that a code cell's `mystnb: {figure: …, image: …}` holds settings."""
    settings = block.options.get("mystnb", {})
    found = {"mystnb": settings}
    if isinstance(settings, dict):
        found |= {key: settings.get(key, {}) for key in ("figure", "image")}
    for key, value in found.items():
        if block.name == "code-cell" and not isinstance(value, dict):
            raise BookError(
                f"{document}.md:{block.line}: the cell's option `{key}` must hold "
                f"settings (`name: …`), not {value!r}"
            )


def _figure(block: Block) -> dict:
    """Figure settings of a code cell (`mystnb: {figure: …}`)."""
    return block.options.get("mystnb", {}).get("figure", {})


def _own_labels(block: Block) -> Iterator[str]:
    for key in ("name", "label"):
        if value := block.options.get(key):
            yield str(value)
    if block.label:
        yield block.label
    if block.name == "code-cell" and (name := _figure(block).get("name")):
        yield name


def _terms(block: Block) -> Iterator[str]:
    if block.name == "glossary":
        for text in block.text.splitlines():
            if text.strip() and not text[0].isspace():
                yield text.strip()


def _authors(entry: Entry) -> str:
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(str(part) for part in one.rich_last_names) for one in people]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names) or entry.fields.get("title", "")
