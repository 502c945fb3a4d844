"""What machines read of each page: title, description, card, address."""

import re
from html import unescape

import pytest
from PIL import Image

from book.build.source import Book

BOOK = Book()
META = re.compile(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"')


@pytest.fixture(scope="module")
def heads(site):
    return {
        document: (site / f"{document}.html").read_text(encoding="utf-8")
        for document in BOOK.documents
    }


def metas(html: str) -> dict[str, str]:
    found = META.findall(html.partition("</head>")[0])
    # Sphinx and the theme both say how wide the screen is.
    found = [(name, content) for name, content in found if name != "viewport"]
    assert len(dict(found)) == len(found)
    return {name: unescape(content) for name, content in found}


@pytest.mark.parametrize("document", BOOK.documents)
def test_page_is_described(heads, document):
    meta = metas(heads[document])
    text = meta["description"]
    assert 25 < len(text) <= 200
    assert meta["og:description"] == text
    assert meta["og:site_name"] == BOOK.config["title"]
    assert meta["twitter:card"] == "summary_large_image"
    url = BOOK.url(document)
    assert meta["og:url"] == url
    assert f'<link rel="canonical" href="{url}" />' in heads[document]


def test_titles_and_descriptions_tell_pages_apart(heads):
    titles = [re.search("<title>(.*?)</title>", html)[1] for html in heads.values()]
    texts = [metas(html)["description"] for html in heads.values()]
    assert len(set(titles)) == len(set(texts)) == len(heads)


def test_card_is_there_in_the_size_it_claims(heads, site):
    meta = metas(heads["chapters/training"])
    base = BOOK.url("").removesuffix(".html")
    path = site / meta["og:image"].removeprefix(base)
    size = (int(meta["og:image:width"]), int(meta["og:image:height"]))
    with Image.open(path) as image:
        assert image.size == size


def test_neighbours_are_linked(heads):
    names = [document.split("/")[-1] for document in BOOK.documents]
    for before, document, after in zip(names, BOOK.documents[1:], names[2:]):
        html = heads[document]
        assert re.search(rf'class="left-prev"\s+href="[^"]*{before}\.html"', html)
        assert re.search(rf'class="right-next"\s+href="[^"]*{after}\.html"', html)
