"""The slides of the book's own chapters, as a lecturer sees them."""

from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from book.build.labels import read_labels
from book.build.slides import Reader
from book.build.source import FRAMEWORKS, Book, tags
from book.build.vocabulary import SLIDE
from book.site.mathematics import Server

BOOK = Book()
CHAPTERS = [c for c in BOOK.chapters if any(SLIDE in tags(cell) for cell in c.cells)]
# What lies outside of its slide or behind something else, or is too small to read.
WRONG = """() => [...document.querySelectorAll("section")].flatMap((slide, number) => {
  const frame = slide.querySelector("div").getBoundingClientRect();
  return [...slide.querySelectorAll("pre, img, table, figcaption, p, ul, .katex, h2")]
    .filter((part) => !part.closest("aside"))
    .filter((part) => {
      const box = part.getBoundingClientRect();
      const head = part.matches("h2");
      return box.width < 5 || box.height < 5 || box.left < 0 ||
        box.right > innerWidth || (head ? box.bottom > frame.top + 1
          : box.top < frame.top - 2 || box.bottom > frame.bottom + 2) ||
        part.scrollWidth > part.clientWidth + 2 && part.matches("pre") ||
        parseFloat(getComputedStyle(part).fontSize) < 13;
    })
    .map((part) => `${number + 1}: ${part.tagName} ${part.textContent.slice(0, 40)}`);
})"""
# Slides whose notes do not fit on the printed page.
CUT_OFF = """() => [...document.querySelectorAll("section")]
  .filter((slide) => slide.scrollHeight > slide.clientHeight ||
    slide.querySelector("aside").offsetTop < 600)
  .map((slide) => slide.textContent.slice(0, 40))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every chapter's slides in every framework."""
    folder, labels = tmp_path_factory.mktemp("slides"), read_labels(BOOK)
    with closing(Server()) as server:
        for chapter in CHAPTERS:
            for framework in FRAMEWORKS:
                page = Reader(BOOK, labels, chapter, framework, server).page()
                (folder / f"{chapter.name}-{framework}.html").write_text(page, "utf-8")
    return folder


def opened(page: Page, path: Path) -> Page:
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    return page


def test_the_first_five_chapters_have_slides():
    assert [chapter.name for chapter in CHAPTERS] == list(BOOK.chapter_names[:5])


def test_nothing_overflows_and_nothing_is_fetched(browser: Browser, folder: Path):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    for path in sorted(folder.iterdir()):
        opened(page, path)
        assert page.evaluate(WRONG) == [], path.name
        page.emulate_media(media="print")
        assert page.evaluate(CUT_OFF) == [], path.name
        page.emulate_media(media="screen")
    assert errors == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    page.close()


def test_keys_go_through_the_slides_and_open_the_notes(browser: Browser, folder: Path):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    opened(page, folder / "dense_blocks-pytorch.html")
    with page.expect_popup() as popup:
        page.keyboard.press("n")
    notes = popup.value.locator("main")
    assert "Slide 1 of 13, next: The rule" in notes.text_content()
    for key in ("ArrowRight", "PageDown", " "):
        page.keyboard.press(key)
    assert page.url.endswith("#4")
    assert "Slide 4 of 13" in notes.text_content()
    assert "subtracts from each channel its mean" in notes.text_content()
    popup.value.keyboard.press("End")  # as well from the window of the notes
    assert page.url.endswith("#13")
    shown = page.locator("section").nth(12).bounding_box()
    assert abs(shown["y"]) < 2 and shown["height"] == 720
    page.close()
