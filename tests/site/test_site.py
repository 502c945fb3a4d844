"""Every page of the built site as a reader's browser sees it, without a network."""

import json
import re
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import pytest
from texts import SET_TEXT, TEXTS

from book.build.source import FRAMEWORKS, Book
from d2l_lite import TITLES

BOOK = Book()
CHAPTERS = [name for name in BOOK.documents if name.startswith("chapters/")]


def test_page_loads_whole_and_asks_nobody(tab):
    page = tab.page
    assert page.locator("h1:visible").count() == 1
    images = "[...document.images].filter(i => i.loading !== 'lazy')"
    assert page.evaluate(f"{images}.every(i => i.complete && i.naturalWidth > 0)")
    assert tab.outside == []
    assert tab.errors == []


def test_images_say_what_is_to_be_seen(tab):
    page = tab.page
    for image in page.locator(".bd-article img").all():
        alt = image.get_attribute("alt") or ""
        # Without a text of ours, Sphinx puts the file's name.
        assert alt and not alt.endswith((".png", ".svg", ".jpeg")), alt


def test_mathematics_is_set(tab):
    page = tab.page
    formulas = page.locator(".bd-article .math")
    seen = page.locator(".bd-article .math .katex-html[aria-hidden=true]")
    heard = page.locator(".bd-article .math .katex-mathml > math")
    assert formulas.count() == seen.count() == heard.count()
    assert page.locator(".katex-error").count() == 0


@cache
def anchors(path: Path) -> set[str]:
    """The places of a page to which a link can lead."""
    found = re.findall(r'\b(?:id|name)="([^"]+)"', path.read_text(encoding="utf-8"))
    return set(map(unescape, found))


def test_links_within_the_site_lead_somewhere(tab):
    page = tab.page
    for url in page.evaluate("[...document.links].map(link => link.href)"):
        if url.startswith("file:"):
            parts = urlparse(url)
            path = Path(unquote(parts.path))
            assert path.is_file(), url
            assert not parts.fragment or unquote(parts.fragment) in anchors(path), url


def test_a_mistake_is_reported_under_a_plain_title(tab):
    links = tab.page.locator(".dropdown-source-buttons a")
    url = links.last.evaluate("link => link.href")
    (title,) = parse_qs(urlparse(url).query)["title"]
    assert not re.search(r"[<>]|&\w+;", title), title


def test_nothing_scrolls_sideways_on_a_phone_or_magnified(tab):
    page = tab.page
    # Also what a window of 1280 pixels has at 400 %.
    page.set_viewport_size({"width": 320, "height": 780})
    for text, css in TEXTS.items():
        page.evaluate(SET_TEXT, css)
        for framework in FRAMEWORKS:
            page.evaluate("name => window.frameworks.set({framework: name})", framework)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 320, (text, framework)
    page.evaluate(SET_TEXT, "")


@pytest.mark.parametrize("document", CHAPTERS)
def test_notebook_of_each_framework_is_offered(visit, document):
    chapter = document.removeprefix("chapters/")
    page = visit().go(document)
    downloads = page.locator(".dropdown-notebook-buttons a")
    colab = page.locator(".dropdown-colab-buttons a")
    kaggle = page.locator(".dropdown-kaggle-buttons a")
    titles = [TITLES[framework] for framework in FRAMEWORKS]
    offered = [text.strip() for text in downloads.all_text_contents()]
    assert offered == [*titles, "All notebooks (zip)"]
    assert [text.strip() for text in colab.all_text_contents()] == titles
    assert [text.strip() for text in kaggle.all_text_contents()] == titles
    repository, branch = BOOK.repository
    folder = f"{urlparse(repository).path}/blob/{branch}/chapters"
    for index, framework in enumerate(FRAMEWORKS):
        name = f"{framework}/{chapter}.ipynb"
        url = colab.nth(index).get_attribute("href")
        assert url == f"https://colab.research.google.com/github{folder}/{name}"
        url = urlparse(kaggle.nth(index).get_attribute("href"))
        assert url._replace(query="").geturl() == "https://kaggle.com/kernels/welcome"
        notebook = f"{repository}/blob/{branch}/chapters/{name}"
        assert parse_qs(url.query) == {"src": [notebook]}
        link = downloads.nth(index)
        assert link.get_attribute("download") == f"{chapter}_{framework}.ipynb"
        path = Path(unquote(urlparse(link.evaluate("a => a.href")).path))
        assert json.loads(path.read_text())["nbformat"] == 4


def test_front_door_leads_to_the_book(visit):
    tab = visit()
    tab.page.goto((tab.site / "index.html").as_uri() + "?framework=jax")
    tab.page.wait_for_url("**/book/index.html*")
    assert tab.page.evaluate("document.documentElement.dataset.framework") == "jax"
