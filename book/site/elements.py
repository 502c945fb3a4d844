"""Sphinx extension: images that keep their place free, references as a proper list."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.images import get_image_size
from sphinx.writers.html5 import HTML5Translator


def visit_image(translator: HTML5Translator, node: nodes.image) -> None:
    """Writes an image that comes when it is needed; no text moves when it does."""
    path = Path(translator.builder.srcdir) / node["uri"]
    type(translator).visit_image(translator, node)
    attributes = ' loading="lazy"'
    if size := get_image_size(str(path)):
        attributes += f' width="{size[0]}" height="{size[1]}"'
    html = translator.body[-1]
    translator.body[-1] = html.replace("<img", f"<img{attributes}", 1)


def depart_image(translator: HTML5Translator, node: nodes.image) -> None:
    """Ends an image as Sphinx does."""
    type(translator).depart_image(translator, node)


def visit_citation(translator: HTML5Translator, node: nodes.citation) -> None:
    """Writes a reference as an item of its list, for docutils' role is deprecated."""
    start = len(translator.body)
    type(translator).visit_citation(translator, node)
    translator.body[start:] = [
        html.replace('role="doc-biblioentry"', 'role="listitem"')
        for html in translator.body[start:]
    ]


def depart_citation(translator: HTML5Translator, node: nodes.citation) -> None:
    """Ends a reference as docutils does."""
    type(translator).depart_citation(translator, node)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
