"""Sphinx extension: the texts of all sections, so that search fetches no page."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from docutils import nodes
from sphinx.application import Sphinx

from book.build.files import write_if_changed

SCRIPT = Path(__file__).with_name("search.js")
TEXTS = "search_texts.js"
TAG = re.compile(r"<[^>]+>")
MATHML = re.compile("<math.*</math>", re.DOTALL)
SILENT = (nodes.image, nodes.comment, nodes.raw, nodes.target)


def sections(app: Sphinx, doctree: nodes.document) -> list[list[str]]:
    """Anchor, title and own text of each section of a page."""
    found = []
    for section in doctree.findall(titled):
        title, *rest = section.children
        words = " ".join(text(app, node) for node in rest if not titled(node)).split()
        found.append([section["ids"][0], text(app, title), " ".join(words)])
    return found


def titled(node: nodes.Node) -> bool:
    """Whether this is a section with a title; the content of an exercise has none."""
    return isinstance(node, nodes.section) and isinstance(node[0], nodes.title)


def spoken(element: Element) -> str:
    """A formula's MathML in one line: x^2 for a power, x_1 for an index."""
    parts = list(map(spoken, element))
    kind = element.tag.rpartition("}")[2]
    if kind == "msubsup":
        return "{}_{}^{}".format(*parts)
    if kind == "mtext":
        return f" {element.text or ''} "
    sign = {"msub": "_", "msup": "^", "mfrac": "/"}.get(kind, "")
    return (element.text or "").strip() + sign.join(parts)


def text(app: Sphinx, node: nodes.Node) -> str:
    """What a reader reads there; formulas as their MathML says them."""
    if isinstance(node, nodes.math | nodes.math_block):
        html = app.book_formulas.html_of(node)
        formula = MATHML.search(html)
        words = spoken(fromstring(formula[0])) if formula else TAG.sub("", html)
        return words if isinstance(node, nodes.math) else f" {words} "
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, SILENT):
        return ""
    separator = "" if isinstance(node, nodes.TextElement) else " "
    return separator.join(text(app, child) for child in node.children)


def start(app: Sphinx) -> None:
    """Takes the texts of pages that will not be written again from the last build."""
    kept = Path(app.doctreedir) / "search_texts.json"
    app.book_texts = json.loads(kept.read_text()) if kept.exists() else {}


def collect(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Notes the texts of a page that is written."""
    if doctree is not None:
        app.book_texts[page] = sections(app, doctree)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Writes the texts as a script, for pages opened from a folder cannot fetch."""
    if exception or app.builder.format != "html":
        return
    texts = {page: app.book_texts[page] for page in sorted(app.env.found_docs)}
    data = json.dumps(texts, ensure_ascii=False)
    write_if_changed(Path(app.doctreedir) / "search_texts.json", data)
    static = Path(app.outdir) / "_static"
    write_if_changed(static / TEXTS, f"window.bookTexts = {data};\n")
    write_if_changed(static / SCRIPT.name, SCRIPT.read_bytes())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", start)
    app.connect("html-page-context", collect)
    app.connect("build-finished", finish)
    # What another process collects, this one does not know.
    return {"parallel_read_safe": True, "parallel_write_safe": False}
