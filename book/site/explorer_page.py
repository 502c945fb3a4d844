"""Sphinx extension: the page on which a reader tries networks of any size."""

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from d2l_lite.networks import zoo
from d2l_lite.networks.summary import kept_for_backward, stages

FOLDER = Path(__file__).with_name("explorer")
# In the order in which each uses what the ones before it define.
SCRIPTS = (
    *("network.js", "arithmetic.js", "address.js"),
    *("drawing.js", "report.js", "page.js"),
)
STYLE = "explorer.css"
# Dropout changes none of the page's counts of weights and arithmetic.
LEFT_OUT = ("dropout",)
HEADS = "network", "pixels", "parameters", "multiply-adds", "kept, MiB", "recomputing"


def presets() -> dict[str, dict[str, Any]]:
    """The zoo's networks as the page's scripts read them, with a size of images."""
    return {
        name: {
            "arguments": {k: v for k, v in known.items() if k not in LEFT_OUT},
            "size": image_size(known),
        }
        for name, known in zoo.NETWORKS.items()
    }


def image_size(network: dict[str, Any]) -> int:
    """Pixels of a side: ImageNet's for a thousand classes, else CIFAR's."""
    return 224 if network["num_classes"] == 1000 else 32


def totals(name: str, size: int) -> tuple[int, int, int, int]:
    """Parameters, multiply-adds and both numbers of bytes kept, of one image."""
    rows, kept = stages(name, size), kept_for_backward(name, size)
    return (
        sum(row.parameters for row in rows),
        sum(row.multiply_adds for row in rows),
        sum(row.plain for row in kept),
        sum(row.recomputed for row in kept),
    )


class Explorer(SphinxDirective):
    """The form, its networks as data, and a sentence for who has no JavaScript."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(zoo.__file__)
        form = (FOLDER / "form.html").read_text(encoding="utf-8")
        options = "".join(f"<option>{escape(name)}</option>" for name in zoo.NETWORKS)
        data = json.dumps(presets()).replace("<", r"\u003c")
        html = form.replace("OPTIONS", options)
        html += f'<script type="application/json" id="ex-networks">{data}</script>'
        return [nodes.raw("", html, format="html", classes=["explorer-form"])]


class ZooTable(SphinxDirective):
    """The numbers of the zoo's networks; each name opens the network on the page."""

    def run(self) -> list[nodes.Node]:
        for module in (zoo.__file__, stages.__code__.co_filename):
            self.env.note_dependency(module)
        lines = [" | ".join(HEADS), " | ".join(["---"] * len(HEADS))]
        (table,) = self.parse_text_to_nodes(
            "\n".join([*lines, *map(self.row, zoo.NETWORKS)])
        )
        table["classes"].append("zoo-table")
        return [table]

    def row(self, name: str) -> str:
        size = image_size(zoo.NETWORKS[name])
        parameters, multiply_adds, plain, recomputed = totals(name, size)
        page = self.env.docname.rpartition("/")[2]
        return (
            f'<a href="{page}.html?network={name}">{name}</a> | {size}×{size} '
            f"| {parameters:,d} | {multiply_adds:,d} "
            f"| {plain / 2**20:,.1f} | {recomputed / 2**20:,.1f}"
        )


def load_beside(
    mark: str, scripts: Sequence[str], styles: Sequence[str]
) -> Callable[..., None]:
    """Loads files on pages with raw HTML of the class `mark`, and nowhere else."""

    def load(
        app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document
    ) -> None:
        if doctree is None or not any(
            mark in node["classes"] for node in doctree.findall(nodes.raw)
        ):
            return
        for name in scripts:
            app.add_js_file(name, loading_method="defer")
        for name in styles:
            app.add_css_file(name)

    return load


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("explorer", Explorer)
    app.add_directive("zoo-table", ZooTable)
    app.connect("html-page-context", load_beside("explorer-form", SCRIPTS, [STYLE]))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
