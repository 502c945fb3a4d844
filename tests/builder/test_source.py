"""Reading a book: its order, its cells, their ids and lines."""

import pytest
from small_book import CHAPTER, TemporaryBook

from book.source import FRAMEWORKS, Book, BookError, frameworks, groups, tags


def test_documents_come_in_the_order_of_the_table_of_contents(
    temporary_book: TemporaryBook,
) -> None:
    temporary_book.chapters(first=CHAPTER, second=CHAPTER)
    temporary_book.write(
        "_toc.yml",
        "root: book/index\nparts:\n- chapters:\n  - file: chapters/second\n"
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
    tabs, remark = groups(chapter.cells)
    assert len(tabs) == 4
    # Whatever the order of the tags, frameworks come in the book's own order.
    assert frameworks(remark[0]) == ("tensorflow", "jax")


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
    with pytest.raises(BookError, match=r"_toc.yml: chapters/first has no source"):
        _ = book.chapters


def test_an_unknown_chapter_is_answered_with_the_names(
    temporary_book: TemporaryBook,
) -> None:
    with pytest.raises(BookError, match="no chapter 'x'; there are: first"):
        temporary_book.chapters(first=CHAPTER).chapter("x")
