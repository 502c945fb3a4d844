"""How much a page fetches, and that nothing on it moves while it loads."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from book.build.source import Book

# The theme with its icons is two thirds of it, the letters of formulas a quarter.
REQUESTS = 50
BYTES = 1_800_000
# A trained network and twenty garments, which the page with them alone fetches.
MORE = {"book/live": 665_000}
# Google's "good" is below 0.1; nothing at all is to move here but a rounded pixel.
SHIFT = 0.001

WATCH = """
window.moved = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const nodes = entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80));
    if (!entry.hadRecentInput) window.moved.push([entry.value, nodes]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
# Reads to the end, until every image on the way is there and drawn.
READ = """async () => {
  await document.fonts.ready;
  for (const image of document.images) {
    if (image.checkVisibility()) {
      image.scrollIntoView({ behavior: "instant" });
      await image.decode();
    }
  }
  window.scrollTo({ top: document.body.scrollHeight, behavior: "instant" });
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
  return window.moved;
}"""

# Whether header and first tabs end before the element that the first drawing awaits.
DRAWN_BEFORE = """() => {
  const link = document.querySelector("link[rel=expect][blocking=render]");
  const awaited = document.querySelector(link.getAttribute("href"));
  const early = ".header-article-items__end, .framework-list";
  return [...document.querySelectorAll(early)].slice(0, 2).map((part) =>
    Boolean(part.compareDocumentPosition(awaited) & Node.DOCUMENT_POSITION_FOLLOWING));
}"""

SIZES = """() => Promise.all([...document.querySelectorAll(".bd-article img")].map(
  async (image) => {
    const said = image.getAttribute("width") / image.getAttribute("height");
    const lazy = image.loading === "lazy";
    image.loading = "eager";
    await image.decode();
    return [image.src, lazy, said, image.naturalWidth / image.naturalHeight];
  }))"""


def size(url: str) -> int:
    return Path(unquote(urlparse(url).path)).stat().st_size


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("document", Book().documents)
def test_nothing_moves_and_little_is_fetched(visit, document, width):
    tab = visit()
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.add_init_script(WATCH)
    page = tab.go(document)
    assert len(tab.requests) <= REQUESTS, tab.requests
    files = [url for url in tab.requests if url.startswith("file:")]
    assert sum(map(size, files)) <= BYTES + MORE.get(document, 0)
    moved = page.evaluate(READ)
    assert sum(value for value, _ in moved) < SHIFT, moved
    assert tab.errors == []
    # Also those of hidden tabs, which are fetched when they are looked at.
    for name, lazy, said, true in page.evaluate(SIZES):
        assert lazy, name
        assert said == pytest.approx(true, rel=0.01), name


@pytest.mark.parametrize("document", ["book/index", "chapters/dense_blocks"])
def test_nothing_moves_in_any_font(visit_in_any_font, document):
    tab = visit_in_any_font()
    tab.page.add_init_script(WATCH)
    for width in (1000, 1200):
        tab.page.set_viewport_size({"width": width, "height": 900})
        moved = tab.go(document).evaluate(READ)
        assert sum(value for value, _ in moved) < SHIFT, (width, moved)


@pytest.mark.parametrize("document", Book().documents)
def test_first_drawn_with_header_and_first_tabs_whole(visit, document):
    page = visit().go(document)
    tabs = page.locator(".framework-list").count() > 0
    assert page.evaluate(DRAWN_BEFORE) == [True] * (1 + tabs)


@pytest.mark.parametrize("document", ["book/index", "chapters/training"])
def test_first_visit_over_http(browser, address, document):
    context = browser.new_context()  # with nothing in its cache
    page = context.new_page()
    responses = []
    page.on("response", lambda response: responses.append(response))
    page.goto(f"{address}/{document}.html", wait_until="load")
    assert {response.status for response in responses} == {200}
    assert len(responses) <= REQUESTS
    assert sum(len(response.body()) for response in responses) <= BYTES
    context.close()
