"""What a document refers to, held against what the book has."""

from collections.abc import Iterator
from pathlib import Path

from book.build.labels import Labels
from book.build.markdown import CITATIONS, is_address, resolve
from book.build.myst import INLINE, Block, has_body, role_target, walk
from book.build.source import Book, read_text

Problem = tuple[str, int, str]  # file, line, what is wrong and what to do
SPHINX_LABELS = ("genindex", "modindex", "search")


def references(book: Book, path: Path, labels: Labels) -> Iterator[Problem]:
    """Broken references and images without alternative text in one document."""
    reader = _References(book, path, labels)
    for block in walk(read_text(path, book.relative(path))):
        for line, what in reader.problems(block):
            yield book.relative(path), line, what


class _References:
    """What one document refers to, held against what there is."""

    def __init__(self, book: Book, path: Path, labels: Labels) -> None:
        self.root = book.root
        self.document = book.relative(path).removesuffix(".md")
        self.labels = labels

    def problems(self, block: Block) -> Iterator[tuple[int, str]]:
        if block.kind == "directive":
            yield from ((block.line, what) for what in self._directive(block))
        text = block.text if block.kind == "text" else block.argument
        if block.kind == "directive" and block.name in ("figure", "image", "solution"):
            text = ""  # a path or a label, seen above
        if block.name == "list-table":
            yield from self._inline(block.text, block.body_line)
        if block.kind in ("text", "heading") or has_body(block):
            yield from self._inline(text, block.line)

    def _directive(self, block: Block) -> Iterator[str]:
        if block.name in ("figure", "image"):
            if not block.options.get("alt"):
                yield f"{{{block.name}}} has no alternative text; add `:alt: …`"
            yield from self._file(block.argument)
        if block.name == "solution" and block.argument not in self.labels.names:
            yield f"no exercise has the label {block.argument!r}; correct the label"

    def _inline(self, text: str, line: int) -> Iterator[tuple[int, str]]:
        for match in INLINE.finditer(text):
            at = line + text[: match.start()].count("\n")
            if match["role"]:
                found = self._role(match["role"], match["content"])
            elif match["target"] is not None:
                found = self._link(match["image"], match["text"], match["target"])
            else:
                continue
            yield from ((at, what) for what in found)

    def _role(self, role: str, content: str) -> Iterator[str]:
        _, target = role_target(content)
        if role in CITATIONS:
            for key in (key.strip() for key in content.split(",")):
                if self.labels.citation(key) is None:
                    yield f"{key!r} is not in book/references.bib; add it there"
        elif role in ("ref", "numref", "eq"):
            if target not in self.labels.names and target not in SPHINX_LABELS:
                yield f"no label {target!r} in the book; correct it"
            elif role == "eq" and self.labels.names[target].kind != "Equation":
                yield f"{target!r} is no equation; use {{ref}}"
        elif role == "doc":
            yield from self._document(target)
        elif role == "term" and target.lower() not in self.labels.terms:
            yield f"no glossary has the term {target!r}; add it in book/notation.md"
        elif role == "download":
            yield from self._file(target)

    def _link(self, image: str, text: str, target: str) -> Iterator[str]:
        if image and not text.strip():
            yield f"the image {target} has no alternative text; write ![text]({target})"
        path, _, anchor = target.partition("#")
        if is_address(target) or path in self.labels.names:
            return
        if path:
            yield from self._file(path)
            return
        known = self.labels.slugs[self.document]
        if anchor not in self.labels.names and anchor not in known:
            yield f"no label or heading {anchor!r} in this document; correct the link"

    def _document(self, target: str) -> Iterator[str]:
        document = resolve(self.document, target)
        if document not in self.labels.titles:
            yield f"no document {target!r} ({document}.md); correct the reference"

    def _file(self, target: str) -> Iterator[str]:
        if is_address(target):
            return
        path = resolve(self.document, target.partition("?")[0], suffix="")
        if not (self.root / path).exists() and not (self.root / f"{path}.md").exists():
            yield f"the file {target} does not exist ({path}); correct the path"
