"""Sphinx extension: what is one framework's, in tabs with that of the others."""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from book.build.source import FRAMEWORKS, belongs, read_chapter, tags
from d2l_lite import TITLES


class framework_tabs(nodes.General, nodes.Element):  # noqa: N801
    """A set of tabs that a browser may show as columns."""


class framework_panel(nodes.General, nodes.Element):  # noqa: N801
    """What one framework has to show in a set."""


class Framework(SphinxDirective):
    """Prose of one framework, `:::{framework} jax`."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        if name not in FRAMEWORKS:
            raise self.error(
                f"no framework {name!r}; there are {', '.join(FRAMEWORKS)}"
            )
        return [part(name, *self.parse_content_to_nodes())]


class Exported(SphinxDirective):
    """The exported cells of a chapter that define names of the body, one a line."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        path = Path(self.env.srcdir).parents[1] / f"chapters/{name}.md"
        if not path.exists():
            raise self.error(f"there is no chapters/{name}.md")
        self.env.note_dependency(str(path))
        cells = [c for c in read_chapter(path).cells if "export" in tags(c)]
        parts = []
        for framework in FRAMEWORKS:
            own = [cell.source for cell in cells if belongs(cell, framework)]
            for wanted in self.content:
                code = next((c for c in own if wanted in defined(c)), None)
                if code is None:
                    raise self.error(f"chapters/{name}.md exports no {wanted}")
                block = nodes.literal_block(code, code, language="python")
                parts.append(part(framework, block))
        return parts


def defined(source: str) -> list[str]:
    """The names of the functions and classes that a cell defines."""
    return [getattr(statement, "name", "") for statement in ast.parse(source).body]


def part(framework: str, *children: nodes.Node) -> nodes.container:
    """Something of one framework, marked as MyST-NB marks its code cells."""
    return nodes.container("", *children, classes=[f"tag_{framework}"])


def framework_of(node: nodes.Node) -> str | None:
    """The framework whose part or code cell this is, if any."""
    if not isinstance(node, nodes.container):
        return None
    return next((f for f in FRAMEWORKS if f"tag_{f}" in node["classes"]), None)


def prints_for_all(node: nodes.Node) -> bool:
    """Whether this is a cell of all frameworks whose code and text are shown.

    book/build/merge.py has asserted that they show the same.
    """
    return (
        isinstance(node, nodes.container)
        and node.get("nb_element") == "cell_code"
        and "hide_mode" not in node
        and framework_of(node) is None
        and any(
            "output" in text["classes"] for text in node.findall(nodes.literal_block)
        )
        and not any(node.findall(nodes.image))
    )


class FrameworkTabs(SphinxTransform):
    """Puts every run of frameworks' parts into one set of tabs."""

    default_priority = 880

    def apply(self, **kwargs: Any) -> None:
        for parent in self.document.findall(
            lambda node: isinstance(node, nodes.document | nodes.section)
        ):
            children: list[nodes.Node] = []
            for tagged, run in groupby(
                parent.children, lambda n: bool(framework_of(n))
            ):
                parts = list(run)
                children += [tabs(parts)] if tagged else parts
            parent.children = []
            parent.extend(children)
        made = list(self.document.findall(framework_tabs))
        if made:
            for cell in self.document.findall(prints_for_all):
                cell["classes"].append("same-in-all")
        characters = min(64, max(40, *map(longest_line, made), 0))
        for number, node in enumerate(made, 1):
            node["characters"] = characters
            for element in (node, *node.children):
                element["name"] = f"tabs-{number}"


def tabs(parts: list[nodes.Element]) -> framework_tabs:
    """A panel for each framework with its parts, a note where there are none."""
    panels = []
    for framework in FRAMEWORKS:
        own = [part for part in parts if framework_of(part) == framework]
        if not own:
            note = f"There is nothing for {TITLES[framework]} here."
            own = [nodes.paragraph(note, note)]
        panels.append(framework_panel("", *own, framework=framework))
    return framework_tabs("", *panels, cells=max(map(len, panels)))


def longest_line(node: nodes.Element) -> int:
    """The number of characters of the longest line of code."""
    code = [
        block.astext()
        for block in node.findall(nodes.literal_block)
        if "output" not in block["classes"]
    ]
    return max((len(line) for line in "\n".join(code).splitlines()), default=0)


def visit_tabs(self: Any, node: framework_tabs) -> None:
    """Open the set and write its tabs."""
    # In columns each cell takes two rows, input and output, below the name's row.
    style = f"--rows: {1 + 2 * node['cells']}; --characters: {node['characters']}"
    self.body.append(self.starttag(node, "div", CLASS="framework-tabs", style=style))
    self.body.append('<div class="framework-list" role="tablist" ')
    self.body.append('aria-label="Framework">')
    for framework in FRAMEWORKS:
        first = framework == FRAMEWORKS[0]
        name = f"{node['name']}-{framework}"
        self.body.append(
            f'<button type="button" role="tab" id="{name}" '
            f'aria-controls="{name}-panel" aria-selected="{str(first).lower()}" '
            f'tabindex="{0 if first else -1}" data-framework="{framework}" '
            f'class="framework-tab framework-{framework}">{TITLES[framework]}</button>'
        )
    self.body.append("</div>\n")


def visit_panel(self: Any, node: framework_panel) -> None:
    """Open the panel and name it, for readers without tabs."""
    framework = node["framework"]
    name = f"{node['name']}-{framework}"
    attributes = {
        "role": "tabpanel",
        "aria-labelledby": name,
        "data-framework": framework,
        "CLASS": f"framework-panel framework-{framework}",
        "ids": [f"{name}-panel"],
    }
    self.body.append(self.starttag(node, "div", **attributes))
    self.body.append(f'<p class="framework-name">{TITLES[framework]}</p>\n')


def depart(self: Any, node: nodes.Element) -> None:
    """Close the set or the panel."""
    self.body.append("</div>\n")


def add_switcher(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Give a page with framework tabs the switcher in its header."""
    if doctree is None or not any(doctree.findall(framework_tabs)):
        return
    context["framework_titles"] = TITLES
    tag = '<meta name="framework-tabs" content="yes" />\n'
    context["metatags"] = context.get("metatags", "") + tag
    hint = app.builder.templates.render("framework-hint.html", {})
    context["body"] = hint + context["body"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_node(framework_tabs, html=(visit_tabs, depart))
    app.add_node(framework_panel, html=(visit_panel, depart))
    app.add_directive("framework", Framework)
    app.add_directive("exported", Exported)
    app.add_transform(FrameworkTabs)
    # Before the theme drops the header's empty templates.
    app.connect("html-page-context", add_switcher, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
