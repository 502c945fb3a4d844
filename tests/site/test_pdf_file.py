"""The book as a PDF, as who prints it gets it."""

import re
from collections.abc import Iterator
from unicodedata import normalize

import pytest
from pypdf import PdfReader

from book.build.pdf import print_site
from book.build.source import Book
from d2l_lite import TITLES

BOOK = Book()


@pytest.fixture(scope="module")
def pdf(site, browser) -> PdfReader:
    return PdfReader(print_site(BOOK, site, browser))


def headings() -> list[str]:
    """The titles of the book's pages, as their sources have them."""
    texts = [(BOOK.root / f"{name}.md").read_text("utf-8") for name in BOOK.documents]
    return [re.search("^# (.+)", text, re.MULTILINE)[1] for text in texts]


def entries(outline: list, depth: int = 0) -> Iterator[tuple[int, object]]:
    """Depth and destination of each bookmark."""
    for entry in outline:
        if isinstance(entry, list):
            yield from entries(entry, depth + 1)
        else:
            yield depth, entry


def test_the_outline_has_the_contents_and_every_page_in_order(pdf):
    titles = [entry.title for depth, entry in entries(pdf.outline) if depth == 0]
    plain = [title.lstrip("0123456789. ") for title in titles]
    assert plain == ["Contents", *headings()]


def test_the_contents_name_the_pages_to_which_they_lead(pdf):
    marks = [entry for depth, entry in entries(pdf.outline) if depth < 2][1:]
    places = [(x.title, pdf.get_destination_page_number(x) + 1) for x in marks]
    first = places[0][1]
    contents = " ".join(pdf.pages[i].extract_text() for i in range(1, first - 1))
    words = normalize("NFKC", contents).split()  # "ﬁ" is one letter of the font
    for title, page in places:
        assert title.split()[-1] in words, title
        assert str(page) in words, title
    numbers = [page for _, page in places]
    assert numbers == sorted(numbers)


def test_every_page_but_the_first_has_its_number(pdf):
    for number, page in list(enumerate(pdf.pages, 1))[1::20]:
        assert str(number) in page.extract_text().split("\n"), number


def test_each_framework_has_its_part(pdf):
    chapter = re.compile(r"\d+\. Training")
    (training,) = (x for _, x in entries(pdf.outline) if chapter.fullmatch(x.title))
    start = pdf.get_destination_page_number(training)
    text = "\n".join(pdf.pages[start + i].extract_text() for i in range(6))
    for title, code in zip(TITLES.values(), ("torch", "keras", "optax", "mxnet")):
        assert f"\n{title}\n" in text
        assert f"import {code}" in text or f"import {code} as d2l" in text


def test_every_link_leads_somewhere(pdf):
    notes = [
        note.get_object() for page in pdf.pages for note in page.get("/Annots", [])
    ]
    places = {note["/Dest"] for note in notes if "/Dest" in note}
    assert len(places) > len(BOOK.documents)
    assert places <= set(pdf.named_destinations)
    addresses = {note["/A"]["/URI"] for note in notes if "/URI" in note.get("/A", {})}
    assert addresses
    assert not {a for a in addresses if not a.startswith(("https://", "mailto:"))}


def test_it_says_what_it_is_and_can_be_read_aloud(pdf):
    assert pdf.metadata.title == BOOK.config["title"]
    assert pdf.metadata.author == BOOK.config["author"]
    assert pdf.root_object["/Lang"] == "en"
    assert pdf.root_object["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in pdf.root_object
