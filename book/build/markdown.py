"""A chapter's MyST as plain Markdown that Jupyter and Colab show."""

import posixpath
import re

from book.build.labels import Label, Labels
from book.build.myst import Block, Element, blocks, elements
from book.build.source import Book, BookError, Chapter
from book.build.vocabulary import nearest

ADMONITIONS = ("note", "tip", "hint", "important", "warning", "caution", "admonition")
CITATIONS = ("cite", "cite:p", "cite:t")
REFERENCES = ("ref", "numref", "eq")
# Of what stands between their back quotes a notebook shows the text.
TEXTS = ("abbr", "kbd", "published", "sub", "sup")
OPTIONS = {
    "exercise": ("label", "class", "nonumber", "hidden"),
    "figure": ("alt", "name", "width", "height", "scale", "align", "class", "figclass"),
    "image": ("alt", "name", "width", "height", "scale", "align", "class"),
    "math": ("label", "name", "class", "nowrap"),
}
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_TITLE_TARGET = re.compile(r"(.*?)\s*<([^<>]+)>", re.DOTALL)


class PlainMarkdown:
    """Translates the prose of one chapter; references become links to the site."""

    def __init__(self, book: Book, labels: Labels, chapter: Chapter) -> None:
        self.book = book
        self.labels = labels
        self.chapter = chapter
        self.document = f"chapters/{chapter.name}"

    def translate(self, source: str, line: int) -> str:
        """Plain Markdown of a text that starts at the line of the chapter.

        Raises BookError for what a notebook cannot show, and for a reference to what
        the book has not.
        """
        pieces = [self._block(block) for block in blocks(source, line)]
        text = "\n".join(piece for piece in pieces if piece is not None)
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n")

    def caption(self, figure: dict[str, str], line: int) -> str:
        """The line below what a cell draws: **Figure 3.2.** and its caption."""
        number = self.labels.names[figure["name"]].number
        return f"**Figure {number}.** {self.translate(figure['caption'], line)}"

    def _block(self, block: Block) -> str | None:
        """Markdown of a block; None for what leaves no line."""
        if block.kind in ("target", "comment"):
            return None
        if block.kind == "code":
            return block.text
        if block.kind == "math":
            return _prefixed(self._math(block), block.prefix)
        if block.kind == "directive":
            return _prefixed(f"\n{self._directive(block)}\n", block.prefix)
        return self._inline(block.text, block.line)

    def _error(self, text: str, line: int) -> BookError:
        return BookError(text, self.chapter.source, line)

    # Directives

    def _directive(self, block: Block) -> str:
        writers = dict.fromkeys(ADMONITIONS, self._admonition) | {
            "exercise": self._exercise,
            "figure": self._figure,
            "image": self._figure,
            "math": self._math,
        }
        if block.name not in writers:
            what = f"a notebook cannot show the directive {{{block.name}}}"
            known = nearest(block.name, sorted({*writers, "code-cell"}))
            raise self._error(f"{what}; {known}", block.line)
        known = OPTIONS.get(block.name, ("class", "name"))
        for option in block.options:
            if option not in known:
                what = f"unknown option {option!r} of {{{block.name}}}"
                raise self._error(f"{what}; {nearest(option, known)}", block.line)
        return writers[block.name](block)

    def _body(self, block: Block) -> str:
        return self.translate(block.text, block.body_line)

    def _admonition(self, block: Block) -> str:
        title, body = block.name.capitalize(), self._body(block)
        if block.name == "admonition":
            title = self._inline(block.argument, block.line)
        elif block.argument:  # the first line of the text, not a title
            first = self._inline(block.argument, block.line)
            body = f"{first}\n{body}".rstrip()
        return _prefixed(f"**{title}**\n\n{body}", "> ")

    def _exercise(self, block: Block) -> str:
        heading = f"**{self._number(block, 'Exercise')}**"
        if block.argument:
            title = self._inline(block.argument, block.line).strip("()")
            heading += f" ({title})"
        return f"{heading}\n\n{self._body(block)}"

    def _figure(self, block: Block) -> str:
        address = self._file(block.argument)
        image = f"![{block.options.get('alt', '')}]({address})"
        caption = self._body(block)
        if block.name == "image" or not caption:
            return image
        return f"{image}\n\n**{self._number(block, 'Figure')}.** {caption}"

    def _math(self, block: Block) -> str:
        formula = block.text.strip()
        if block.argument:
            formula = f"{block.argument}\n{formula}".strip()
        if block.label or block.options.get("label"):
            number = self.labels.numbers[self.document, block.line]
            formula += f" \\tag{{{number}}}"
        return f"$$\n{formula}\n$$"

    def _number(self, block: Block, kind: str) -> str:
        return f"{kind} {self.labels.numbers[self.document, block.line]}"

    # Inline elements

    def _inline(self, text: str, line: int) -> str:
        parts, done = [], 0
        for element in elements(text):
            at = line + text[: element.start].count("\n")
            parts.append(text[done : element.start])
            done = element.end
            if element.kind == "role":
                parts.append(self._role(element, at))
            else:
                parts.append(self._link(element) or text[element.start : done])
        return "".join([*parts, text[done:]])

    def _role(self, element: Element, line: int) -> str:
        role, content = element.role, element.text
        match = _TITLE_TARGET.fullmatch(content)
        title, target = match.groups() if match else ("", content.strip())
        if role in CITATIONS:
            return self._citation(role, content, line)
        if role in REFERENCES:
            return self._reference(role, title, target.strip(), line)
        if role == "doc":
            document = resolve(self.document, target)
            title = title or self.labels.titles.get(document, target)
            return f"[{title}]({self.book.url(document)})"
        if role == "math":
            return f"${content}$"
        if role not in TEXTS:
            known = (*CITATIONS, *REFERENCES, "doc", "math", *TEXTS)
            what = f"unknown role {{{role}}}; {nearest(role, known)}"
            raise self._error(what, line)
        return title or target

    def _citation(self, role: str, keys: str, line: int) -> str:
        address = self.book.url("book/references")
        works = []
        for key in map(str.strip, keys.split(",")):
            cited = self.labels.citation(key)
            if cited is None:
                what = f"{key!r} is not in book/references.bib; add it there"
                raise self._error(what, line)
            authors, year = cited
            text = f"{authors} ({year})" if role == "cite:t" else f"{authors}, {year}"
            works.append(f"[{text}]({address})")
        joined = "; ".join(works)
        return joined if role == "cite:t" else f"({joined})"

    def _reference(self, role: str, title: str, target: str, line: int) -> str:
        label = self.labels.names.get(target)
        if label is None:
            raise self._error(f"no label {target!r} in the book; correct it", line)
        if role == "eq" and label.kind != "Equation":
            raise self._error(f"{target!r} is no equation; use {{ref}}", line)
        number = label.number
        if role == "numref" and title:
            name = title.replace("%s", number).replace("{number}", number)
        elif role == "eq":
            name = f"({number})"
        else:
            name = title or self._name(label)
        here = label.document == self.document
        if here and label.number:
            return name
        if label.number and not here and not title:
            name += f" of {self.labels.titles.get(label.document, label.document)}"
        return f"[{name}]({self._address(label, target)})"

    def _name(self, label: Label) -> str:
        if label.kind:
            return f"{label.kind} {label.number}"
        return label.title or self.labels.titles.get(label.document, "")

    def _address(self, label: Label, name: str) -> str:
        anchor = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        prefix = "equation-" if label.kind == "Equation" else ""
        return self.book.url(label.document, prefix + anchor)

    def _link(self, element: Element) -> str:
        """The link as a notebook has it; empty where it is right as it stands."""
        text, target = element.text, element.target
        if is_address(target):
            return ""
        if element.kind == "image":
            return f"![{text}]({self._file(target)})"
        path, _, anchor = target.partition("#")
        label = self.labels.names.get(path or anchor)
        if label:
            name = anchor or path
            return f"[{text or self._name(label)}]({self._address(label, name)})"
        document = resolve(self.document, path) if path else self.document
        if document in self.labels.titles:
            text = text or self.labels.titles[document]
            return f"[{text}]({self.book.url(document, anchor)})"
        return f"[{text}]({self._file(path)})"

    def _file(self, target: str) -> str:
        """Address of a file that also a notebook opened in Colab can reach."""
        if is_address(target):
            return target
        url, branch = self.book.repository
        return f"{url}/raw/{branch}/{resolve(self.document, target, suffix='')}"


def is_address(target: str) -> bool:
    """Whether a link's target is complete (`https:…`, `//host/…`), not a path."""
    return bool(_ADDRESS.match(target))


def resolve(document: str, target: str, suffix: str = ".md") -> str:
    """A path written in a document, seen from the book's root, without `suffix`."""
    path = target.lstrip("/") if target.startswith("/") else None
    path = path or posixpath.join(posixpath.dirname(document), target)
    return posixpath.normpath(path).removesuffix(suffix)


def _prefixed(text: str, prefix: str) -> str:
    """The text in a quotation (`> `) or in a list, whose mark stands once."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line), 0)
    below = re.sub(r"[^>\s]", " ", prefix)
    marks = [prefix if number == first else below for number in range(len(lines))]
    return "\n".join(
        mark + line if line else mark.rstrip() for mark, line in zip(marks, lines)
    )
