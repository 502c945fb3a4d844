"""No fault that axe-core finds, in light and dark, wide and narrow; the keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from book.build.source import Book

DOCUMENTS = [*Book().documents, "search", "genindex"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What depends on colours alone; the rest is the same in light and dark.
COLOURS = ["color-contrast", "link-in-text-block"]
# Ten thousand words of code have a dozen colours: one of each is enough to look at.
ONE_OF_EACH = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll(".highlight span")) {
    const box = word.closest("[class*=highlight-], .output");
    const kind = `${box?.className} ${word.className}`;
    if (seen.has(kind)) word.replaceWith(word.textContent);
    seen.add(kind);
  }
}"""
SCHEME = """(scheme) => {
  document.documentElement.dataset.theme = scheme;
  for (const animation of document.getAnimations()) animation.finish();
}"""


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_axe_finds_nothing(visit, document, width):
    tab = visit()
    tab.page.set_viewport_size({"width": width, "height": 900})
    page = tab.go(document)
    page.evaluate(ONE_OF_EACH)
    for scheme, rules in (("light", RULES), ("dark", COLOURS)):
        page.evaluate(SCHEME, scheme)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        found = Axe().run(page, options=options)
        assert found.violations_count == 0, found.generate_report()


def test_first_key_leads_past_the_menus(visit):
    page = visit().go("chapters/training")
    page.keyboard.press("Tab")
    link = page.locator("#pst-skip-link a")
    assert link.evaluate("link => link === document.activeElement")
    assert link.bounding_box()["y"] >= 0 or page.wait_for_function(
        "document.activeElement.getBoundingClientRect().top >= 0"
    )
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


def test_menus_open_by_keyboard(visit):
    page = visit().go("chapters/training")
    menu = page.locator(".dropdown-notebook-buttons")
    menu.locator("button").focus()
    page.keyboard.press("Enter")
    assert menu.locator("ul").is_visible()
    page.keyboard.press("ArrowDown")
    first = menu.locator("a").first
    assert first.evaluate("link => link === document.activeElement")
    page.keyboard.press("Escape")
    assert menu.locator("ul").is_hidden()


def test_what_scrolls_can_be_reached_and_nothing_else(visit):
    tab = visit()
    tab.page.set_viewport_size({"width": 360, "height": 780})
    page = tab.go("book/in_class")
    table = ".pst-scrollable-table-container[tabindex]"
    page.wait_for_function(f"document.querySelector('{table}')")
    wide = """() => [...document.querySelectorAll(
        "pre, .katex-display, .pst-scrollable-table-container")]
      .filter((box) => box.clientWidth > 0)
      .map((box) => [box.scrollWidth > box.clientWidth, box.tabIndex === 0])"""
    assert all(scrolls == focus for scrolls, focus in page.evaluate(wide))
    page.set_viewport_size({"width": 1400, "height": 900})
    page.wait_for_function(f"!document.querySelector('{table}')")
