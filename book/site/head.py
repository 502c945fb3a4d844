"""Sphinx extension: what search engines and previews read, and the date of a page."""

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from book.build.files import write_if_changed
from book.build.history import last_changes
from book.build.links import plain_title
from book.site.card import CARD, HEIGHT, WIDTH, draw_card
from book.site.colours import CSS, DARK, colours

LENGTH = 200
CITATION = re.compile(r"\s*\[[^][]*\d{4}[a-z]?\]")
SENTENCE = re.compile(r"(?<=[.?!])\s")


def description(doctree: nodes.document) -> str:
    """The page's first paragraphs without formulas that make sense as plain text.

    Whole sentences as long as they fit into 200 characters; a first one that is longer
    is cut between words.
    """
    found = ""
    for paragraph in doctree.findall(nodes.paragraph):
        plain = isinstance(paragraph.parent, nodes.section)
        if not plain or paragraph.next_node(nodes.math):
            if found:
                break
            continue
        text = CITATION.sub("", " ".join(paragraph.astext().split()))
        for sentence in SENTENCE.split(text):
            if found and len(found) + len(sentence) >= LENGTH:
                return found
            found = f"{found} {sentence}".strip()
        if len(found) >= LENGTH // 2:
            break
    if len(found) > LENGTH:
        found = found[: LENGTH - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    return found


def settle(app: Sphinx, config: Config) -> None:
    """Tells the extension for Open Graph where the site is and which image it has."""
    config.ogp_site_url = config.html_baseurl
    config.ogp_image = f"_static/{CARD}"
    config.ogp_site_name = config.ogp_image_alt = config.html_title
    config.ogp_social_cards = {"enable": False}
    config.ogp_custom_meta_tags = [
        f'<meta property="og:image:width" content="{WIDTH}" />',
        f'<meta property="og:image:height" content="{HEIGHT}" />',
        '<meta name="twitter:card" content="summary_large_image" />',
    ]


def prepare(app: Sphinx) -> None:
    """Reads the repository's history and draws the card of the site."""
    app.book_days = last_changes(Path(app.srcdir).parents[1])
    if app.builder.format == "html":
        card = draw_card(app.config.html_title, colours(CSS.read_text("utf-8"), DARK))
        write_if_changed(Path(app.outdir) / "_static" / CARD, card)


def outdated(app: Sphinx, env: BuildEnvironment, *documents: set[str]) -> list[str]:
    """Pages that show another day than that of their sources' last change."""
    before, env.book_days = getattr(env, "book_days", {}), app.book_days
    return [
        page
        for page in env.found_docs
        if before.get(f"{page}.md") != env.book_days.get(f"{page}.md")
    ]


def set_head(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Gives a page its description and the day of its source's last change."""
    if doctree is None:
        return
    title = plain_title(context["title"])
    text = description(doctree) or f"{title} of {context['docstitle']}"
    tag = f'<meta name="description" content="{escape(text)}" />\n'
    context["metatags"] = context.get("metatags", "") + tag
    context["meta"] = (context["meta"] or {}) | {"og:description": escape(text, False)}
    context["last_updated"] = app.book_days.get(f"{page}.md")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", settle)
    app.connect("builder-inited", prepare)
    app.connect("env-get-outdated", outdated)
    # Before Open Graph's tags are made, which take the description from here.
    app.connect("html-page-context", set_head, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
