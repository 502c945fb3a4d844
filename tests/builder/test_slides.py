"""Slides from a chapter's tagged cells."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from book.build.labels import read_labels
from book.build.slides import Reader
from book.build.source import FRAMEWORKS, Book, BookError
from book.build.split import read_notebook, split
from book.site.mathematics import Server

CODE = "".join(
    f'```{{code-cell}} ipython3\n:tags: [{name}, slide]\n\n"{name}" < ""\n```\n\n'
    for name in FRAMEWORKS
)
CHAPTER = f"""# First

What is it?

Said at the title.

## Left out

Not said.

## Code & more

Before the code.

{CODE}
Behind the code.

```{{code-cell}} ipython3
---
tags: [hide-input, same-slide]
mystnb: {{figure: {{name: fig-a, caption: Of $x^2$.}}}}
---
draw()
```

```{{code-cell}} ipython3
skipped()
```

+++ {{"tags": ["slide"]}}

- shown

+++

Behind the list.
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with closing(Server()) as server:
        yield server


def reader(book: Book, server: Server, framework: str = "jax") -> Reader:
    return Reader(book, read_labels(book), book.chapters[0], framework, server)


@pytest.fixture
def executed(temporary_book, pretend_execution) -> Book:
    book = temporary_book.chapters(first=CHAPTER)
    split(book)
    for framework in FRAMEWORKS:
        pretend_execution(book.notebook_path(book.chapters[0], framework))
    return book


def test_each_slide_has_its_heading_its_cells_and_what_is_said(executed, server):
    slides = reader(executed, server).slides()
    words = [
        [" ".join(re.sub(r"<[^>]+>", " ", "".join(part)).split()) for part in parts]
        for parts in ([slide.title, slide.parts, slide.notes] for slide in slides)
    ]
    title, code, shown = words
    assert title == ["First", "What is it?", "Said at the title."]
    assert code[0] == "Code &amp; more"
    assert code[1].startswith('"jax" &lt; "" 2 2')
    assert "Figure 1. Of" in code[1] and "draw" not in code[1]
    assert code[2] == "Before the code. Behind the code."
    assert shown == ["Code &amp; more", "shown", "Behind the list."]


def test_a_file_needs_nothing_beside_it(executed, server):
    page = reader(executed, server).page()
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s]+)""", page)
    assert {source.partition(":")[0] for source in sources} <= {"data", "https"}
    assert not re.search(r"<(link|script|img|iframe)[^>]*https?:", page)
    assert 'class="katex"' in page


def test_tags_of_slides_change_no_notebook(temporary_book, executed):
    (chapter,) = executed.chapters
    before = executed.notebook_path(chapter, "jax").read_text()
    plain = CHAPTER.replace(", slide]", "]").replace(", same-slide]", "]")
    book = temporary_book.chapters(first=plain)
    split(book)
    assert executed.notebook_path(chapter, "jax").read_text() == before
    cells = read_notebook(executed.notebook_path(chapter, "jax")).cells
    assert not any("slide" in str(cell.metadata) for cell in cells)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("+++ {", "## Next\n\n+++ {", ""),
        ("same-slide", "slide", ""),
        ('["slide"]}\n', '["same-slide"]}\n\n## New\n', "no slide to stand on"),
        ("draw()", "redraw()", "JAX notebook has no outputs of this cell"),
    ],
)
def test_what_cannot_be_shown_is_named(
    temporary_book, executed, server, old, new, says
):
    book = temporary_book.edit("chapters/first.md", old, new)
    if not says:
        assert reader(book, server).slides()
        return
    with pytest.raises(BookError, match=rf"chapters/first.md:\d+: .*{says}"):
        reader(book, server).slides()
