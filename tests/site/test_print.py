"""A page on paper: the text of all frameworks, whole, black on white."""

import pytest

from d2l_lite import TITLES

SCREEN_ONLY = (
    ".bd-sidebar-primary",
    ".bd-sidebar-secondary",
    ".bd-header-article",
    ".prev-next-footer",
    "#pst-back-to-top",
    ".bd-article button",
    ".bd-article a.headerlink",
)


@pytest.fixture(params=["chapters/training", "chapters/results"])
def paper(request, visit):
    """A page in dark colours, then printed: A4 less its margins is 670 pixels wide."""
    page = visit().go(request.param)
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.set_viewport_size({"width": 670, "height": 900})
    return page


def test_only_the_text_is_printed(paper):
    for selector in SCREEN_ONLY:
        for element in paper.locator(selector).all():
            assert element.is_hidden(), selector
    assert paper.locator(".bd-article h1").is_visible()


def test_all_frameworks_are_printed_under_their_names(paper):
    sets = """() => [...document.querySelectorAll(".framework-tabs")].map((set) => {
      const top = (element) => element.getBoundingClientRect().top;
      const panels = [...set.querySelectorAll(":scope > .framework-panel")];
      const names = panels.map((panel) => panel.querySelector(".framework-name"));
      const ends = panels.map((panel) => panel.lastElementChild);
      const order = panels.map((panel, i) => [top(names[i]), top(ends[i])]);
      return [
        names.filter((name) => name.checkVisibility()).map((name) => name.textContent),
        ends.every((element) => element.checkVisibility()),
        order.flat().every((place, i, all) => i === 0 || place >= all[i - 1]),
      ];
    })"""
    found = paper.evaluate(sets)
    assert found == [[list(TITLES.values()), True, True]] * len(found)


def test_no_line_is_cut(paper):
    cut = """() => [...document.querySelectorAll(".bd-article pre")]
      .filter((box) => box.scrollWidth > box.clientWidth || !box.checkVisibility())
      .map((box) => box.textContent.slice(0, 80))"""
    assert paper.evaluate(cut) == []


def test_paper_is_white(paper):
    colours = """() => [...document.querySelectorAll(
        "body, .bd-article, .bd-article :is(p, pre, a)")].map((e) => {
      const { backgroundColor, color } = getComputedStyle(e);
      return [backgroundColor, color];
    })"""
    for ground, ink in paper.evaluate(colours):
        assert ground in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
        assert max(map(int, ink.strip("rgb()").split(","))) <= 130, ink
    for image in paper.locator(".bd-article img").all():
        assert image.evaluate("image => getComputedStyle(image).filter") == "none"
