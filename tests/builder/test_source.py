"""Reading a book: its order, its cells, their ids and lines."""

import re

import pytest
from small_book import CHAPTER, TemporaryBook

from book.build.labels import read_labels
from book.build.source import (
    FRAMEWORKS,
    Book,
    BookError,
    figure,
    frameworks,
    groups,
    tags,
)


def test_documents_come_in_the_order_of_the_table_of_contents(
    temporary_book: TemporaryBook,
) -> None:
    temporary_book.chapters(first=CHAPTER, second=CHAPTER)
    temporary_book.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nparts:\n- chapters:\n"
        "  - file: chapters/second\n"
        "    sections:\n    - file: chapters/first.md\n",
    )
    book = Book(temporary_book.root)
    assert book.documents == ("book/index", "chapters/second", "chapters/first")
    assert [chapter.name for chapter in book.chapters] == ["second", "first"]


def test_each_cell_knows_its_tags_and_its_line(temporary_book: TemporaryBook) -> None:
    (chapter,) = temporary_book.chapters(first=CHAPTER).chapters
    text = chapter.path.read_text(encoding="utf-8").splitlines()
    prose, *tabs, shared = chapter.cells
    assert text[chapter.line(prose) - 1] == "(first)="
    assert text[chapter.line(shared) - 1] == "```{code-cell} ipython3"
    assert text[chapter.line(shared)] == "print(1 + 1)"
    assert chapter.where(prose) == "chapters/first.md:5"
    assert [frameworks(cell) for cell in tabs] == [(name,) for name in FRAMEWORKS]
    assert tags(tabs[0]) == ("pytorch", "export")
    assert frameworks(shared) == ()


def test_a_run_of_tagged_cells_is_one_group(temporary_book: TemporaryBook) -> None:
    text = CHAPTER + '\n+++ {"tags": ["jax", "tensorflow"]}\nA remark.\n'
    (chapter,) = temporary_book.chapters(first=text).chapters
    (tabs, prose), (remark, shared) = groups(chapter.cells)
    assert len(tabs) == 4
    assert [prose, shared] == [chapter.cells[0], chapter.cells[5]]
    # Whatever the order of the tags, frameworks come in the book's own order.
    assert [frameworks(cell) for cell in remark] == [("tensorflow",), ("jax",)]


EACH = """\
```{code-cell} ipython3
---
tags: [each, hide-input]
mystnb:
  figure: {name: curves, caption: It learns}
  image: {alt: "Curves of {framework}."}
---
print(x)
```
"""


def test_a_cell_tagged_each_is_one_for_each_framework(
    temporary_book: TemporaryBook,
) -> None:
    (chapter,) = temporary_book.chapters(first=EACH).chapters
    assert [tags(cell) for cell in chapter.cells] == [
        (name, "hide-input") for name in FRAMEWORKS
    ]
    alts = [cell.metadata.mystnb.image.alt for cell in chapter.cells]
    assert alts[0] == "Curves of PyTorch." and alts[3] == "Curves of MXNet."
    for cell in chapter.cells:
        assert figure(cell) == {"name": "curves", "caption": "It learns"}
    assert {chapter.line(cell) for cell in chapter.cells} == {5}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_each_stands_for_a_cell_with_the_frameworks_own_tag(
    temporary_book: TemporaryBook, name: str
) -> None:
    """So a cell that several frameworks had alike keeps its id, and its outputs."""

    def ids(text: str) -> list[str]:
        (chapter,) = temporary_book.chapters(first=text).chapters
        return [cell.id for cell in chapter.cells if frameworks(cell) == (name,)]

    cell = "```{code-cell}\n:tags: [TAGS]\nprint(1)\n```\n"
    assert ids(cell.replace("TAGS", "each")) == ids(cell.replace("TAGS", name))


def test_ids_depend_on_type_tags_and_source_only(
    temporary_book: TemporaryBook,
) -> None:
    (before,) = temporary_book.chapters(first=CHAPTER).chapters
    (after,) = temporary_book.chapters(first="A new start.\n\n+++\n" + CHAPTER).chapters
    assert [cell.id for cell in after.cells[1:]] == [cell.id for cell in before.cells]
    assert after.line(after.cells[-1]) == before.line(before.cells[-1]) + 3


def test_equal_cells_have_different_ids(temporary_book: TemporaryBook) -> None:
    twice = "```{code-cell}\nprint(1)\n```\n" * 2
    (chapter,) = temporary_book.chapters(first=twice).chapters
    first, second = (cell.id for cell in chapter.cells)
    assert first.removesuffix("-1") == second.removesuffix("-2")


def test_a_chapter_without_source_is_named(temporary_book: TemporaryBook) -> None:
    book = temporary_book.chapters(first=CHAPTER)
    (temporary_book.root / "chapters/first.md").unlink()
    with pytest.raises(BookError, match=r"_toc.yml:5: chapters/first has no source"):
        _ = book.chapters


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        (
            "- chapters/first",
            "'chapters/first' is no entry; write `- file: <document>`",
        ),
        ("- file:", "`file: None` must name a document"),
        ("- file: 3", "`file: 3` must name a document"),
        ("", "None is no entry; write `- file: <document>`"),
    ],
)
def test_a_wrong_table_of_contents_is_named(
    temporary_book: TemporaryBook, entries: str, what: str
) -> None:
    temporary_book.write("_toc.yml", f"root: book/index\nchapters:\n{entries}\n")
    with pytest.raises(BookError) as error:
        _ = Book(temporary_book.root).documents
    assert str(error.value) == f"_toc.yml: {what}"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ("- a", "_config.yml must hold settings (`key: value`), not ['a']"),
        ("html:", "_config.yml: `html` must hold settings (`key: value`), not None"),
    ],
)
def test_wrong_settings_are_named(
    temporary_book: TemporaryBook, settings: str, what: str
) -> None:
    temporary_book.write("_config.yml", settings)
    with pytest.raises(BookError) as error:
        Book(temporary_book.root).url("book/index")
    assert str(error.value) == what


def test_a_source_that_is_not_utf8_is_named_with_its_line(
    temporary_book: TemporaryBook,
) -> None:
    book = temporary_book.chapters(first="# First\n")
    path = temporary_book.root / "chapters/first.md"
    path.write_bytes(path.read_bytes() + "\nnaïve\n".encode("latin-1"))
    message = "^chapters/first.md:7: is not UTF-8; save it as UTF-8$"
    with pytest.raises(BookError, match=message):
        _ = book.chapters
    with pytest.raises(BookError, match=message):
        read_labels(book)


@pytest.mark.parametrize("option", ["mystnb:", "mystnb:\n  figure:", "mystnb: x"])
def test_an_empty_figure_setting_is_named(
    temporary_book: TemporaryBook, option: str
) -> None:
    text = f"# First\n\n```{{code-cell}} ipython3\n---\n{option}\n---\n1\n```\n"
    book = temporary_book.chapters(first=text)
    with pytest.raises(BookError, match=r"^chapters/first.md:7: the cell's option `"):
        read_labels(book)


@pytest.mark.parametrize("setting", ["{name: a}", "{caption: It}", "{}"])
def test_a_figure_without_name_or_caption_is_named(
    temporary_book: TemporaryBook, setting: str
) -> None:
    options = f"---\nmystnb:\n  figure: {setting}\n---\n"
    text = f"# First\n\n```{{code-cell}} ipython3\n{options}1\n```\n"
    message = r"^chapters/first.md:7: a figure needs both, `figure: \{name: fig-"
    with pytest.raises(BookError, match=message):
        _ = temporary_book.chapters(first=text).chapters


def test_the_readme_lists_the_chapters_and_opens_a_notebook() -> None:
    book = Book()
    readme = (book.root / "README.md").read_text(encoding="utf-8")
    url, branch, path = re.search(
        r"colab\.research\.google\.com/github/(.+?)/blob/(.+?)/(.+?)\)", readme
    ).groups()
    assert (f"https://github.com/{url}", branch) == book.repository
    assert (book.root / path).is_file()
    table = readme.partition("| chapter |")[2].partition("\n\n")[0]
    titles = read_labels(book).titles
    assert [row.split("|")[1].strip() for row in table.splitlines()[2:]] == [
        titles[f"chapters/{name}"] for name in book.chapter_names
    ]
