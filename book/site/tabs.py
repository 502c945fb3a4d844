"""Framework tabs: code cells of one group in one set, and the set's HTML."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx_design.shared import create_component, is_component

from book.build.source import FRAMEWORKS
from d2l_lite import TITLES

LOGGER = logging.getLogger(__name__)


def framework_of(node: nodes.Node) -> str | None:
    """The framework whose tag a code cell or a container of prose carries, if any."""
    if not isinstance(node, nodes.container):
        return None
    classes = {name.replace("-", "_") for name in node["classes"]}
    return next((f for f in FRAMEWORKS if f"tag_{f}" in classes), None)


def tab_set(cells: list[nodes.Element]) -> nodes.container:
    """One sphinx-design tab set that holds each framework's cells in its tab."""
    items = []
    for framework in FRAMEWORKS:
        own = [cell for cell in cells if framework_of(cell) == framework]
        if not own:
            continue
        title = TITLES[framework]
        label = nodes.rubric(
            title,
            title,
            classes=["sd-tab-label", f"framework-{framework}"],
            sync_id=framework,
            sync_group="framework",
        )
        content = create_component(
            "tab-content", classes=["sd-tab-content"], children=own
        )
        items.append(
            create_component(
                "tab-item", classes=["sd-tab-item"], children=[label, content]
            )
        )
    return create_component(
        "tab-set", classes=["sd-tab-set", "framework-tabs"], children=items
    )


class FrameworkTabs(SphinxTransform):
    """Wrap every run of framework-tagged cells in a tab set."""

    default_priority = 880

    def apply(self, **kwargs: Any) -> None:
        for parent in self.document.findall(
            lambda node: isinstance(node, nodes.document | nodes.section)
        ):
            children: list[nodes.Node] = []
            for tagged, run in groupby(
                parent.children, lambda node: framework_of(node) is not None
            ):
                cells = list(run)
                children += [tab_set(cells)] if tagged else cells
            parent.children = []
            parent.extend(children)


class framework_tabs(nodes.General, nodes.Element):  # noqa: N801
    """A set of tabs that a browser may show as columns."""


class framework_panel(nodes.General, nodes.Element):  # noqa: N801
    """What one framework has to show in a set."""


class AccessibleTabs(SphinxPostTransform):
    """Make true tabs of every set of frameworks, before sphinx-design makes radios."""

    default_priority = 190
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        sets = [
            node
            for node in self.document.findall(nodes.container)
            if is_component(node, "tab-set") and is_component(node[-1], "tab-item")
        ]
        made: list[framework_tabs] = []
        for old in sets:
            items = [item for item in old if is_component(item, "tab-item")]
            if all(item[0].get("sync_group") == "framework" for item in items):
                others = [child for child in old if child not in items]
                new = accessible(f"tabs-{len(made) + 1}", items)
                new["ids"] = old["ids"]
                old.parent.replace(old, [*others, new])
                made.append(new)
        longest = max((longest_line(new) for new in made), default=0)
        for new in made:
            new["characters"] = min(64, max(40, longest))


def longest_line(node: nodes.Element) -> int:
    """The number of characters of the longest line of code."""
    code = [
        block.astext()
        for block in node.findall(nodes.literal_block)
        if "output" not in block["classes"]
    ]
    return max((len(line) for line in "\n".join(code).splitlines()), default=0)


def accessible(name: str, items: list[nodes.Element]) -> framework_tabs:
    """The set as HTML has it: a panel for each framework, a note where none is."""
    given = {item[0]["sync_id"]: item for item in items}
    for unknown in given.keys() - set(FRAMEWORKS):
        LOGGER.warning(
            "a tab says ':sync: %s'; the frameworks are %s",
            *(unknown, ", ".join(FRAMEWORKS)),
            location=given[unknown],
        )
    panels = [framework_panel("", name=name, framework=f) for f in FRAMEWORKS]
    for panel in panels:
        item = given.get(panel["framework"])
        if item is None:
            note = f"There is nothing for {TITLES[panel['framework']]} here."
            panel += nodes.paragraph(note, note)
        else:
            panel["ids"] = item["ids"] + item[0]["ids"] + item[1]["ids"]
            panel += item[1].children
    cells = max(len(panel) for panel in panels)
    return framework_tabs("", *panels, name=name, cells=cells)


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
    if "sd-tab-set" not in context.get("body", ""):
        # sphinx-design's script is for its own tabs.
        context["script_files"][:] = [
            script
            for script in context["script_files"]
            if not str(script.filename).endswith("design-tabs.js")
        ]
    if doctree is None or not any(doctree.findall(framework_tabs)):
        return
    context["framework_titles"] = TITLES
    tag = '<meta name="framework-tabs" content="yes" />\n'
    context["metatags"] = context.get("metatags", "") + tag
    hint = app.builder.templates.render("framework-hint.html", {})
    context["body"] = hint + context["body"]


def setup(app: Sphinx) -> None:
    """Register nodes and transforms with Sphinx."""
    app.add_node(framework_tabs, html=(visit_tabs, depart))
    app.add_node(framework_panel, html=(visit_panel, depart))
    app.add_transform(FrameworkTabs)
    app.add_post_transform(AccessibleTabs)
    # Before the theme drops the header's empty templates.
    app.connect("html-page-context", add_switcher, priority=400)
