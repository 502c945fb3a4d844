"""Sphinx's search finds pages and sections, from a folder as well as from a server."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest


@pytest.fixture(params=["file", "http"])
def found(request, visit, site):
    """Opens the search page with some words and waits until it is through."""

    def search(words):
        tab = visit()
        address = site.as_uri()
        if request.param == "http":
            address = request.getfixturevalue("address")
            tab.page.unroute_all()
        tab.page.goto(f"{address}/search.html?q={words.replace(' ', '+')}")
        tab.page.wait_for_function(
            "/found|did not/.test(document.querySelector('.search-summary')?.innerText)"
        )
        return tab.page

    return search


def test_results_name_pages_and_sections(found, site):
    page = found("growth rate")
    links = page.locator("ul.search > li > a")
    assert any("Dense Blocks" in title for title in links.all_inner_texts())
    for link in links.all():
        parts = urlparse(link.evaluate("link => link.href"))
        place = unquote(parts.path).split("/html/")[-1].lstrip("/")
        html = Path(site / place).read_text(encoding="utf-8")
        assert not parts.fragment or f'id="{unquote(parts.fragment)}"' in html


def test_other_endings_are_found(found):
    assert found("concatenating").locator("ul.search > li").count() > 0


def test_nothing_found_is_said(found):
    assert found("zyzzyva").locator("ul.search > li").count() == 0
