"""Sphinx extension: number and caption for what a cell draws, or the cells of a set."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from book.site.tabs import FrameworkTabs


class FigureOfCells(SphinxDirective):
    """`{figure-of-cells} name` with a caption as its body: what stands before it.

    book/build/pages.py writes it behind a cell, or behind the cells of the frameworks.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            (paragraph,) = self.parse_content_to_nodes()
        except ValueError:
            raise self.error("a caption is one paragraph") from None
        figure = nodes.figure("", classes=["of-cells"])
        figure["names"].append(nodes.fully_normalize_name(self.arguments[0]))
        self.set_source_info(figure)
        self.state.document.note_explicit_target(figure, figure)
        figure += nodes.caption("", "", *paragraph.children)
        return [figure]


class WrapCells(SphinxTransform):
    """Puts the cell, or the set of tabs, that a figure is of into it."""

    default_priority = FrameworkTabs.default_priority + 1

    def apply(self, **kwargs: Any) -> None:
        for figure in list(self.document.findall(nodes.figure)):
            if "of-cells" in figure["classes"]:
                place = figure.parent.index(figure)
                drawing = figure.parent.pop(place - 1)
                figure.insert(0, drawing)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("figure-of-cells", FigureOfCells)
    app.add_transform(WrapCells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
