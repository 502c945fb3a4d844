"""Sphinx extension: framework tabs, and links from a page to its notebooks."""

from __future__ import annotations

import ast
import re
from html import unescape
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zlib import crc32

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx_design.shared import create_component

from book.source import FRAMEWORKS
from d2l_lite import TITLES

THEME_BUTTONS = {"download-buttons", "launch-buttons", "source-buttons"}


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


class Exported(SphinxDirective):
    """Show what the chapters export under a name, a tab for each framework."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        cells = []
        for framework in FRAMEWORKS:
            path = Path(self.env.srcdir).parents[1] / f"d2l_lite/models/{framework}.py"
            self.env.note_dependency(path)
            code = definition(path.read_text(encoding="utf-8"), name)
            if code is None:
                raise self.error(f"d2l_lite/models/{framework}.py has no {name}")
            block = nodes.literal_block(code, code, language="python")
            cells.append(nodes.container("", block, classes=[f"tag_{framework}"]))
        return [tab_set(cells)]


def definition(source: str, name: str) -> str | None:
    """The source text of a module's class or function."""
    for statement in ast.parse(source).body:
        if getattr(statement, "name", None) == name:
            return ast.get_source_segment(source, statement)
    return None


def repository(config: Config) -> tuple[str, str]:
    """URL and branch of the repository, from _config.yml."""
    options = config.html_theme_options
    return options["repository_url"].rstrip("/"), options["repository_branch"]


def button(text: str, url: str, icon: str, tooltip: str) -> dict[str, str]:
    """One link in a menu of the theme's header."""
    return {
        "type": "link",
        "text": text,
        "url": url,
        "icon": icon,
        "tooltip": tooltip,
    }


def menu(label: str, icon: str, tooltip: str, buttons: list) -> dict[str, Any]:
    """One menu of the theme's header."""
    return {
        "type": "group",
        "label": label,
        "icon": icon,
        "tooltip": tooltip,
        "buttons": buttons,
    }


def notebook_menus(config: Config, chapter: str, pathto: Any) -> list[dict[str, Any]]:
    """The menus "Open in Colab" and "Download notebook" of a chapter."""
    url, branch = repository(config)
    colab = url.replace(
        "https://github.com", "https://colab.research.google.com/github"
    )
    folder = quote(f"blob/{branch}/chapters")
    return [
        menu(
            "colab-buttons",
            "fas fa-rocket",
            "Open in Colab",
            [
                button(
                    TITLES[f],
                    f"{colab}/{folder}/{f}/{chapter}.ipynb",
                    f"fa-framework framework-{f}",
                    f"Open the {TITLES[f]} notebook in Colab",
                )
                for f in FRAMEWORKS
            ],
        ),
        menu(
            "notebook-buttons",
            "fas fa-download",
            "Download notebook",
            [
                button(
                    TITLES[f],
                    pathto(f"notebooks/{f}/{chapter}.ipynb", 1),
                    f"fa-framework framework-{f}",
                    f"Download the {TITLES[f]} notebook",
                )
                for f in FRAMEWORKS
            ],
        ),
    ]


def source_menu(config: Config, page: str, title: str) -> dict[str, Any]:
    """The menu of links to the repository: source, edit, report.

    The title is the theme's, with HTML around its number.
    """
    url, branch = repository(config)
    title = unescape(re.sub(r"<[^>]+>", "", title))
    report = urlencode({"title": f"{title}: ", "body": f"Page: {page}\n\n"})
    return menu(
        "source-buttons",
        "fab fa-github",
        "Source of this page",
        [
            button("Repository", url, "fab fa-github", "The book's repository"),
            button(
                "Edit this page",
                f"{url}/edit/{branch}/{page}.md",
                "fas fa-pencil-alt",
                "Propose a change of this page",
            ),
            button(
                "Report a mistake",
                f"{url}/issues/new?{report}",
                "fas fa-lightbulb",
                "Tell us what is wrong or unclear",
            ),
        ],
    )


def set_header(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Replace the theme's menus, which know only the merged page."""
    if doctree is None:
        return
    buttons = [
        entry
        for entry in context["header_buttons"]
        if entry.get("label") not in THEME_BUTTONS
    ]
    folder, _, chapter = page.partition("/")
    if folder == "chapters":
        buttons += notebook_menus(app.config, chapter, context["pathto"])
    buttons.append(source_menu(app.config, page, context["title"]))
    context["header_buttons"] = buttons


def set_paths(app: Sphinx, config: Config) -> None:
    """Serve MathJax from the site itself, and put our templates before the theme's."""
    config.templates_path.append(str(Path(__file__).with_name("templates")))
    # Every script under _static would be loaded on every page: MathJax lies beside.
    config.html_static_path.append("_vendor")


def own_version() -> int:
    """A number that changes with this file and what every page refers to.

    Sphinx then makes all pages anew: they name style sheets by their checksums.
    """
    static = sorted(Path(__file__).with_name("static").iterdir())
    return crc32(b"".join(path.read_bytes() for path in (Path(__file__), *static)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_transform(FrameworkTabs)
    app.add_directive("exported", Exported)
    app.connect("config-inited", set_paths)
    app.connect("html-page-context", set_header, priority=900)
    return {
        "env_version": own_version(),
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
