"""One source becomes four notebooks and four modules."""

import json
import os
import sys
import tomllib
from collections.abc import Callable
from contextlib import nullcontext
from importlib.machinery import BuiltinImporter, PathFinder
from importlib.metadata import version
from unittest.mock import Mock

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from packaging.requirements import Requirement
from small_book import CHAPTER, TemporaryBook

from book.build.labels import read_labels
from book.build.markdown import PlainMarkdown
from book.build.source import FRAMEWORKS, Book, BookError
from book.build.split import installation, read_notebook, split


def read(book: Book, framework: str, name: str = "first") -> NotebookNode:
    return nbformat.read(
        book.root / "chapters" / framework / f"{name}.ipynb", as_version=4
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_notebook_has_its_own_and_the_shared_cells(
    temporary_book: TemporaryBook, framework: str
) -> None:
    book = temporary_book.chapters(first=CHAPTER)
    split(book)
    notebook = read(book, framework)
    nbformat.validate(notebook)
    banner, first, prose, own, shared = notebook.cells
    assert banner.source.startswith("<!-- Generated from chapters/first.md")
    page = f"https://example.org/site/chapters/first.html?framework={framework}"
    assert page in banner.source
    assert "https://example.org/repository/archive/" in first.source
    assert ("runs on the processor" in banner.source) == (framework == "mxnet")
    assert prose.source == "# First\n\nProse."
    assert own.source == f'name = "{framework}"'
    assert shared.source == "print(1 + 1)"


GPU = {
    "tensorflow": ("TF_FORCE_GPU_ALLOW_GROWTH", "true"),
    "jax": ("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", ["a.csv", "deeper/a.safetensors"])
@pytest.mark.parametrize("place", ["Colab", "Kaggle", "elsewhere"])
def test_the_first_cell_installs_in_colab_and_on_kaggle_only(
    temporary_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    framework: str,
    name: str,
    place: str,
) -> None:
    book = temporary_book.chapters(first=CHAPTER, second="# Second\n")
    temporary_book.write(f"chapters/files/second/{name}", "1")
    split(book)
    banner, first = read(book, framework, "second").cells[:2]
    address = "https://example.org/repository/tree/main/chapters/files/second"
    assert f"[files]({address})" in banner.source
    assert "clone" not in read(book, framework).cells[0].source

    if place == "Colab":
        monkeypatch.setitem(sys.modules, "google.colab", sys)
    elif place == "Kaggle":
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    for variable, _ in GPU.values():
        monkeypatch.setenv(variable, "unset")
    shell = Mock()
    code = TransformerManager().transform_cell(first.source)
    exec(code, {"get_ipython": lambda: shell, "_exit_code": 0})
    if place == "elsewhere":
        assert not shell.mock_calls
        return
    (line,) = shell.system.call_args.args
    assert "https://example.org/repository/archive/refs/heads/main.tar.gz" in line
    assert (
        "pip install -q --root-user-action ignore --no-deps mxnet==1.9.1" in line
    ) == (framework == "mxnet")
    extra = f'".[{framework}]"' if framework in ("jax", "mxnet") else "."
    assert f"--constraint kept.txt {extra} " in line
    assert ('"^(d2l-lite|flax)="' in line) == (framework == "jax")
    folder = f"-q ~/repository/chapters/{framework}"
    shell.run_line_magic.assert_called_once_with("cd", folder)
    for owner, (variable, value) in GPU.items():
        assert os.environ[variable] == (value if owner == framework else "unset")
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    with pytest.raises(SystemExit, match="Python 3.11 or newer"):
        exec(code, {"get_ipython": lambda: shell})


@pytest.fixture
def in_colab(
    temporary_book: TemporaryBook, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """The first cell of a framework as IPython runs it, in what is taken for Colab."""
    book = temporary_book.chapters(first=CHAPTER)
    monkeypatch.setitem(sys.modules, "google.colab", sys)

    def code(framework: str) -> str:
        cell = installation(book, book.chapters[0], framework)
        return TransformerManager().transform_cell(cell)

    return code


def test_the_first_cell_refuses_an_older_flax_in_use(
    in_colab: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = in_colab("jax")
    names = {"get_ipython": Mock(), "_exit_code": 0}
    for used, restart in ((version("flax"), False), ("0.11.2", True)):
        monkeypatch.setitem(sys.modules, "flax", Mock(__version__=used))
        with pytest.raises(SystemExit, match="restart") if restart else nullcontext():
            exec(code, names)


def test_the_first_cell_says_that_tensorflow_is_missing(
    in_colab: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = in_colab("tensorflow")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [BuiltinImporter, PathFinder])
    with pytest.raises(SystemExit, match="no TensorFlow: take one with a CPU"):
        exec(code, {"get_ipython": Mock(), "_exit_code": 0})


def test_what_a_first_cell_keeps_is_enough_for_the_library() -> None:
    listed = dict(
        line.split("==")
        for line in (Book().root / "constraints-colab.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    project = tomllib.loads((Book().root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(need for e in extras.values() for need in e)]
    too_old = {
        need.name
        for need in map(Requirement, needed)
        if need.name in listed and listed[need.name] not in need.specifier
    }
    assert too_old == {"flax"}


def test_mxnet_without_a_pin_is_named(temporary_book: TemporaryBook) -> None:
    book = temporary_book.chapters(first=CHAPTER)
    temporary_book.write("requirements-mxnet.txt", "mxnet\n")
    message = "^requirements-mxnet.txt: has no line mxnet==<version>; write it$"
    with pytest.raises(BookError, match=message):
        split(book, frameworks=["mxnet"])


def test_a_second_split_changes_no_file(temporary_book: TemporaryBook) -> None:
    split(temporary_book.chapters(first=CHAPTER))
    files = [path for path in temporary_book.root.rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    split(Book(temporary_book.root))
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    assert after == before
    assert files == [path for path in temporary_book.root.rglob("*") if path.is_file()]


def test_only_the_selected_notebooks_are_written(
    temporary_book: TemporaryBook,
) -> None:
    book = temporary_book.chapters(first=CHAPTER, second="# Second\n")
    split(book, book.chapters[1:], ["jax"])
    notebooks = temporary_book.root.glob("chapters/*/*.ipynb")
    assert [book.relative(path) for path in notebooks] == ["chapters/jax/second.ipynb"]


def test_a_prose_edit_keeps_outputs_and_a_code_edit_drops_its_own(
    temporary_book: TemporaryBook, pretend_execution: Callable
) -> None:
    book = temporary_book.chapters(first=CHAPTER)
    split(book)
    path = book.root / "chapters/jax/first.ipynb"
    pretend_execution(path, inputs="recorded")

    split(temporary_book.edit("chapters/first.md", "Prose.", "Better prose."))
    notebook = read(book, "jax")
    assert notebook.cells[2].source == "# First\n\nBetter prose."
    assert [cell.execution_count for cell in notebook.cells[3:]] == [2, 3]
    assert notebook.metadata.book.inputs == "recorded"

    split(temporary_book.edit("chapters/first.md", "1 + 1", "2 + 2"))
    own, shared = read(book, "jax").cells[3:]
    assert own.outputs and own.execution_count == 2
    assert shared.outputs == [] and shared.execution_count is None


def test_only_useful_metadata_stays(temporary_book: TemporaryBook) -> None:
    text = (
        "```{code-cell} ipython3\n---\ntags: [hide-input]\n"
        "mystnb: {image: {alt: A line}}\n---\n1\n```\n"
    )
    book = temporary_book.chapters(first=text)
    split(book)
    metadata = read(book, "jax").cells[-1].metadata
    assert metadata == {"tags": ["hide-input"], "mystnb": {"image": {"alt": "A line"}}}


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< a conflict",
        "",
        "[]",
        "{}",
        "null",
        '{"cells": 5}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 5}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": 5, "cells": []}',
        '{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}',
    ],
)
def test_an_unreadable_notebook_is_written_anew(
    temporary_book: TemporaryBook, text: str
) -> None:
    book = temporary_book.chapters(first=CHAPTER)
    path = temporary_book.write("chapters/jax/first.ipynb", text)
    assert read_notebook(path) is None
    split(book)
    assert len(json.loads((book.root / "chapters/jax/first.ipynb").read_text())) == 4


# MyST → plain Markdown. Second chapter: what the first one may refer to.

SECOND = """\
(second-label)=
# Second

$$
y = x
$$ (there)
"""

TRANSLATIONS = {
    "labels, comments and breaks go": ("(here)=\n## Title\n% a comment", "## Title"),
    "section of another chapter": (
        "See {ref}`second-label`.",
        "See [Second](https://example.org/site/chapters/second.html#second-label).",
    ),
    "reference with its own text": (
        "{ref}`this one <second-label>`",
        "[this one](https://example.org/site/chapters/second.html#second-label)",
    ),
    "document": (
        "{doc}`second` and [it](second.md)",
        "[Second](https://example.org/site/chapters/second.html) and "
        "[it](https://example.org/site/chapters/second.html)",
    ),
    "citations": (
        "A net {cite}`huang2017,he2016`; {cite:t}`huang2017` says",
        "A net ([Huang et al., 2017](https://example.org/site/book/references.html); "
        "[He and Sun, 2016](https://example.org/site/book/references.html)); "
        "[Huang et al. (2017)](https://example.org/site/book/references.html) says",
    ),
    "labelled formula": (
        "$$\ny = [x](t)\n$$ (a)\n\nBy {eq}`a` and {eq}`there`.",
        "$$\ny = [x](t) \\tag{1}\n$$\n\nBy (1) and "
        "[(1) of Second](https://example.org/site/chapters/second.html#equation-there).",
    ),
    "math directive": (
        "```{math}\n:label: a\ny = x\n```\n{eq}`a`",
        "$$\ny = x \\tag{1}\n$$\n\n(1)",
    ),
    "formula on one line": ("$$ y = x $$", "$$\ny = x\n$$"),
    "inline formula stays": ("$H([x_0](t))$ and {math}`x`", "$H([x_0](t))$ and $x$"),
    "figure": (
        "```{figure} images/a.svg\n:alt: A block\n:name: a\nThe *block*.\n```\n"
        "{numref}`a`, {numref}`Fig. %s <a>`",
        "![A block](https://example.org/repository/raw/main/chapters/images/a.svg)\n\n"
        "**Figure 1.** The *block*.\n\nFigure 1, Fig. 1",
    ),
    "image": (
        "![A](images/a.svg)",
        "![A](https://example.org/repository/raw/main/chapters/images/a.svg)",
    ),
    "note": ("```{note}\nMind.\n\nThis.\n```", "> **Note**\n>\n> Mind.\n>\n> This."),
    "colon fence with a title": (
        ":::{admonition} The `x`\nMind.\n:::",
        "> **The `x`**\n>\n> Mind.",
    ),
    "exercise": (
        "```{exercise} Count\n:label: count\nHow many?\n```\nBy {ref}`count`.",
        "**Exercise 1** (Count)\n\nHow many?\n\nBy Exercise 1.",
    ),
    "code is left alone": (
        "```python\n(a)=\n% b {ref}`second-label`\n```\n`` {ref}`a` ``",
        "```python\n(a)=\n% b {ref}`second-label`\n```\n`` {ref}`a` ``",
    ),
    "a cell begins with a rule": ("---\nWords.\n\n---", "---\nWords.\n\n---"),
    "directive in a list": (
        "- one\n\n  ```{note}\n  Mind.\n  ```",
        "- one\n\n  > **Note**\n  >\n  > Mind.",
    ),
    "directive in a quotation": ("> ```{math}\n> x\n> ```", ">\n> $$\n> x\n> $$\n>"),
    "role of a text": ("{abbr}`growth rate <k>`", "growth rate"),
}


@pytest.mark.parametrize("case", TRANSLATIONS)
def test_myst_becomes_plain_markdown(temporary_book: TemporaryBook, case: str) -> None:
    source, expected = TRANSLATIONS[case]
    book = temporary_book.chapters(first=source + "\n", second=SECOND)
    first = book.chapters[0]
    plain = PlainMarkdown(book, read_labels(book), first)
    (cell,) = first.cells
    assert plain.translate(cell.source, first.line(cell)) == expected


DRAWN = """\
```{code-cell} ipython3
---
tags: [each]
mystnb:
  figure: {name: fig-a, caption: "As {eq}`e` says, $x$."}
  image: {alt: A line}
---
draw()
```

By {numref}`fig-a`,

$$y$$ (e)
"""


def test_what_cells_draw_has_one_number_and_a_caption(
    temporary_book: TemporaryBook,
) -> None:
    second = "# Second\n\n```{code-cell} ipython3\n1\n```\n\nAs {numref}`fig-a`.\n"
    temporary_book.chapters(first=DRAWN, second=second)
    parts = "{chapters: [{file: book/references}]}, {numbered: true, chapters: "
    parts += "[{file: chapters/second}, {file: chapters/first}]}"
    temporary_book.write(
        "_toc.yml", f"format: jb-book\nroot: book/index\nparts: [{parts}]\n"
    )
    book = Book(temporary_book.root)
    split(book)
    for framework in ("pytorch", "mxnet"):
        drawing, caption, prose = read(book, framework).cells[2:]
        assert drawing.source == "draw()"
        assert caption.source == "**Figure 2.1.** As (2.1) says, $x$."
        assert prose.source.startswith("By Figure 2.1,")
        other = read(book, framework, "second").cells[-1].source
        assert other.startswith("As [Figure 2.1 of chapters/first](https://")


def test_a_directive_without_plain_form_is_named(
    temporary_book: TemporaryBook,
) -> None:
    book = temporary_book.chapters(first="# Title\n\n```{mermaid}\na\n```\n")
    # Four lines of front matter, the title, an empty line: the directive is on line 7.
    message = r"chapters/first.md:7: a notebook cannot show the directive \{mermaid\}"
    with pytest.raises(BookError, match=message):
        split(book)


def test_a_complete_address_is_left_alone(temporary_book: TemporaryBook) -> None:
    text = "[a](//b.org/c), [d](mailto:e) and ![f](//b.org/g.png)"
    book = temporary_book.chapters(first=text)
    plain = PlainMarkdown(book, read_labels(book), book.chapters[0])
    assert plain.translate(text, 1) == text
