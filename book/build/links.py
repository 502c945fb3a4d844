"""Links of the site's pages, from the settings of the repository in _config.yml."""

import re
from html import unescape
from typing import Any
from urllib.parse import quote

from sphinx.config import Config


def repository(config: Config) -> tuple[str, str]:
    """URL and branch of the repository, from _config.yml."""
    options = config.html_theme_options
    return options["repository_url"].rstrip("/"), options["repository_branch"]


def colab_url(config: Config, path: str) -> str:
    """Where Colab opens a notebook of the repository (`chapters/jax/memory.ipynb`)."""
    url, branch = repository(config)
    colab = url.replace(
        "https://github.com", "https://colab.research.google.com/github"
    )
    return f"{colab}/{quote(f'blob/{branch}/{path}')}"


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


def plain_title(title: str) -> str:
    """A page's title without the HTML that the theme puts around its number."""
    return unescape(re.sub(r"<[^>]+>", "", title))
