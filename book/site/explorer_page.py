"""Sphinx extension: the page on which a reader tries networks of any size."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any
from zlib import crc32

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from d2l_lite.networks import zoo
from d2l_lite.networks.summary import kept_for_backward, stages

FOLDER = Path(__file__).with_name("explorer")
# In the order in which each uses what the ones before it define.
SCRIPTS = ("arithmetic.js", "address.js", "drawing.js", "report.js", "page.js")
STYLE = "explorer.css"
# Dropout changes none of the page's counts of weights and arithmetic.
LEFT_OUT = ("dropout",)
DOCUMENTS = "explorer_documents"


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
        for path in (*FOLDER.iterdir(), zoo.__file__):
            self.env.note_dependency(str(path))
        if not hasattr(self.env, DOCUMENTS):
            setattr(self.env, DOCUMENTS, set())
        getattr(self.env, DOCUMENTS).add(self.env.docname)
        form = (FOLDER / "form.html").read_text(encoding="utf-8")
        options = "".join(f"<option>{escape(name)}</option>" for name in zoo.NETWORKS)
        data = json.dumps(presets()).replace("<", r"\u003c")
        html = form.replace("OPTIONS", options)
        html += f'<script type="application/json" id="ex-networks">{data}</script>'
        return [nodes.raw("", html, format="html")]


class ZooTable(SphinxDirective):
    """The numbers of the zoo's networks; each name opens the network on the page."""

    def run(self) -> list[nodes.Node]:
        for module in (zoo.__file__, stages.__code__.co_filename):
            self.env.note_dependency(module)
        heads = ("network", "pixels", "parameters", "multiply-adds")
        heads += ("kept, MiB", "reading again")
        rows = [[nodes.Text(text)] for text in heads]
        body = nodes.tbody("", *map(self.row, zoo.NETWORKS))
        group = nodes.tgroup(
            "",
            *(nodes.colspec(colwidth=1) for _ in heads),
            nodes.thead("", _row(rows)),
            body,
            cols=len(heads),
        )
        return [nodes.table("", group, classes=["zoo-table"])]

    def row(self, name: str) -> nodes.row:
        size = image_size(zoo.NETWORKS[name])
        parameters, multiply_adds, plain, recomputed = totals(name, size)
        page = self.env.docname.rpartition("/")[2]
        link = nodes.reference("", name, refuri=f"{page}.html?network={name}")
        numbers = (
            f"{size}×{size}",
            f"{parameters:,d}",
            f"{multiply_adds:,d}",
            f"{plain / 2**20:,.1f}",
            f"{recomputed / 2**20:,.1f}",
        )
        return _row([[link], *([nodes.Text(number)] for number in numbers)])


def _row(cells: list[list[nodes.Node]]) -> nodes.row:
    return nodes.row(
        "", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells)
    )


def add_scripts(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Load the scripts on the pages that have the form, and nowhere else."""
    if page not in getattr(app.env, DOCUMENTS, ()):
        return
    for name in SCRIPTS:
        app.add_js_file(f"explorer/{name}", loading_method="defer")
    app.add_css_file(f"explorer/{STYLE}")


def forget(app: Sphinx, env: Any, page: str) -> None:
    """A page that is read anew may have lost its form."""
    getattr(env, DOCUMENTS, set()).discard(page)


def remember(app: Sphinx, env: Any, pages: set[str], other: Any) -> None:
    """What a process has found that read some of the pages."""
    found = getattr(other, DOCUMENTS, set())
    setattr(env, DOCUMENTS, getattr(env, DOCUMENTS, set()) | found)


def set_paths(app: Sphinx, config: Config) -> None:
    """Have the scripts copied: book.build.pages puts them beside all pages' own."""
    config.html_static_path.append("_vendor")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("config-inited", set_paths)
    app.add_directive("explorer", Explorer)
    app.add_directive("zoo-table", ZooTable)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", remember)
    app.connect("html-page-context", add_scripts)
    files = (Path(__file__), *sorted(FOLDER.iterdir()))
    return {
        # The page names its scripts by their checksums, so it is made anew with them.
        "env_version": crc32(b"".join(path.read_bytes() for path in files)),
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
