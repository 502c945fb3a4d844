"""The book as a PDF, as who prints it gets it."""

import os
from collections.abc import Iterator

import pytest
from pypdf import PageObject, PdfReader

from book.build.pdf import build_pdf, missing_programs
from book.build.source import FRAMEWORKS, Book
from d2l_lite import TITLES

FONT_FILES = {"/FontFile", "/FontFile2", "/FontFile3"}


@pytest.fixture(scope="module")
def pdf() -> PdfReader:
    if missing := missing_programs():
        reason = f"no {', '.join(missing)}: `make pdf` says what to install"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return PdfReader(build_pdf(Book()))


def titles(outline: list) -> Iterator[str]:
    """The titles of the outline's first level."""
    return (entry.title for entry in outline if not isinstance(entry, list))


def test_the_outline_has_every_page_of_the_site_in_order(pdf: PdfReader) -> None:
    headings = []
    for document in Book().documents[1:]:
        lines = (Book().root / f"{document}.md").read_text(encoding="utf-8").split("\n")
        headings.append(next(line[2:] for line in lines if line.startswith("# ")))
    assert list(titles(pdf.outline))[1:] == headings


def test_every_link_leads_somewhere(pdf: PdfReader) -> None:
    actions = [
        note.get_object().get("/A", {})
        for page in pdf.pages
        for note in page.get("/Annots", [])
    ]
    places = {action["/D"] for action in actions if "/D" in action}
    assert places
    assert places <= set(pdf.named_destinations)
    addresses = {action["/URI"] for action in actions if "/URI" in action}
    assert addresses
    assert not {a for a in addresses if not a.startswith(("https://", "mailto:"))}


def test_each_framework_has_its_part(pdf: PdfReader) -> None:
    page = pdf.get_destination_page_number(
        next(
            entry for entry in pdf.outline if getattr(entry, "title", "") == "Training"
        )
    )
    text = "".join(pdf.pages[page + i].extract_text() for i in range(8))
    for framework in FRAMEWORKS:
        assert f"\n{TITLES[framework]}\n" in text


def fonts(page: PageObject) -> Iterator[tuple[str, bool]]:
    """The fonts of a page and of the drawings on it, and whether the file has each."""
    resources = [page["/Resources"]]
    while resources:
        resource = resources.pop().get_object()
        for drawing in resource.get("/XObject", {}).values():
            inner = drawing.get_object().get("/Resources")
            resources += [inner] if inner else []
        for font in resource.get("/Font", {}).values():
            font = font.get_object()
            own = font.get("/DescendantFonts", [font])[0].get_object()
            descriptor = own.get("/FontDescriptor", {}).get_object()
            yield own["/BaseFont"], not FONT_FILES.isdisjoint(descriptor)


def test_all_fonts_are_embedded(pdf: PdfReader) -> None:
    found = {font for page in pdf.pages for font in fonts(page)}
    assert len(found) > 5
    assert {name for name, embedded in found if not embedded} == set()


def test_it_says_what_it_is(pdf: PdfReader) -> None:
    config = Book().config
    assert pdf.metadata.title == config["title"]
    assert pdf.metadata.author == config["author"]
    assert pdf.root_object["/Lang"] == "en"


def test_drawings_are_no_pictures_of_dots(pdf: PdfReader) -> None:
    """The dense block of the first page is there as lines and letters."""
    drawn = [
        item.get_object()["/Subtype"]
        for page in pdf.pages[:8]
        for item in page["/Resources"].get("/XObject", {}).values()
    ]
    assert drawn == ["/Form"]
