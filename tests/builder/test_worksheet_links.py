"""The directive `{worksheets}`, on a page that Sphinx makes."""

import re
from pathlib import Path

import pytest
from small_book import FRONT_MATTER
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import docutils_namespace

from book.build.source import FRAMEWORKS, Book
from book.build.worksheets import write_worksheets
from book.site import FOLDER

SHEET = """\
# Worksheet: One & Two

About 15 minutes.

```{code-cell} ipython3
def two():
    ### BEGIN SOLUTION
    return 2
    ### END SOLUTION
```

```{code-cell} ipython3
:tags: [grade]
:name: two
:points: 3

assert two() == 2
```
"""
THEME = {
    "repository_url": "https://github.com/owner/project",
    "repository_branch": "main",
}


@pytest.fixture
def page(temporary_book):
    """Makes the page `book/page` and returns its HTML."""

    def make(body: str) -> str:
        temporary_book.chapters(first="# The first\n")
        for name in ("one", "other"):
            path = f"chapters/worksheets/{name}.md"
            temporary_book.write(path, FRONT_MATTER + SHEET)
        write_worksheets(Book(temporary_book.root))
        root = Path(temporary_book.root)
        text = f"# Page\n\n```{{worksheets}}\n{body}\n```\n"
        temporary_book.write("_build/pages/book/page.md", text)
        with docutils_namespace():
            app = Sphinx(
                *(root / "_build/pages", None, root / "html", root / "trees", "html"),
                confoverrides={
                    "extensions": [
                        "myst_parser",
                        "book.site.tabs",
                        "book.site.worksheets",
                    ],
                    "templates_path": [str(FOLDER / "templates")],
                    "root_doc": "book/page",
                    "html_theme": "sphinx_book_theme",
                    "html_theme_options": THEME,
                },
                status=None,
                warningiserror=True,
            )
            app.build()
        return (root / "html/book/page.html").read_text(encoding="utf-8")

    return make


def test_each_framework_has_its_table(page):
    html = page("other\none: other, first")
    for framework in FRAMEWORKS:
        names = re.findall(rf"worksheets/{framework}/(\w+)\.ipynb\" download", html)
        assert names == ["other", "one"]
        assert (
            '"https://colab.research.google.com/github/owner/project/blob/main/'
            f'chapters/worksheets/{framework}/one.ipynb"'
        ) in html
        assert f'"../notebooks/worksheets/{framework}/one.ipynb"' in html
    row = '<th scope="row">One &amp; Two</th><td>15</td><td>3</td><td>'
    before = '<code>other</code>, <a href="../chapters/first.html">The first</a>'
    assert html.count(row) == 2 * len(FRAMEWORKS)
    assert html.count(row + before) == len(FRAMEWORKS)
    assert "solutions" not in html


def test_without_names_all_are_listed(page):
    html = page("")
    names = re.findall(r"worksheets/jax/(\w+)\.ipynb\" download", html)
    assert names == ["one", "other"]


def test_an_unknown_name_is_a_warning_that_offers_the_others(page):
    with pytest.raises(SphinxError, match="no worksheet 'three'; there are one, other"):
        page("three")
    with pytest.raises(SphinxError, match="no chapter and no worksheet 'three'"):
        page("one: three")
