"""What is up to date is not made again, and is as soon as anything has changed."""

import subprocess

import pytest
from small_book import TemporaryBook

import d2l_lite
from book import __main__ as command
from book.build import html as building
from book.build import run as running
from book.build.freshness import is_fresh, remember, sources
from book.build.source import Book, BookError

CHANGES = {
    "a word of a chapter": ("chapters/first.md", "# Second\n"),
    "a notebook": ("chapters/jax/first.ipynb", "{}"),
    "a file that notebooks share": ("chapters/files/first/rows.csv", "1\n"),
    "a page of the front matter": ("book/index.md", "# Another book\n"),
    "a style sheet": ("book/static/book.css", "p {}\n"),
    "a model": ("d2l_lite/models/jax.py", "x = 1\n"),
    "the settings": ("_config.yml", "title: Other\n"),
    "the list of pages": ("_toc.yml", "root: book/references\n"),
    "a page of the site": ("_build/html/index.html", "<p>Mended by hand</p>\n"),
    "a file too many in the site": ("_build/html/other.html", "<p></p>\n"),
}


@pytest.fixture
def built(temporary_book: TemporaryBook) -> Book:
    """A book whose site was built a moment ago."""
    book = temporary_book.chapters(first="# First\n")
    temporary_book.write("_build/html/index.html", "<p></p>\n")
    remember(book, "site", sources(book), book.root / "_build/html")
    return book


def fresh(book: Book) -> bool:
    return is_fresh(book, "site", sources(book), book.root / "_build/html")


def test_site_without_a_change_is_not_built_again(built, monkeypatch):
    monkeypatch.setattr(building, "build_site", lambda _: pytest.fail("built"))
    assert command.main(["site"], built.root) == 0


def test_site_that_failed_is_built_again(built, temporary_book, monkeypatch):
    def fail(_):
        raise BookError("a warning")

    temporary_book.write("chapters/first.md", "# Faulty\n")
    monkeypatch.setattr(building, "build_site", fail)
    for _ in range(2):
        assert command.main(["site"], built.root) == 1


def test_notebooks_without_a_change_are_not_looked_at_again(
    temporary_book, monkeypatch, capsys
):
    monkeypatch.setattr(d2l_lite, "installed", lambda framework: True)
    book = temporary_book.chapters()
    runs = []
    monkeypatch.setattr(running, "run", lambda *_, **__: runs.append("run"))
    for _ in range(2):
        assert command.main(["run"], book.root) == 0
    assert runs == ["run"]
    assert capsys.readouterr().out == "All notebooks are up to date.\n"
    for arguments in (["run", "--force"], ["run", "--framework", "jax"]):
        assert command.main(arguments, book.root) == 0
    temporary_book.write("d2l_lite/data.py", "x = 1\n")
    assert command.main(["run"], book.root) == 0
    assert len(runs) == 4


def test_edit_while_notebooks_run_is_seen_by_the_next_call(temporary_book, monkeypatch):
    monkeypatch.setattr(d2l_lite, "installed", lambda framework: True)
    book = temporary_book.chapters()
    runs = []

    def edit(*_, **__):
        runs.append("run")
        temporary_book.write("book/index.md", "# Edited meanwhile\n")

    monkeypatch.setattr(running, "run", edit)
    for _ in range(3):
        assert command.main(["run"], book.root) == 0
    assert len(runs) == 2


@pytest.mark.parametrize("change", CHANGES)
def test_site_is_built_again_after_a_change_of(change, built, temporary_book):
    temporary_book.write(*CHANGES[change])
    assert not fresh(built)


def test_site_is_built_again_where_a_page_is_missing(built):
    (built.root / "_build/html/index.html").unlink()
    assert not fresh(built)


def test_site_is_built_again_after_a_commit_which_dates_its_pages(built):
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in ("init --quiet", "add book", "commit --quiet --message=First"):
        subprocess.run([*git, *words.split()], cwd=built.root, check=True)
    assert not fresh(built)


def test_temporary_files_beside_the_sources_do_not_count(built, temporary_book):
    temporary_book.write("chapters/files/first/.rows.csv.part", "1\n")
    temporary_book.write("d2l_lite/__pycache__/data.pyc", "1\n")
    assert fresh(built)
