"""A chapter's MyST as plain Markdown that Jupyter and Colab show."""

import posixpath
import re
from collections.abc import Callable

from book.build.labels import Label, Labels
from book.build.myst import INLINE, Block, blocks, role_target
from book.build.source import Book, BookError, Chapter

ADMONITIONS = ("note", "tip", "hint", "important", "warning", "caution", "attention")
ADMONITIONS += ("danger", "error", "seealso", "margin", "sidebar", "admonition")
CITATIONS = ("cite", "cite:p", "cite:t")
REFERENCES = ("ref", "numref", "eq", "prf:ref")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|//")


class PlainMarkdown:
    """Translates the prose of one chapter; references become links to the site."""

    def __init__(self, book: Book, labels: Labels, chapter: Chapter) -> None:
        self.book = book
        self.labels = labels
        self.chapter = chapter
        self.document = f"chapters/{chapter.name}"

    def translate(self, source: str, line: int) -> str:
        """Plain Markdown of a text that starts at the line of the chapter."""
        pieces = [self._block(block) for block in blocks(source, line)]
        text = "\n".join(piece for piece in pieces if piece is not None)
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n")

    def _block(self, block: Block) -> str | None:
        """Markdown of a block; None for what leaves no line."""
        if block.kind in ("target", "comment", "break"):
            return None
        if block.kind == "code":
            return block.text
        if block.kind == "math":
            return _indented(self._math(block), block.indent)
        if block.kind == "directive":
            return _indented(f"\n{self._directive(block)}\n", block.indent)
        return self._inline(block.text, block.line)

    # Directives

    def _directive(self, block: Block) -> str:
        if block.name in ADMONITIONS:
            return self._admonition(block)
        writer = self._writers().get(block.name)
        if writer is None:
            raise BookError(
                f"{self.document}.md:{block.line}: a notebook cannot show the "
                f"directive {{{block.name}}}; use one of "
                f"{', '.join(sorted({*self._writers(), *ADMONITIONS}))}"
            )
        return writer(block)

    def _writers(self) -> dict[str, Callable[[Block], str]]:
        return {
            "code": self._code,
            "code-block": self._code,
            "div": self._body,
            "dropdown": self._dropdown,
            "epigraph": self._quote,
            "exercise": self._exercise,
            "figure": self._figure,
            "image": self._figure,
            "list-table": self._list_table,
            "math": self._math,
            "solution": self._solution,
            "table": self._table,
        }

    def _body(self, block: Block) -> str:
        return self.translate(block.text, block.body_line)

    def _quote(self, block: Block) -> str:
        return _quoted(self._body(block))

    def _admonition(self, block: Block) -> str:
        title, body = block.name.capitalize(), self._body(block)
        if block.name in ("margin", "sidebar", "admonition"):
            title = self._inline(block.argument, block.line)
        elif block.argument:  # the first line of the text, not a title
            first = self._inline(block.argument, block.line)
            body = f"{first}\n{body}".rstrip()
        title = {"Seealso": "See also"}.get(title, title)
        return _quoted(f"**{title}**\n\n{body}" if title else body)

    def _dropdown(self, block: Block) -> str:
        return _details(block.argument or "Details", self._body(block))

    def _exercise(self, block: Block) -> str:
        heading = f"**{self._number(block, 'Exercise')}**"
        if block.argument:
            title = self._inline(block.argument, block.line).strip("()")
            heading += f" ({title})"
        return f"{heading}\n\n{self._body(block)}"

    def _solution(self, block: Block) -> str:
        label = self.labels.names.get(block.argument)
        name = self._name(label) if label else "the exercise"
        return _details(f"Solution to {name}", self._body(block))

    def _figure(self, block: Block) -> str:
        address = self._file(block.argument)
        image = f"![{block.options.get('alt', '')}]({address})"
        caption = self._body(block)
        if block.name == "image" or not caption:
            return image
        return f"{image}\n\n**{self._number(block, 'Figure')}.** {caption}"

    def _table(self, block: Block) -> str:
        caption = self._inline(block.argument, block.line)
        heading = f"**{self._number(block, 'Table')}.** {caption}\n\n"
        return (heading if caption else "") + self._body(block)

    def _list_table(self, block: Block) -> str:
        rows = [
            [self._inline(str(cell or ""), block.line) for cell in row]
            for row in _nested_list(block.text)
        ]
        headers = str(block.options.get("header-rows", 0))
        if not headers.isdecimal() or len({len(row) for row in rows}) != 1:
            raise BookError(
                f"{self.document}.md:{block.line}: a {{list-table}} needs rows "
                "`* - cell` of equally many cells `  - cell` and a whole number of "
                "`:header-rows:`"
            )
        if not int(headers):
            rows.insert(0, [""] * len(rows[0]))
        rows.insert(1, ["---"] * len(rows[0]))
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        caption = self._inline(block.argument, block.line)
        heading = f"**{self._number(block, 'Table')}.** {caption}\n\n"
        return (heading if caption else "") + table

    def _code(self, block: Block) -> str:
        longest = max([2, *map(len, re.findall(r"^`{3,}", block.text, re.MULTILINE))])
        fence = "`" * (longest + 1)
        return f"{fence}{block.argument}\n{block.text}\n{fence}"

    def _math(self, block: Block) -> str:
        label = block.label or block.options.get("label")
        formula = f"{block.argument}\n{block.text}".strip()
        if label:
            number = self.labels.numbers[self.document, block.line]
            formula += f" \\tag{{{number}}}"
        return f"$$\n{formula}\n$$"

    def _number(self, block: Block, kind: str) -> str:
        return f"{kind} {self.labels.numbers[self.document, block.line]}"

    # Inline elements

    def _inline(self, text: str, line: int) -> str:
        def replace(match: re.Match) -> str:
            if match["role"]:
                return self._role(match["role"], match["content"])
            if match["target"] is not None:
                return self._link(match["image"], match["text"], match["target"])
            return match[0]

        return INLINE.sub(replace, text)

    def _role(self, role: str, content: str) -> str:
        title, target = role_target(content)
        if role in CITATIONS:
            return self._citation(role, content)
        if role in REFERENCES:
            return self._reference(role, title, target)
        if role == "doc":
            document = resolve(self.document, target)
            title = title or self.labels.titles.get(document, target)
            return f"[{title}]({self.book.url(document)})"
        if role == "term":
            label = self.labels.terms.get(target.lower())
            address = label and self.book.url(label.document)
            return f"[{title or target}]({address})" if address else title or target
        if role == "math":
            return f"${content}$"
        if role in ("sub", "sup"):
            return f"<{role}>{content}</{role}>"
        if role in ("code", "kbd", "file", "command"):
            return f"`{content}`"
        if role == "download":
            return f"[{title or target}]({self._file(target)})"
        return title or target

    def _citation(self, role: str, keys: str) -> str:
        address = self.book.url("book/references")
        works = []
        for key in keys.split(","):
            authors, year = self.labels.citation(key.strip()) or (key.strip(), "")
            text = f"{authors} ({year})" if role == "cite:t" else f"{authors}, {year}"
            works.append(f"[{text}]({address})")
        joined = "; ".join(works)
        return joined if role == "cite:t" else f"({joined})"

    def _reference(self, role: str, title: str, target: str) -> str:
        label = self.labels.names.get(target)
        if label is None:  # `python -m book check` names it
            return title or target
        number = str(label.number)
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

    def _link(self, image: str, text: str, target: str) -> str:
        if image:
            return f"![{text}]({self._file(target)})"
        if is_address(target):
            return f"[{text}]({target})"
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


def _nested_list(text: str) -> list[list[str]]:
    """Rows of a list-table: `* - cell` and `  - cell` with continuation lines.

    No rows if the text starts otherwise.
    """
    rows: list[list[str]] = []
    for line in text.splitlines():
        if match := re.match(r"^([*-]\s+)?\s*[-*]\s?(.*)$", line):
            if match[1]:
                rows.append([])
            if not rows:
                return []
            rows[-1].append(match[2].strip())
        elif line.strip():
            if not rows:
                return []
            rows[-1][-1] += f" {line.strip()}"
    return rows


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _details(summary: str, body: str) -> str:
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def _indented(text: str, indent: str) -> str:
    return "\n".join(indent + line if line else "" for line in text.split("\n"))
