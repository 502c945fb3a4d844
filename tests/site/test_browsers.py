"""Browsers that keep nothing, run nothing, or show what their readers have set."""

from io import BytesIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from d2l_lite import TITLES

BLOCKS = "chapters/dense_blocks"
# Letters at seven times the paper's brightness, WCAG 1.4.6.
ENHANCED = {
    "preload": False,
    "runOnly": {"type": "rule", "values": ["color-contrast-enhanced"]},
    "rules": {"color-contrast-enhanced": {"enabled": True}},
}
# As where cookies are blocked.
KEEPS_NOTHING = """
for (const name of ["localStorage", "sessionStorage"]) {
  const get = () => { throw new DOMException("denied", "SecurityError"); };
  Object.defineProperty(window, name, { configurable: true, get });
}"""


def test_all_works_where_cookies_are_blocked(visit, address):
    tab = visit()
    page = tab.page
    page.add_init_script(KEEPS_NOTHING)
    tab.go(BLOCKS)
    theme = page.locator(".theme-switch-button")
    modes = set()
    for _ in range(3):
        theme.click()
        modes.add(page.evaluate("document.documentElement.dataset.mode"))
    assert modes == {"auto", "dark", "light"}
    page.keyboard.press("f")
    assert page.evaluate("document.documentElement.dataset.framework") == "tensorflow"
    page.keyboard.press("c")
    assert page.evaluate("document.documentElement.dataset.columns") == "2"
    tab.go("book/explorer")
    page.locator("#ex-growth_rate").fill("24")
    expect(page.locator("#ex-call")).to_contain_text("growth_rate=24")
    assert tab.errors == []
    page.unroute_all()
    page.goto(f"{address}/search.html?q=growth")
    page.locator("ul.search > li").first.wait_for()


@pytest.fixture
def plain(browser, site):
    """Opens a chapter without scripts."""

    def open_(**options):
        context = browser.new_context(java_script_enabled=False, **options)
        page = context.new_page()
        page.goto((site / f"{BLOCKS}.html").as_uri())
        pages.append(page)
        return page

    pages = []
    yield open_
    for page in pages:
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_scripts_a_page_has_the_colours_that_its_reader_prefers(plain, scheme):
    page = plain(color_scheme=scheme, viewport={"width": 400, "height": 300})
    with Image.open(BytesIO(page.screenshot())) as image:
        colours = image.convert("L").getcolors()
    number, paper = max(colours)
    assert number > 400 * 300 / 2
    assert paper > 240 if scheme == "light" else paper < 30
    # Code is coloured too.
    code = page.locator(".highlight pre").first
    assert code.evaluate("pre => getComputedStyle(pre).fontFamily").endswith(
        "monospace"
    )
    keyword = code.locator(".kn").first
    colour = "element => getComputedStyle(element).color"
    assert keyword.evaluate(colour) != code.evaluate(colour)


def test_without_scripts_nothing_is_dead(plain):
    page = plain(viewport={"width": 390, "height": 800})
    menus = page.locator(".bd-header-article .dropdown")
    assert page.locator("button:visible:not(.dropdown > *)").count() == 0
    assert menus.count() == 4
    for menu in menus.all():
        menu.get_by_role("button").focus()
        expect(menu.get_by_role("link").first).to_be_visible()
    contents = page.get_by_role("navigation", name="Main").get_by_role("link")
    assert contents.count() > 20
    assert all(link.is_visible() for link in contents.all())
    names = page.locator(".framework-tabs").first.locator(".framework-name")
    assert names.all_inner_texts() == list(TITLES.values())


COLOURS = """(selector) => [...document.querySelectorAll(selector)].map(element => {
    const { borderBottomColor, backgroundColor, color } = getComputedStyle(element);
    return [borderBottomColor, backgroundColor, color];
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_chosen_shows_in_forced_colours(visit, scheme):
    tab = visit()
    tab.page.emulate_media(forced_colors="active", color_scheme=scheme)
    page = tab.go(BLOCKS, "?framework=jax")
    for kind in (".framework-tab", ".framework-choices > label"):
        bars = [bar for bar, _, _ in page.evaluate(COLOURS, kind)][:4]
        assert bars[2] not in bars[:2] + bars[3:]
    page.keyboard.press("c")
    buttons = ".framework-button[name]"
    (_, *pressed), (_, *other) = page.evaluate(COLOURS, buttons)
    assert pressed != other and pressed[0] != pressed[1]
    # Drawings stand on their own paper.
    drawings = page.evaluate(COLOURS, ".bd-article img[src$='.svg']")
    assert {paper for _, paper, _ in drawings} == {"rgb(255, 255, 255)"}
    page = tab.go("book/explorer")
    signs = {colour for _, colour, _ in page.evaluate(COLOURS, ".explorer .legend i")}
    assert len(signs) == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_more_contrast_is_given_to_who_asks_for_it(visit, scheme):
    page = visit().go(BLOCKS)
    page.emulate_media(contrast="more", color_scheme=scheme)
    kinds = ".framework-tab[aria-selected=false], .bd-sidebar-primary a, .bd-article p"
    texts = {colour for _, _, colour in page.evaluate(COLOURS, kinds)}
    black, white = "rgb(0, 0, 0)", "rgb(255, 255, 255)"
    assert (black if scheme == "light" else white) in texts
    found = Axe().run(page, options=ENHANCED).response["violations"]
    assert [node["html"] for rule in found for node in rule["nodes"]] == []
