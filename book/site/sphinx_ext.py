"""Sphinx extension: framework tabs, and links from a page to its notebooks."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import ReferenceRole, SphinxDirective

from book.build.downloads import archive_button
from book.build.links import button, colab_url, menu, plain_title, repository
from book.build.source import FRAMEWORKS
from book.site import tabs
from d2l_lite import TITLES

THEME_BUTTONS = {"download-buttons", "launch-buttons", "source-buttons"}


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
        return [tabs.tab_set(cells)]


def definition(source: str, name: str) -> str | None:
    """The source text of a module's class or function."""
    for statement in ast.parse(source).body:
        if getattr(statement, "name", None) == name:
            return ast.get_source_segment(source, statement)
    return None


class Published(ReferenceRole):
    """A link to a file of the published site, also where this copy has none."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        address = self.config.html_baseurl + self.target
        title = self.title if self.has_explicit_title else address
        return [nodes.reference("", title, refuri=address)], []


def notebook_menus(config: Config, chapter: str, pathto: Any) -> list[dict[str, Any]]:
    """The menus "Open in Colab" and "Download notebook" of a chapter."""
    return [
        menu(
            "colab-buttons",
            "fas fa-rocket",
            "Open in Colab",
            [
                button(
                    TITLES[f],
                    colab_url(config, f"chapters/{f}/{chapter}.ipynb"),
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
    """The menu of links to the repository: source, edit, report."""
    url, branch = repository(config)
    subject = f"{plain_title(title)}: "
    report = urlencode({"title": subject, "body": f"Page: {page}\n\n"})
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
        buttons[-1]["buttons"].append(archive_button(context["pathto"]))
    buttons.append(source_menu(app.config, page, context["title"]))
    context["header_buttons"] = buttons


def set_paths(app: Sphinx, config: Config) -> None:
    """Put our templates before the theme's."""
    config.templates_path.append(str(Path(__file__).with_name("templates")))


def own_version() -> int:
    """A number that changes with whatever the pages are made of besides their text.

    Sphinx then makes all pages anew: they name style sheets by their checksums.
    """
    kinds = {".css", ".html", ".js", ".py", ".svg"}
    paths = (p for p in Path(__file__).parent.rglob("*") if p.suffix in kinds)
    return crc32(b"".join(path.read_bytes() for path in sorted(paths)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    tabs.setup(app)
    app.add_directive("exported", Exported)
    app.add_role("published", Published())
    app.connect("config-inited", set_paths)
    app.connect("html-page-context", set_header, priority=900)
    return {"env_version": own_version(), "parallel_read_safe": True}
