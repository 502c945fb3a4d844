"""Sphinx extension: 404.html, which a server shows for an address without a page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from sphinx.application import Sphinx

BODY = """<section><h1>No such page</h1>
<p>The book has no page at this address. It may have been renamed or taken out.</p>
<p>Choose a chapter from the contents, search for a word,
or start at <a href="{first}">the first page</a>.</p>
<form action="search.html" role="search">
<input type="search" name="q" aria-label="Search this book">
<button>Search</button>
</form></section>"""


def add_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The page, in the theme's frame like any other."""
    first = app.builder.get_target_uri(app.config.root_doc)
    body = BODY.format(first=first)
    yield "404", {"title": "No such page", "body": body}, "page.html"


def make_absolute(app: Sphinx, error: Exception | None) -> None:
    """Writes its links in full: it stands in for pages of any folder."""
    path = Path(app.outdir) / "404.html"
    if error or not path.exists():
        return
    root = urlparse(app.config.html_baseurl).path
    relative = r'((?:href|src|action|data-content_root)=")(?:\./)?(?![a-z]+:|[/#])'
    html = re.sub(relative, rf"\g<1>{root}", path.read_text(encoding="utf-8"))
    path.write_text(html, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("html-collect-pages", add_page)
    app.connect("build-finished", make_absolute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
