"""Words that mean nothing are named, with their line and the nearest that do."""

import re

import pytest
from small_book import TemporaryBook

from book.__main__ import main
from book.build.source import Book, BookError
from book.build.vocabulary import TAGS


def cell(options: str) -> str:
    return f"# First\n\n```{{code-cell}} ipython3\n{options}\n1\n```\n"


LIST = "tags are different words in brackets: `:tags: [jax, export]`"
# A source below its front matter of four lines, and what is said of it.
WRONG = {
    cell(
        ":tags: [hide-inptu]"
    ): "7: unknown tag 'hide-inptu'; did you mean hide-input?",
    cell(":tags: [jax, exprot]"): "7: unknown tag 'exprot'; did you mean export?",
    cell(":tags: [jaxx]"): "7: unknown tag 'jaxx'; did you mean jax?",
    cell(":tags: [PyTorch]"): "7: unknown tag 'PyTorch'; did you mean pytorch?",
    cell(":tags: [keras]"): f"7: unknown tag 'keras'; there are {', '.join(TAGS)}",
    cell(":tags: [each, jax]"): (
        "7: the tag 'each' stands for all frameworks; take their names out"
    ),
    cell(":tags: [grade]"): "7: the tag 'grade' is for worksheets",
    cell(":tags: jax"): f"8: {LIST}",
    cell(":tags: jax, export"): f"8: {LIST}",
    cell(":tags: [jax, jax]"): f"8: {LIST}",
    cell(":tags: [jax]\n1\n```\n\n```{code-cell}\n---\ntags: jax\n---"): f"14: {LIST}",
    cell(":tag: [jax]"): "7: unknown setting 'tag' of the cell; did you mean tags?",
    cell(":points: 3"): (
        "7: `name` and `points` belong to a worksheet's check; it has the tag grade"
    ),
    cell("---\nmystnb: {imgae: {}}\n---"): (
        "7: unknown setting 'imgae' of mystnb; did you mean image?"
    ),
    cell("---\nmystnb: {image: {atl: x}}\n---"): (
        "7: unknown setting 'atl' of image; did you mean alt?"
    ),
    '# First\n\n+++ {"tags": ["jx"]}\n\nWords.\n': (
        "9: unknown tag 'jx'; did you mean jax?"
    ),
    '# First\n\n+++ {"tags": ["export"]}\n\nWords.\n': (
        "9: the tag 'export' is for code; prose has pytorch, tensorflow, jax, mxnet, "
        "slide, same-slide"
    ),
    '# First\n\n+++ {"tags": "jax"}\n\nWords.\n': f"7: {LIST}",
    '# First\n\ntags: [jax\n\ntags:jax\n\n+++ {"tags": ["jax"], "x": 1}\n\nWords.\n\n'
    '+++ {"x": 1, "tags": "jax"}\n\nWords.\n': f"15: {LIST}",
    "# First\n\n```{raw-cell}\n1\n```\n": (
        "7: no raw cells: a page and a notebook would show them differently"
    ),
    "# First\n\n```{code-cel}\n1\n```\n": (
        "7: a notebook cannot show the directive {code-cel}; did you mean code-cell?"
    ),
    "# First\n\n```{note}\n:clas: x\n\nWords.\n```\n": (
        "7: unknown option 'clas' of {note}; did you mean class?"
    ),
    "# First\n\nSee\n{reff}`first`.\n": "8: unknown role {reff}; did you mean ref?",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_a_word_that_means_nothing(
    temporary_book: TemporaryBook,
    capsys: pytest.CaptureFixture,
    text: str,
    message: str,
) -> None:
    temporary_book.chapters(first=text)
    assert main(["split"], temporary_book.root) == 1
    assert capsys.readouterr().err == f"chapters/first.md:{message}\n"


def test_front_matter_is_what_jupytext_needs(temporary_book: TemporaryBook) -> None:
    temporary_book.chapters(first="# First\n")
    book = temporary_book.edit("chapters/first.md", "kernelspec:", "kernelspce:")
    with pytest.raises(BookError) as error:
        _ = book.chapters
    assert str(error.value) == (
        "chapters/first.md:1: unknown front matter 'kernelspce'; did you mean "
        "kernelspec?\nchapters/first.md:1: has no front matter `kernelspec: …`; begin "
        "as the other chapters do"
    )


CONTENTS = {
    "- file: chapters/first\n  titel: A": "5: unknown key 'titel'; did you mean title?",
    "- fiel: chapters/first": "4: unknown key 'fiel'; did you mean file?",
    "- file: chapters/first\n- file: chapters/first.md": (
        "5: chapters/first is listed twice; take one entry out"
    ),
    "- file: chapters/frist": (
        "4: chapters/frist has no source; write chapters/frist.md, or correct this: "
        "did you mean chapters/first?"
    ),
    "- title: One": "4: entry does not contain one of {",
    "<<<<<<< HEAD": "4: has a conflict mark, <<<<<<<; finish the merge",
    "- file: [": "5: cannot be read: while parsing a flow node",
}


@pytest.mark.parametrize(("entries", "message"), CONTENTS.items())
def test_a_wrong_entry_of_the_contents(
    temporary_book: TemporaryBook, entries: str, message: str
) -> None:
    temporary_book.chapters(first="# First\n")
    temporary_book.write(
        "_toc.yml", f"format: jb-book\nroot: book/index\nchapters:\n{entries}\n"
    )
    with pytest.raises(BookError) as error:
        _ = Book(temporary_book.root).documents
    assert str(error.value).startswith(f"_toc.yml:{message}")


def test_all_tags_are_explained_to_authors() -> None:
    text = (Book().root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("| tag |")[2].partition("\n\n")[0]
    named = [
        tag
        for row in table.splitlines()[2:]
        for tag in re.findall(r"`([\w-]+)`", row.split("|")[1])
    ]
    assert sorted(named) == sorted(TAGS)
