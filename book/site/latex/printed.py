"""Replaces what only a browser can show by what paper can."""

import posixpath
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.images import get_image_size
from sphinx_design.icons import fontawesome
from sphinx_design.shared import is_component

from book.build.source import FRAMEWORKS
from book.site.latex.published import published
from book.site.latex.structure import latex

# Of a plot as wide as the text.
PIXELS = 880
ONLINE = "This part is interactive. It is on the page of this book's site, "


def component(name: str) -> Callable[[nodes.Node], bool]:
    """Recognises sphinx-design's component of that name."""
    return lambda node: is_component(node, name)


def has_class(*names: str) -> Callable[[nodes.Node], bool]:
    """Recognises a container with one of the classes."""
    return lambda node: (
        isinstance(node, nodes.container) and not {*names}.isdisjoint(node["classes"])
    )


def tabs(tab_set: nodes.Element) -> list[nodes.Node]:
    """The contents of all tabs one after another, each under its name."""
    items: list[nodes.Node] = []
    for label, content in (item.children for item in tab_set.children):
        framework = label.get("sync_id")
        if framework in FRAMEWORKS:
            own = [latex(rf"\frameworkname{{{framework}}}{{{label.astext()}}}")]
            classes = [f"framework-{framework}"]
        else:
            own = [nodes.paragraph("", "", nodes.strong("", label.astext()))]
            classes = []
        items.append(nodes.container("", *own, *content.children, classes=classes))
    return [nodes.container("", *items, classes=["tabs"])]


def cards(grid: nodes.Element) -> list[nodes.Node]:
    """Cards as a list: the title of the page that a card leads to, and its text."""
    items = []
    for card in grid.findall(component("card")):
        title = next(card.findall(component("card-title")))
        text = [node for node in title.parent.children if node is not title]
        words = next(card.findall(is_link), None) or nodes.Text(title.astext())
        term = nodes.term("", "", words)
        items.append(nodes.definition_list_item("", term, nodes.definition("", *text)))
    return [nodes.definition_list("", *items)]


def is_link(node: nodes.Node) -> bool:
    """Whether this makes a card a link to a page of the book, whose title it gets."""
    return (
        isinstance(node, addnodes.pending_xref)
        and "sd-stretched-link" in node["classes"]
    )


def is_html(node: nodes.Node) -> bool:
    """Whether this is a block that only HTML has; comments and empty ones are none."""
    return (
        isinstance(node, nodes.raw)
        and "html" in node["format"].split()
        and not isinstance(node.parent, nodes.TextElement)
        and bool(node.astext().strip())
        and not node.astext().lstrip().startswith("<!--")
    )


def is_relative(node: nodes.Node) -> bool:
    """Whether this is a link to a file of the site, which paper does not have."""
    address = node.get("refuri", "") if isinstance(node, nodes.reference) else ""
    parts = urlparse(address)
    return bool(parts.path) and not parts.scheme


def online(address: str) -> nodes.paragraph:
    """What stands in print for a part that only a browser can show."""
    link = nodes.reference("", address, refuri=address)
    return nodes.paragraph("", ONLINE, link, nodes.Text("."), classes=["online"])


class Printed(SphinxPostTransform):
    """Tabs one after another, cards as a list, no buttons, no hidden cells' code."""

    # Before references are resolved: those of buttons go, those of cards change.
    default_priority = 2
    builders = ("latex",)

    def run(self, **kwargs: Any) -> None:
        self.replace(has_class("buttons"), lambda node: [])
        for cell in self.document.findall(has_class("tag_hide-input", "tag_hide-cell")):
            cell.children = [
                part
                for part in cell.children
                if "tag_hide-cell" not in cell["classes"]
                and "cell_input" not in part["classes"]
            ]
        self.replace(lambda node: isinstance(node, fontawesome), lambda node: [])
        self.replace(component("tab-set"), tabs)
        self.replace(component("grid-container"), cards)
        self.replace_html()
        for link in self.document.findall(is_relative):
            page = self.page_of(link)
            path = posixpath.join(posixpath.dirname(page), link["refuri"])
            link["refuri"] = published(self.config, path)
        for output in self.document.findall(has_class("cell_output")):
            for image in output.findall(nodes.image):
                self.set_width(image)

    def replace(
        self,
        condition: Callable[[nodes.Node], bool],
        replacement: Callable[[nodes.Element], list[nodes.Node]],
    ) -> None:
        """Replaces every node for which the condition holds."""
        for node in list(self.document.findall(condition)):
            node.parent.replace(node, replacement(node))

    def set_width(self, image: nodes.image) -> None:
        """Gives all plots one scale, so that their letters have one size."""
        size = get_image_size(str(Path(self.app.srcdir) / image["uri"]))
        if size and "width" not in image:
            image["width"] = f"{min(100, 100 * size[0] // PIXELS)}%"

    def replace_html(self) -> None:
        """One sentence for each run of blocks that only HTML has."""
        found = list(self.document.findall(is_html))
        for parent in {id(node.parent): node.parent for node in found}.values():
            children = []
            for html, group in groupby(parent.children, is_html):
                run = list(group)
                children += [online(self.address(run[0]))] if html else run
            parent.children = []
            parent.extend(children)

    def address(self, node: nodes.Node) -> str:
        """The published address of the page that a node comes from."""
        return published(self.config, f"{self.page_of(node)}.html")

    def page_of(self, node: nodes.Node) -> str:
        """The name of the page that a node comes from."""
        while "docname" not in node:
            node = node.parent
        return node["docname"]
