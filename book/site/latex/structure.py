"""Divides the assembled pages into a book's front matter, chapters and back matter."""

from typing import Any

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

PREFACE = "About This Book"


def latex(text: str) -> nodes.raw:
    """LaTeX as it stands."""
    return nodes.raw("", f"{text}\n", format="latex")


def is_contents(node: nodes.Node) -> bool:
    """Whether these are the pages of one table of contents."""
    return isinstance(node, nodes.compound) and "toctree-wrapper" in node["classes"]


def is_numbered(env: BuildEnvironment, contents: nodes.compound) -> bool:
    """Whether the chapters of a table of contents have numbers on the site."""
    return any(env.toc_secnumbers.get(page.get("docname")) for page in contents)


def divide(env: BuildEnvironment, root: nodes.section) -> None:
    """Put a preface and LaTeX's divisions around the pages that follow the first one.

    What the first page says becomes the preface: LaTeX would skip its title and take
    its sections for chapters.
    """
    title, *body = root.children
    own = [node for node in body if not is_contents(node)]
    children = [
        title,
        nodes.section("", nodes.title(PREFACE, PREFACE), *own, ids=["preface"]),
    ]
    numbered = False
    for contents in filter(is_contents, body):
        if is_numbered(env, contents) != numbered:
            numbered = not numbered
            children.append(latex(r"\mainmatter" if numbered else r"\backmatter"))
        children.append(contents)
    root.children = []
    root.extend(children)


class Structure(SphinxPostTransform):
    """Front matter, chapters with numbers, back matter."""

    default_priority = 1
    builders = ("latex",)

    def run(self, **kwargs: Any) -> None:
        divide(self.env, next(self.document.findall(nodes.section)))


class References(SphinxPostTransform):
    """Leave the bibliography on its page; Sphinx would move it to a second chapter."""

    # After sphinxcontrib-bibtex has made citations, before Sphinx gathers them.
    default_priority = 6
    builders = ("latex",)

    def run(self, **kwargs: Any) -> None:
        for citation in list(self.document.findall(nodes.citation)):
            _label, *text = citation.children
            for link in citation.findall(nodes.reference):
                # An address in a footnote beside "arXiv:1608.06993" says it twice.
                link.children = []
                link += nodes.Text(link["refuri"])
            names = (f"cite.{citation['docname']}:{name}" for name in citation["ids"])
            targets = [latex(rf"\hypertarget{{{name}}}{{}}%") for name in names]
            citation.replace_self(
                nodes.container("", *targets, *text, classes=["reference"])
            )
