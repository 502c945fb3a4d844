"""Descriptions made of a page's first words, and days from the repository's history."""

import os
import subprocess
from datetime import date

import pytest
from docutils import nodes
from docutils.utils import new_document

from book.build.history import last_changes
from book.site.head import description


def page(*paragraphs):
    document = new_document("page")
    section = nodes.section("", nodes.title("", "Title"), *paragraphs)
    document += nodes.tip("", nodes.paragraph("", "An aside."))
    document += section
    return document


def test_short_first_paragraph_is_joined_by_whole_sentences():
    first = nodes.paragraph("", "Does it learn?")
    second = nodes.paragraph("", "It does. " + "word " * 60)
    assert description(page(first, second)) == "Does it learn? It does."


def test_formulas_and_citations_do_not_get_in():
    formula = nodes.paragraph("", "", nodes.Text("Of "), nodes.math("x", r"x_\ell"))
    cited = nodes.paragraph("", "DenseNet [Huang et al., 2017] rests on one idea.")
    assert description(page(formula, cited)) == "DenseNet rests on one idea."
    assert description(page(cited, formula)) == "DenseNet rests on one idea."


def test_long_sentence_is_cut_between_words():
    text = description(page(nodes.paragraph("", "word " * 100 + "end.")))
    assert len(text) <= 200
    assert text.endswith("word…")


def test_page_without_text_has_none():
    assert description(page()) == ""


@pytest.fixture
def repository(tmp_path):
    def run(*arguments, day="2024-05-06"):
        names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
        names |= {k.replace("AUTHOR", "COMMITTER"): v for k, v in names.items()}
        when = {"GIT_COMMITTER_DATE": f"{day}T12:00:00+00:00", "HOME": str(tmp_path)}
        subprocess.run(
            ["git", *arguments],
            cwd=tmp_path / "book-of-mine",
            env={"PATH": os.environ["PATH"], **names, **when},
            check=True,
            capture_output=True,
        )

    (tmp_path / "book-of-mine/chapters").mkdir(parents=True)
    run("init")
    return tmp_path / "book-of-mine", run


def test_day_is_that_of_the_last_commit(repository):
    root, run = repository
    for name, day in (("a", "2024-01-02"), ("b", "2024-03-04"), ("a", "2024-05-06")):
        path = root / f"chapters/{name}.md"
        path.write_text(f"{day}\n")
        run("add", ".")
        run("commit", "-m", "x", day=day)
    (root / "chapters/b.md").write_text("not committed yet\n")
    days = {"chapters/a.md": date(2024, 5, 6), "chapters/b.md": date(2024, 3, 4)}
    assert last_changes(root) == days


def test_no_history_no_days(tmp_path, repository):
    root, run = repository
    assert last_changes(root) == {}
    (root / "chapters/a.md").write_text("a\n")
    run("add", ".")
    run("commit", "-m", "x")
    run("clone", "--depth", "1", root.as_uri(), str(tmp_path / "shallow"))
    assert last_changes(tmp_path / "shallow") == {}
