"""Makes _build/slides/: for a framework, each chapter's tagged cells as a slide show.

Text and code are the chapter's, outputs those of its executed notebook. A file needs
nothing beside it and asks no network for anything. It is no reveal.js: that has to be
installed, and nbconvert's template for it loads four more libraries from the network.
What a lecture needs of it are the hundred lines of book/site/slides/.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from book.build.files import write_if_changed
from book.build.labels import Labels, read_labels
from book.build.markdown import PlainMarkdown
from book.build.merge import executed_cells
from book.build.source import (
    Book,
    Chapter,
    belongs,
    figure,
    tags,
)
from book.build.split import read_notebook
from book.build.vocabulary import SAME_SLIDE, SLIDE
from book.site.mathematics import STYLE, Server
from d2l_lite import TITLES

FOLDER = Path(__file__).parents[1] / "site" / "slides"
# Longer code stands in two columns.
LINES = 24
HIDDEN = ("hide-input", "hide-cell", "remove-input", "remove-cell")


@dataclass
class Slide:
    """A slide's heading, what stands below it, and what the speaker says: HTML."""

    title: str
    parts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def html(self) -> str:
        return (
            f"<section>\n{self.title}\n<div>\n{''.join(self.parts)}</div>\n"
            f"<aside hidden>{''.join(self.notes)}</aside>\n</section>\n"
        )


def write_slides(
    book: Book, chapters: Iterable[Chapter], frameworks: Iterable[str]
) -> list[Path]:
    """Writes the slides of those chapters that have some; returns their paths.

    Raises:
        BookError: a tag that stands where it means nothing, or a cell on a slide whose
            notebook has not been executed.
    """
    frameworks = tuple(frameworks)
    labels, paths = read_labels(book), []
    with closing(Server()) as mathematics:
        for chapter in chapters:
            if not any(SLIDE in tags(cell) for cell in chapter.cells):
                continue
            for framework in frameworks:
                reader = Reader(book, labels, chapter, framework, mathematics)
                path = book.root / "_build/slides" / framework / f"{chapter.name}.html"
                write_if_changed(path, reader.page())
                paths.append(path)
    return paths


class Reader:
    """Makes slides of one chapter's cells.

    All prose that is on no slide is the speaker's: what stands above the first slide of
    a section belongs to that, and the rest to the slide above it. A section without
    slides is left out.
    """

    def __init__(
        self,
        book: Book,
        labels: Labels,
        chapter: Chapter,
        framework: str,
        mathematics: Server,
    ) -> None:
        self.book, self.chapter, self.framework = book, chapter, framework
        self.title = labels.titles[f"chapters/{chapter.name}"]
        self.plain = PlainMarkdown(book, labels, chapter)
        path = book.notebook_path(chapter, framework)
        notebook = read_notebook(path)
        self.executed = executed_cells(notebook) if notebook else {}
        macros = book.config.get("sphinx", {}).get("config", {}).get("katex_macros", {})

        def formula(text: str, options: dict) -> str:
            settings = {"displayMode": options["display_mode"], "macros": macros}
            request = {"latex": text, "katex_options": settings}
            return mathematics.render(request, 0)["html"]

        self.markdown = MarkdownIt().enable("table")
        self.markdown.use(dollarmath_plugin, renderer=formula)

    def page(self) -> str:
        """The whole file."""
        style = "".join(
            (STYLE.read_text("utf-8"), (FOLDER / "slides.css").read_text("utf-8"))
        )
        light, dark = (
            HtmlFormatter(style=f"a11y-high-contrast-{name}").get_style_defs("pre")
            for name in ("light", "dark")
        )
        style += f"{light}\n@media screen and (prefers-color-scheme: dark) {{{dark}}}\n"
        script = (FOLDER / "slides.js").read_text("utf-8")
        slides = "".join(slide.html() for slide in self.slides())
        title = escape(f"{self.title}, {TITLES[self.framework]}")
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
            f"<main>\n{slides}</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
        )

    def slides(self) -> list[Slide]:
        """The slides in order; the first is made of the chapter's beginning."""
        found: list[Slide] = []
        heading, section, pending = "", None, []
        for cell in self.chapter.cells:
            if not belongs(cell, self.framework):
                continue
            starts, continues = (tag in tags(cell) for tag in (SLIDE, SAME_SLIDE))
            prose = cell.cell_type == "markdown"
            for title, body in (
                self._pieces(cell) if prose else [("", self._code(cell))]
            ):
                if title:
                    heading, section, pending = title, None, []
                    if not found:  # the chapter's title, and its question below it
                        question, dot, rest = body.partition("</p>")
                        section = Slide(title, [question + dot], [rest])
                        found.append(section)
                        continue
                if starts:
                    section = Slide(heading, [body], pending)
                    found.append(section)
                    pending, starts, continues = [], False, True
                elif continues and section is None:
                    what = f"no slide to stand on; the tag is {SLIDE!r}"
                    raise self.chapter.error(cell, what)
                elif continues:
                    section.parts.append(body)
                elif prose:
                    (pending if section is None else section.notes).append(body)
        return found

    def _pieces(self, cell: NotebookNode) -> Iterator[tuple[str, str]]:
        """A prose cell's sections as HTML: a heading, or nothing, and what follows."""
        text = self.plain.translate(cell.source, self.chapter.line(cell))
        tokens, environment = self.markdown.parse(text), {}
        heads = [n for n, token in enumerate(tokens) if token.type == "heading_open"]
        starts = sorted({0, *heads, len(tokens)})
        for start, end in zip(starts, starts[1:]):
            middle = start + 3 if start in heads else start
            yield tuple(
                self.markdown.renderer.render(part, self.markdown.options, environment)
                for part in (tokens[start:middle], tokens[middle:end])
            )

    def _code(self, cell: NotebookNode) -> str:
        """A code cell that is on a slide, with its outputs and its figure's caption."""
        if not {SLIDE, SAME_SLIDE}.intersection(tags(cell)):
            return ""
        if cell.id not in self.executed:
            what = (
                f"the {TITLES[self.framework]} notebook has no outputs of this cell; "
                "run `make book` first"
            )
            raise self.chapter.error(cell, what)
        text = ""
        if not set(HIDDEN).intersection(tags(cell)):
            long = ' class="long"' if cell.source.count("\n") >= LINES else ""
            code = highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True))
            text = f"<pre{long}>{code}</pre>\n"
        outputs = self.executed[cell.id].outputs
        if not figure(cell):
            return text + "".join(map(_output, outputs))
        image = cell.metadata.mystnb.get("image", {})
        pictures = ""
        for output in outputs:
            if output.output_type == "stream":
                text += _output(output)
            else:
                pictures += _output(output, escape(str(image.get("alt", ""))))
        text = f'<div class="text">{text}</div>' if text else ""
        caption = self.plain.caption(figure(cell), self.chapter.line(cell))
        below = self.markdown.renderInline(caption)
        return (
            f"<figure><div>{text}{pictures}</div>\n"
            f"<figcaption>{below}</figcaption></figure>\n"
        )


def _output(output: NotebookNode, alternative: str = "") -> str:
    """An output as HTML; a picture is a part of the file."""
    if output.output_type == "stream":
        return f'<pre class="output">{escape(output.text.rstrip())}</pre>\n'
    data = output.data
    if "image/svg+xml" in data:
        # As an image: what two drawings call the same stays apart.
        source = f"data:image/svg+xml,{quote(data['image/svg+xml'])}"
        return f'<img class="drawing" alt="{alternative}" src="{source}">\n'
    if "image/png" in data:
        source = f"data:image/png;base64,{data['image/png'].replace(chr(10), '')}"
        return f'<img alt="{alternative}" src="{source}">\n'
    if "text/html" in data:
        return data["text/html"]
    return f'<pre class="output">{escape(data["text/plain"])}</pre>\n'
