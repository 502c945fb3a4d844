"""Sphinx extension: links to notebooks, to the repository and to the published site."""

import re
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import ReferenceRole

from book.build.downloads import ARCHIVE
from d2l_lite import TITLES

# Sphinx's theme offers the merged page alone.
THEME_MENUS = {"download-buttons", "launch-buttons", "source-buttons"}


class Published(ReferenceRole):
    """A link to a file of the published site, also where this copy has none."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        address = self.config.html_baseurl + self.target
        title = self.title if self.has_explicit_title else address
        return [nodes.reference("", title, refuri=address)], []


def repository(config: Config) -> tuple[str, str]:
    """URL and branch of the repository, from _config.yml."""
    options = config.html_theme_options
    return options["repository_url"].rstrip("/"), options["repository_branch"]


def colab_url(config: Config, path: str) -> str:
    """Where Colab opens a notebook of the repository (`chapters/jax/memory.ipynb`)."""
    url, branch = repository(config)
    colab = "https://colab.research.google.com/github"
    return url.replace("https://github.com", colab) + quote(f"/blob/{branch}/{path}")


def kaggle_url(config: Config, path: str) -> str:
    """Where Kaggle opens a copy of a notebook of the repository."""
    url, branch = repository(config)
    notebook = f"{url}/blob/{branch}/{path}"
    return "https://kaggle.com/kernels/welcome?" + urlencode({"src": notebook})


def menu(label: str, icon: str, tooltip: str, buttons: list) -> dict[str, Any]:
    """A menu of the theme's header."""
    kind = {"type": "group", "label": label, "icon": icon, "tooltip": tooltip}
    return kind | {"buttons": buttons}


def button(text: str, url: str, icon: str, tooltip: str) -> dict[str, str]:
    """A link in a menu of the theme's header."""
    kind = {"type": "link", "icon": icon, "tooltip": tooltip}
    return kind | {"text": text, "url": url}


def notebook_menus(config: Config, chapter: str, pathto: Any) -> list[dict[str, Any]]:
    """A chapter's menus: open its notebooks in Colab, on Kaggle, or download them."""
    colab, kaggle, download = [], [], []
    for framework, title in TITLES.items():
        path = f"{framework}/{chapter}.ipynb"
        source, icon = f"chapters/{path}", f"fa-framework framework-{framework}"
        tooltip = f"Open the {title} notebook"
        url = colab_url(config, source)
        colab.append(button(title, url, icon, f"{tooltip} in Colab"))
        url = kaggle_url(config, source)
        kaggle.append(button(title, url, icon, f"{tooltip} on Kaggle"))
        url, tooltip = pathto(f"notebooks/{path}", 1), f"Download the {title} notebook"
        download.append(button(title, url, icon, tooltip))
    tooltip = "Download all chapters in all frameworks with their files"
    archive = pathto(ARCHIVE, 1), "fas fa-file-zipper", tooltip
    download.append(button("All notebooks (zip)", *archive))
    return [
        menu("colab-buttons", "fas fa-rocket", "Open in Colab", colab),
        menu("kaggle-buttons", "fab fa-kaggle", "Open on Kaggle", kaggle),
        menu("notebook-buttons", "fas fa-download", "Download notebook", download),
    ]


def source_menu(config: Config, page: str, title: str) -> dict[str, Any]:
    """The menu of links to the repository: source, edit, report.

    `title` may have HTML in it, as the theme puts around its number.
    """
    url, branch = repository(config)
    subject = unescape(re.sub(r"<[^>]+>", "", title))
    report = urlencode({"title": f"{subject}: ", "body": f"Page: {page}\n\n"})
    edit = f"{url}/edit/{branch}/{page}.md"
    issue = f"{url}/issues/new?{report}"
    icons = "fab fa-github", "fas fa-pencil-alt", "fas fa-lightbulb"
    buttons = [
        button("Repository", url, icons[0], "The book's repository"),
        button("Edit this page", edit, icons[1], "Propose a change of this page"),
        button("Report a mistake", issue, icons[2], "Tell us what is wrong or unclear"),
    ]
    return menu("source-buttons", icons[0], "Source of this page", buttons)


def set_header(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Replaces the theme's menus, which know only the merged page."""
    if doctree is None:
        return
    theme = context["header_buttons"]
    buttons = [entry for entry in theme if entry.get("label") not in THEME_MENUS]
    folder, _, chapter = page.partition("/")
    if folder == "chapters":
        buttons += notebook_menus(app.config, chapter, context["pathto"])
    buttons.append(source_menu(app.config, page, context["title"]))
    context["header_buttons"] = buttons


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_role("published", Published())
    app.connect("html-page-context", set_header, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
