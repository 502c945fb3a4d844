"""Search finds sections, from a folder as well as from a server."""

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
            "document.querySelector('.search-summary')?.innerText"
        )
        assert tab.errors == []
        return tab.page

    return search


def test_results_name_page_and_section_and_show_the_words(found, site):
    page = found("growth rate")
    results = page.locator("ul.search > li")
    assert results.count() > 3
    titles = results.locator("> a").all_inner_texts()
    assert any("Dense Blocks" in title for title in titles)
    first = results.filter(has_text="Dense Blocks").first
    assert "growth rate" in first.locator(".search-passage").first.inner_text()
    assert first.locator("mark").count() >= 2
    for link in page.locator("ul.search a").all():
        parts = urlparse(link.evaluate("link => link.href"))
        place = unquote(parts.path).split("/html/")[-1].lstrip("/")
        html = Path(site / place).read_text(encoding="utf-8")
        assert not parts.fragment or f'id="{unquote(parts.fragment)}"' in html


def test_other_endings_are_found(found):
    assert found("concatenating").locator("ul.search mark").count() > 0


def test_nothing_found_is_said(found):
    page = found("zyzzyva")
    assert page.locator("ul.search > li").count() == 0
    assert "did not match" in page.locator(".search-summary").inner_text()
