"""Sphinx extension: the book as LaTeX, for print, and links to what is published."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from book.build.source import FRAMEWORKS
from book.site.colours import CSS, colours
from book.site.latex.printed import Printed
from book.site.latex.published import Published
from book.site.latex.structure import References, Structure
from d2l_lite import TITLES

STYLE = Path(__file__).with_name("print.sty")
ELEMENTS = {
    "papersize": "a4paper",
    "pointsize": "10pt",
    "extraclassoptions": "openany,oneside",
    "geometry": r"\usepackage[a4paper,hmargin=30mm,top=26mm,bottom=26mm]{geometry}",
    # Fonts and titles are print.sty's.
    "fontpkg": "",
    "fncychap": "",
    "fvset": r"\fvset{fontsize=\small}",
    "tableofcontents": "\\frontmatter\n\\bookcontents",
    "makeindex": "",
    "printindex": "",
}


def preamble(config: Config) -> str:
    """Loads print.sty and tells it what it cannot know."""
    found = colours(CSS.read_text(encoding="utf-8"))
    names = ", ".join(TITLES[framework] for framework in FRAMEWORKS)
    coloured = [rf"\textcolor{{{name}}}{{{TITLES[name]}}}\quad" for name in FRAMEWORKS]
    return "\n".join(
        [
            rf"\newcommand{{\booknames}}{{{names}}}",
            r"\usepackage{print}",
            *(rf"\newframework{{{name}}}{{{found[name]}}}" for name in FRAMEWORKS),
            rf"\newcommand{{\bookframeworks}}{{{' '.join(coloured)}}}",
            rf"\newcommand{{\bookaddress}}{{{config.html_baseurl}}}",
            rf"\newcommand{{\bookcopyright}}{{{config.copyright} {config.author}}}",
        ]
    )


def set_style(app: Sphinx, config: Config) -> None:
    """Have LaTeX load our style last; _config.yml may overrule the elements."""
    config.latex_additional_files.append(str(STYLE))
    config.latex_docclass = {"manual": "book"}
    config.latex_elements = ELEMENTS | {"preamble": preamble(config)}
    config.today_fmt = "%-d %B %Y"
    config.latex_show_urls = "footnote"
    config.latex_show_pagerefs = True
    config.latex_use_xindy = False
    config.latex_table_style = ["booktabs"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("sphinxcontrib.rsvgconverter")
    app.connect("config-inited", set_style)
    app.add_role("published", Published())
    app.add_post_transform(Structure)
    app.add_post_transform(Printed)
    app.add_post_transform(References)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
