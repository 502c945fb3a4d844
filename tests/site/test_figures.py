"""Figures as a reader's browser shows them: numbered, placed, and readable."""

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from book.build.source import Book, figure

BOOK = Book()
# What matplotlib puts around each text, whose size is a hundred times the scale.
TEXT = re.compile(r"translate\(\S+ \S+\)[^\"]* scale\(([\d.]+) -[\d.]+\)")
DRAWINGS = """() => [...document.querySelectorAll(".cell_output img[src$='.svg']")]
    .filter(image => image.checkVisibility())
    .map(image => [image.src, image.clientWidth])"""


@pytest.mark.parametrize("chapter", BOOK.chapters, ids=lambda chapter: chapter.name)
def test_every_figure_has_its_number(visit, chapter):
    page = visit().go(f"chapters/{chapter.name}")
    names = list(dict.fromkeys(figure(c)["name"] for c in chapter.cells if figure(c)))
    figures = page.locator("figure.of-cells")
    assert figures.evaluate_all("all => all.map(one => one.id)") == names
    numbers = figures.locator(".caption-number").all_text_contents()
    part = BOOK.numbers[f"chapters/{chapter.name}"]
    assert numbers == [f"Figure {part}.{n + 1} " for n in range(len(names))]


@pytest.mark.parametrize("chapter", BOOK.chapters, ids=lambda chapter: chapter.name)
def test_drawings_are_read_on_a_phone(visit, chapter):
    tab = visit()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    page = tab.go(f"chapters/{chapter.name}")
    for source, width in page.evaluate(DRAWINGS):
        svg = Path(unquote(urlparse(source).path)).read_text(encoding="utf-8")
        points = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
        sizes = [100 * float(scale) * width / points for scale in TEXT.findall(svg)]
        assert min(sizes) >= 8.9, source


def test_only_drawings_are_inverted_in_the_dark(browser, site):
    page = browser.new_page(color_scheme="dark")
    page.goto((site / "chapters/training.html").as_uri())
    for image in page.locator(".cell_output img").all():
        drawing = image.get_attribute("src").endswith(".svg")
        style = image.evaluate("image => getComputedStyle(image).filter")
        assert ("invert" in style) == drawing
    page.close()


def test_tables_have_no_light_frame_in_the_dark(browser, site):
    page = browser.new_page(color_scheme="dark")
    page.goto((site / "chapters/results.html").as_uri())
    tables = page.locator(".cell_output .text_html").all()
    assert tables
    for table in tables:
        style = table.evaluate("table => getComputedStyle(table).backgroundColor")
        assert style == "rgba(0, 0, 0, 0)"
    page.close()
