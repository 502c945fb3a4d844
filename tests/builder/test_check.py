"""Each fault of a book has one exact message; a right book has none."""

from base64 import b64encode
from collections.abc import Callable
from io import BytesIO

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from PIL import Image
from small_book import CHAPTER, FRONT_MATTER, TemporaryBook

from book.__main__ import main
from book.build.check import check
from book.build.inputs import inputs
from book.build.merge import merged_cells
from book.build.outputs import unrepeatable
from book.build.source import FRAMEWORKS, Book, BookError
from book.build.split import split

PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": "aGVsbG8=\n", "text/plain": "<Figure>"},
    "metadata": {},
}
FIRST = "chapters/first.md"
NOTEBOOK = "chapters/jax/first.ipynb"


@pytest.fixture(autouse=True)
def every_framework_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does Sphinx write the pages, which takes seconds: one test lets it do so."""
    monkeypatch.setattr("book.build.check.installed", lambda framework: True)
    monkeypatch.setattr("book.build.check.write_site", lambda book: [])
    monkeypatch.setattr("book.build.html.RENAMED", {})


# Below a front matter of four lines.
FAULTS = """\
(first)=
# First

Prose with {reff}`x`,
and {ref}`first` and {nosuch}`y`.

```{note}
:clas: tip

See {badrole}`x`.
```

### Skipped a level

A [link](#nowhere) and [a page](second.md).

% only jax: so
+++ {"tags": ["jax"]}

Only for JAX,
{other}`x`.

+++

![A plot](no.png)

$$\\nosuch{x}$$

```pyhton
x = 1
```

```{exercise} T
:lable: ex-1

Body.
```

- item

  {numref}`first`

```{exported} nothing
f
```
"""


@pytest.fixture
def right_book(
    temporary_book: TemporaryBook, pretend_execution: Callable
) -> TemporaryBook:
    """A book with one chapter, its notebooks as if executed: nothing is wrong."""
    book = temporary_book.chapters(first=CHAPTER)
    split(book)
    record(book, pretend_execution)
    return temporary_book


def record(book: Book, pretend_execution: Callable, output: dict | None = None) -> None:
    (chapter,) = book.chapters
    for framework in FRAMEWORKS:
        path = book.notebook_path(chapter, framework)
        notebook = nbformat.read(path, as_version=4)
        digest = inputs(book, chapter, framework, notebook)
        pretend_execution(path, output, inputs=digest)


def problems(book: TemporaryBook) -> list[str]:
    return check(Book(book.root))


def test_a_right_book_has_no_problem(
    right_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    assert main(["check"], right_book.root) == 0
    assert capsys.readouterr().out == "The book is complete and up to date.\n"


def test_all_problems_are_printed_in_order(
    right_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    right_book.write("chapters/stray.md", FRONT_MATTER + "# Stray\n")
    right_book.write("book/index.md", "# A book\n\n![](logo.svg)\n")
    assert main(["check"], right_book.root) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "book/index.md:3:",  # no alternative text
        "chapters/stray.md:1:",
        "2",
    ]


# Stale files


def test_a_stale_notebook(right_book: TemporaryBook) -> None:
    right_book.edit(FIRST, "Prose.", "Better prose.")
    expected = f"{NOTEBOOK}:1: differs from {FIRST}; run `python -m book split`"
    assert expected in problems(right_book)
    assert len(problems(right_book)) == 4


def test_a_missing_notebook(right_book: TemporaryBook) -> None:
    (right_book.root / NOTEBOOK).unlink()
    assert problems(right_book) == [
        f"{NOTEBOOK}:1: is missing or cannot be read; run `python -m book split`"
    ]


def test_a_stale_module(right_book: TemporaryBook) -> None:
    right_book.edit("d2l_lite/models/jax.py", '"jax"', '"mine"')
    assert problems(right_book) == [
        "d2l_lite/models/jax.py:1: differs from the cells tagged `export`; "
        "run `python -m book split`"
    ]


def test_outputs_of_other_inputs(right_book: TemporaryBook) -> None:
    right_book.write("d2l_lite/jax.py", "x = 1\n")
    assert problems(right_book) == [
        f"{NOTEBOOK}:1: was executed with other code, files or library; "
        "run `python -m book run`"
    ]


def test_what_cannot_be_executed_here_need_not_be(
    right_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(
        "book.build.check.installed", lambda framework: framework != "mxnet"
    )
    right_book.write("d2l_lite/mxnet.py", "x = 1\n")
    assert problems(right_book) == []
    assert capsys.readouterr().out == (
        "MXNet is not installed: whether its outputs are up to date was not checked.\n"
    )
    split(right_book.edit(FIRST, 'name = "mxnet"', 'name = "other"'))
    assert problems(right_book) == []
    right_book.edit(FIRST, 'name = "other"', 'name = "third"')
    assert [line.split(":")[0] for line in problems(right_book)] == [
        "chapters/mxnet/first.ipynb",
        "d2l_lite/models/mxnet.py",
    ]


def test_a_notebook_without_chapter(right_book: TemporaryBook) -> None:
    right_book.write("chapters/mxnet/old.ipynb", "{}")
    assert problems(right_book) == [
        "chapters/mxnet/old.ipynb:1: no chapter of _toc.yml makes this notebook; "
        "delete it"
    ]


def test_a_cell_that_cannot_be_split(right_book: TemporaryBook) -> None:
    right_book.edit(FIRST, "Prose.", "```{mermaid}\nx\n```")
    (mermaid,) = problems(right_book)
    assert mermaid.startswith(f"{FIRST}:8: a notebook cannot show the directive")


# Files that notebooks share


@pytest.mark.parametrize("name", ["old/a.csv", "a.csv", "first.csv"])
def test_a_file_without_chapter(right_book: TemporaryBook, name: str) -> None:
    right_book.write(f"chapters/files/{name}", "1\n")
    right_book.write("chapters/files/old/.a.csv.1.part", "1\n")
    assert problems(right_book) == [
        f"chapters/files/{name}:1: belongs to no chapter of _toc.yml; move it to "
        "chapters/files/<chapter>/ or delete it"
    ]


def test_files_are_small(
    right_book: TemporaryBook, pretend_execution: Callable
) -> None:
    for name, size in {"a": 1_000_000, "b": 999_999, "deeper/c": 1}.items():
        right_book.write(f"chapters/files/first/{name}", "x" * size)
    split(Book(right_book.root))
    record(Book(right_book.root), pretend_execution)
    assert problems(right_book) == []

    right_book.write("chapters/files/first/b", "x" * 1_000_001)
    found = [line for line in problems(right_book) if line.startswith("chapters/files")]
    assert found == [
        "chapters/files/first:1: has 2,000,002 bytes; at most 2,000,000: store less",
        "chapters/files/first/b:1: has 1,000,001 bytes; at most 1,000,000: store less",
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "2"), ("deeper/b.csv", "1"), (".b.csv", None)]
)
def test_outputs_of_other_files(
    right_book: TemporaryBook,
    pretend_execution: Callable,
    name: str,
    content: str | None,
) -> None:
    """The content of a file counts, and its name; a hidden file does not."""
    right_book.write("chapters/files/first/a.csv", "1")
    split(Book(right_book.root))
    record(Book(right_book.root), pretend_execution)
    right_book.write(f"chapters/files/first/{name}", content or "1")
    what = "was executed with other code, files or library; run `python -m book run`"
    assert problems(right_book) == (
        [f"chapters/{name}/first.ipynb:1: {what}" for name in sorted(FRAMEWORKS)]
        if content
        else []
    )


# Tab groups

LACKING = (
    "```{code-cell}\n:tags: [pytorch]\n1\n```\n```{code-cell}\n:tags: [jax]\n1\n```\n"
)


def group_problems(book: TemporaryBook, text: str) -> list[str]:
    book.chapters(first=text)
    return [line for line in problems(book) if "group of tabs" in line]


def test_a_group_that_lacks_frameworks(temporary_book: TemporaryBook) -> None:
    assert group_problems(temporary_book, "# Title\n\n" + LACKING) == [
        f"{FIRST}:7: this group of tabs has no cell for TensorFlow, MXNet; write it, "
        "or say why in a line `% only <frameworks>: <reason>` above the group"
    ]


def test_prose_does_not_stand_in_for_code(temporary_book: TemporaryBook) -> None:
    text = LACKING + '+++ {"tags": ["tensorflow", "mxnet"]}\nNothing to do here.\n'
    assert len(group_problems(temporary_book, text)) == 1


def test_a_stated_reason_is_enough(temporary_book: TemporaryBook) -> None:
    text = "Words.\n\n% only pytorch, jax: the others compile by themselves\n"
    assert group_problems(temporary_book, text + LACKING) == []


@pytest.mark.parametrize("after", ["", "\nwords", "\n\nwords: these"])
def test_a_reason_without_words_is_none(
    temporary_book: TemporaryBook, after: str
) -> None:
    text = f"% only pytorch, jax:{after}\n"
    assert group_problems(temporary_book, text + LACKING)


@pytest.mark.parametrize("names", ["pytorch", "pytorch, jax, mxnet", "", "PyTorch jax"])
def test_a_reason_names_the_frameworks_that_are_there(
    temporary_book: TemporaryBook, names: str
) -> None:
    text = f"# Title\n\n% only {names}: the others compile by themselves\n"
    found = group_problems(temporary_book, text + LACKING)
    assert found == [
        f"{FIRST}:8: `% only {names}:` stands above a group of tabs for pytorch, jax; "
        "name these"
    ]


def test_what_is_no_page_is_a_problem(right_book: TemporaryBook) -> None:
    prose = '+++ {"tags": ["jax"]}\n\n## For JAX\n\n```{code-cell} ipython3'
    right_book.edit(FIRST, "Prose.\n\n```{code-cell} ipython3", prose)
    assert (
        f"{FIRST}:10: a heading in prose for JAX only; headings belong in prose for "
        "all frameworks"
    ) in problems(right_book)


# Titles, labels, and what Sphinx finds


def test_what_sphinx_finds_has_the_line_of_the_source(
    temporary_book: TemporaryBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    settings = (Book().root / "_config.yml").read_text(encoding="utf-8")
    temporary_book.write("_config.yml", settings)
    temporary_book.chapters(first=FAULTS, second="(second)=\n# Second\n")
    found = [line for line in problems(temporary_book) if line.startswith(FIRST)]
    lines = FAULTS.splitlines()
    for problem, expected in zip(
        found,
        [
            ("{reff}", 'role "reff"'),
            ("{nosuch}", 'role "nosuch"'),
            ("{note}", "Unknown option keys: ['clas']"),
            ("{badrole}", 'role "badrole"'),
            ("### Skipped", "header level"),
            ("(#nowhere)", "not found: 'nowhere'"),
            ("second.md", "not found: 'second.md'"),
            ("{other}", 'role "other"'),
            ("no.png", "not readable: chapters/no.png"),
            ("nosuch{x}", "Undefined control sequence"),
            ("```pyhton", "lexer name 'pyhton' is not known"),
            ("{exercise}", "Unknown option keys: ['lable']"),
            ("{numref}", "Any number is not assigned: first"),
            ("{exported}", "there is no chapters/nothing.md"),
        ],
        strict=True,
    ):
        place, what = expected
        number = next(n for n, line in enumerate(lines, 5) if place in line)
        assert problem.startswith(f"{FIRST}:{number}: ") and what in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Words.\n", "1: begins without a title; write `# …` above all other headings"),
        ("## Part\n\n# First\n", "5: begins without a title; write `# …` above all"),
        ("# First\n\n# Last\n", "7: a second title, 'Last'; write `## …`, a page has"),
        ("# First\n\na\n=====\nb\n", "7: a second title, 'a'; write `## …`, a page"),
        ("# First\n\n<<<<<<< a\n", "7: has a conflict mark, <<<<<<<; finish the merge"),
        ("# First\n\n>>>>>>> a\n", "7: has a conflict mark, >>>>>>>; finish the merge"),
        ("# First\n\nA\nnote[^1].\n", "8: '[^1]' is no markup of the book; correct"),
        ("# First\n\nA [link][to].\n", "7: '][' is no markup of the book; correct"),
        ("# First\n\nAn `open quote.\n", "7: '`' is no markup of the book; correct"),
        ("# First\n\n<img src='a'>\n", "7: '<img' is no markup of the book; correct"),
        ("# First\n\n{ref} `a`\n", "7: '{ref}' is no markup of the book; correct"),
        (
            "# First\n\n```{note}\nA\n",
            "7: what begins here has no end; close its fence",
        ),
        ("# First\n\n```{code-cell}\n1\n", "7: what begins here has no end; close"),
        ("(a)=\n# First\n\n(A)=\n## B\n", "9: the label 'A' stands in chapters/first"),
        ("(first)=\n# A\n\n$$\nx\n$$ (first)\n", "8: the label 'first' stands in"),
    ],
)
def test_what_a_page_would_show_or_lose(
    temporary_book: TemporaryBook, text: str, message: str
) -> None:
    temporary_book.chapters(first=text)
    found = [line for line in problems(temporary_book) if line.startswith(FIRST)]
    assert [line.startswith(f"{FIRST}:{message}") for line in found] == [True]


def test_what_stands_as_it_is_meant(temporary_book: TemporaryBook) -> None:
    text = """\
# First

A \\` sign, \\[a\\]\\[b\\], \\[^1\\], \\$\\$, \\{ref\\}`a`, \\:::, `[a][b]` and $a][b$.

```{math}
:label: eq
  a = b
```

```{code-block} python
:caption: A block
    x = 1
```

```{note}
:class: tip

    x = 2
```
"""
    temporary_book.chapters(first=text)
    assert not [line for line in problems(temporary_book) if line.startswith(FIRST)]


@pytest.mark.parametrize("tag", ["hide-input", "each"])
def test_two_figures_of_one_name(temporary_book: TemporaryBook, tag: str) -> None:
    drawing = "```{code-cell}\n---\ntags: [TAG]\nmystnb:\n  figure: {name: fig-a, "
    drawing += "caption: It}\n---\n1\n```\n\n"
    text = "# First\n\n" + drawing.replace("TAG", tag) * 2
    temporary_book.chapters(first=text)
    assert problems(temporary_book)[0] == (
        f"{FIRST}:16: the label 'fig-a' stands in chapters/first.md, too; rename one"
    )


def test_faults_of_all_sources_are_named_at_once(temporary_book: TemporaryBook) -> None:
    wrong = "```{code-cell}\n:tags: [jx]\n1\n```\n"
    temporary_book.chapters(first=f"# A\n\n{wrong}\n{wrong}", second=f"# B\n\n{wrong}")
    temporary_book.write("book/index.md", "# C\n\n=======\n>>>>>>> theirs\n")
    assert [line.partition(": ")[0] for line in problems(temporary_book)] == [
        "book/index.md:4",
        f"{FIRST}:7",
        f"{FIRST}:12",
        "chapters/second.md:7",
    ]


def test_a_site_that_cannot_be_built_hides_no_other_fault(
    right_book: TemporaryBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(book: Book) -> None:
        raise BookError("the site cannot be built:\nwhy")

    monkeypatch.setattr("book.build.check.write_site", fail)
    renamed = {"old": "nowhere", "book/index": "chapters/first", "was": "book/index"}
    monkeypatch.setattr("book.build.html.RENAMED", renamed)
    place = "book/build/html.py: RENAMED:"
    assert problems(right_book) == [
        "the site cannot be built:\nwhy",
        f"{place} 'book/index' must not be in _toc.yml, 'chapters/first' must be",
        f"{place} 'old' must not be in _toc.yml, 'nowhere' must be",
    ]


def test_a_folder_of_no_framework(right_book: TemporaryBook) -> None:
    right_book.write("chapters/mxnt/first.ipynb", "{}")
    assert problems(right_book) == [
        "chapters/mxnt:1: no framework is called 'mxnt'; did you mean mxnet?"
    ]


# Outputs


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("saved in /home/me/x", "a path, '/home/me/x'"),
        ("PosixPath('/work/me')", "a path, '/work/me'"),
        (r"C:\Users\me", r"a path, 'C:\\Users\\me'"),
        ("<B object at 0x7f001234abcd>", "an address in memory, '0x7f001234abcd'"),
        ("2026-11-30", "a date, '2026-11-30'"),
        ("2026-11-30T12:30", "a date, '2026-11-30'"),
        ("30 November 2026", "a date, '30 November 2026'"),
        ("at 01:37:08", "a time, '01:37:08'"),
        ("at 12:30", "a time, 'at 12:30'"),
        ("by 9:05 pm", "a time, '9:05 pm'"),
        ("12:30:05", "a time, '12:30:05'"),
        ("took 3 s", "a time, 'took 3'"),
        ("in 90 s", "a time, '90 s'"),
        ("'/tmp/x'", "a path, '/tmp/x'"),
        ("/home/u/x.py:3", "a path, '/home/u/x.py'"),
        ("D:/data/x", "a path, 'D:/data/x'"),
        ("100% [00:03<00:00]", "a time, '00:03<0'"),
        ("12.5 ms ± 3 µs", "a time, '12.5 ms'"),
        ("0.12 s/step", "a time, '0.12 s'"),
        ("elapsed: 0.12", "a time, 'elapsed: 0'"),
        ("1796004000.123", "a time, '1796004000.123'"),
        ("../files/memory/x.csv, https://example.org/home/x, 1/2/3, N/A", None),
        ("x[10:20], 0x1f, 3 steps, 1700000000 parameters, ~/x/y", None),
        ("the 1980s, ratio 16:10, images 20:30, A:\\alpha, X:\\mathbb{R}\\to", None),
        ("params['a']/conv/kernel, '/conv1/kernel:0', {x}/conv/bias", None),
        ("<style>p {transition: 0.3s}</style><p style='transition: 0.3s'>", None),
    ],
)
def test_what_differs_at_the_next_execution(text: str, kind: str | None) -> None:
    stream = new_output("stream", text=text)
    html = new_output("display_data", data={"text/html": f"<p>{text}</p>"})
    for output in (stream, html):
        cell = new_code_cell("", outputs=[output])
        found = [what.partition(", which")[0] for what in unrepeatable(cell)]
        assert found == ([kind] if kind else [])
        cell.metadata.tags = ["recorded"]
        kept = bool(kind) and not kind.startswith(("a date", "a time"))
        assert bool(list(unrepeatable(cell))) == kept


def test_a_cell_that_was_never_executed(temporary_book: TemporaryBook) -> None:
    split(temporary_book.chapters(first=CHAPTER))
    # Front matter of 4 lines, 5 of prose, four cells of 6 lines, then the shared cell.
    line = 4 + 5 + 4 * 6 + 1
    assert (
        f"{FIRST}:{line}: cell 5 of {NOTEBOOK} was never executed; "
        "run `python -m book run`"
    ) in problems(temporary_book)


@pytest.mark.parametrize(
    ("output", "what"),
    [
        (
            {"output_type": "stream", "name": "stderr", "text": "careful"},
            "shows stderr; silence its cause and run `python -m book run`",
        ),
        (
            {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
            "shows an error; mend the cell and run `python -m book run`",
        ),
        (
            {"output_type": "stream", "name": "stdout", "text": "/tmp/me"},
            "shows a path, '/tmp/me', which differs the next time or elsewhere; "
            "leave it out",
        ),
        (
            PICTURE,
            "shows an image without alternative text; give the cell the option "
            '`mystnb: {image: {alt: "…"}}`',
        ),
        (
            PICTURE,
            "shows an image without caption; give the cell the option "
            '`mystnb: {figure: {name: fig-…, caption: "…"}}`',
        ),
    ],
)
def test_bad_outputs(
    right_book: TemporaryBook, pretend_execution: Callable, output: dict, what: str
) -> None:
    record(Book(right_book.root), pretend_execution, output)
    assert f"{FIRST}:34: cell 5 of {NOTEBOOK} {what}" in problems(right_book)


# References


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{ref}`nowhere`", "no label 'nowhere' in the book; correct it"),
        ("{numref}`Fig. %s <nowhere>`", "no label 'nowhere' in the book; correct it"),
        ("{eq}`nowhere`", "no label 'nowhere' in the book; correct it"),
        ("{eq}`first`", "'first' is no equation; use {ref}"),
        (
            "{cite}`huang2017,nobody`",
            "'nobody' is not in book/references.bib; add it there",
        ),
        (
            "![](https://example.org/a.png)",
            "the image https://example.org/a.png has no alternative text; write "
            "![text](https://example.org/a.png)",
        ),
        (
            "```{figure} https://example.org/a.png\nCaption\n```",
            "{figure} has no alternative text; add `:alt: …`",
        ),
    ],
)
def test_broken_references_and_images(
    right_book: TemporaryBook, text: str, what: str
) -> None:
    right_book.edit(FIRST, "Prose.", f"Prose.\n\n{text}")
    found = [line for line in problems(right_book) if line.startswith(f"{FIRST}:10:")]
    assert found == [f"{FIRST}:10: {what}"]


def test_an_option_goes_on_in_the_next_line(right_book: TemporaryBook) -> None:
    figure = "```{figure} https://example.org/a.png\n:alt: One\n  and two\n```"
    right_book.edit(FIRST, "Prose.", f"Prose.\n\n{figure}")
    what = "{figure} has an option of several lines; put it on one"
    assert problems(right_book)[0] == f"{FIRST}:12: {what}"


def test_right_references_and_code_are_left_alone(right_book: TemporaryBook) -> None:
    right_book.edit(
        FIRST,
        "Prose.",
        "{ref}`first`, {cite:t}`huang2017`, [it](first.md), [top](#first), {eq}`e`,\n"
        "[site](https://example.org), `` {ref}`x` ``, $f([a](b))$\n\n"
        "$$\ny\n$$ (e)\n\n```python\n{ref}`nowhere` ![](x)\n```",
    )
    split(Book(right_book.root))
    assert problems(right_book) == []


def test_what_a_code_cell_says_is_no_image(right_book: TemporaryBook) -> None:
    right_book.edit(FIRST, "print(1 + 1)", "print('![](a.png)')")
    assert not [line for line in problems(right_book) if "alternative" in line]


def test_a_reference_in_a_note_has_its_own_line(right_book: TemporaryBook) -> None:
    right_book.edit(FIRST, "Prose.", "```{note}\nOne\n\nand {ref}`x`\n```")
    expected = f"{FIRST}:11: no label 'x' in the book; correct it"
    assert expected in problems(right_book)


# Merging


def test_a_page_has_the_cells_of_the_source_with_outputs(
    right_book: TemporaryBook,
) -> None:
    book = Book(right_book.root)
    (chapter,) = book.chapters
    merged = merged_cells(book, chapter)
    assert [cell.id for cell in merged] == [cell.id for cell in chapter.cells]
    assert merged[0].source.startswith("(first)=")
    assert all(cell.outputs[0].text == "2\n" for cell in merged[1:])
    assert "outputs" not in chapter.cells[0]
    assert chapter.cells[-1].outputs == []


def test_shared_outputs_that_differ(
    right_book: TemporaryBook, pretend_execution: Callable
) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "3\n"}
    pretend_execution(right_book.root / NOTEBOOK, output)
    book = Book(right_book.root)
    with pytest.raises(BookError, match="differs: JAX shows '3', PyTorch '2'; give it"):
        merged_cells(book, book.chapters[0])
    (problem,) = problems(right_book)
    assert problem.startswith(f"{FIRST}:34: the output of this shared cell differs")


@pytest.mark.parametrize("x, alike", [("1.001", True), ("1.02", False)])
def test_drawings_that_rounding_has_moved(
    temporary_book: TemporaryBook, pretend_execution: Callable, x: str, alike: bool
) -> None:
    book = temporary_book.chapters(first="```{code-cell}\ndraw()\n```\n")
    split(book)
    for name, place in zip(FRAMEWORKS, ("1", x, "1", "1")):
        data = {"image/svg+xml": f'<svg><use x="{place}" y="2.5"/></svg>'}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        pretend_execution(book.root / f"chapters/{name}/first.ipynb", output)
    if alike:
        assert 'x="1"' in str(merged_cells(book, book.chapters[0])[-1].outputs)
    else:
        message = r"TensorFlow shows the picture of PyTorch but for rounding \(at most "
        with pytest.raises(BookError, match=message + r"0\.02 points\); draw it from"):
            merged_cells(book, book.chapters[0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (201, r"but for rounding \(6\.25% of the pixels, by at most 1 of 255\); draw"),
        (90, 'TensorFlow shows \'{"data": '),
    ],
)
def test_pictures_that_rounding_has_changed(
    temporary_book: TemporaryBook,
    pretend_execution: Callable,
    value: int,
    message: str,
) -> None:
    book = temporary_book.chapters(first="```{code-cell}\ndraw()\n```\n")
    split(book)
    for name in FRAMEWORKS:
        picture, file = Image.new("L", (4, 4), 200), BytesIO()
        picture.putpixel((1, 1), value if name == "tensorflow" else 200)
        picture.save(file, "PNG")
        data = {"image/png": b64encode(file.getvalue()).decode()}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        pretend_execution(book.root / f"chapters/{name}/first.ipynb", output)
    with pytest.raises(BookError, match=message):
        merged_cells(book, book.chapters[0])


def test_outputs_of_a_cell_tagged_each_may_differ(
    temporary_book: TemporaryBook, pretend_execution: Callable
) -> None:
    text = "```{code-cell}\n:tags: [each]\nprint(name)\n```\n"
    book = temporary_book.chapters(first=text)
    split(book)
    for name in FRAMEWORKS:
        output = {"output_type": "stream", "name": "stdout", "text": name}
        pretend_execution(book.root / f"chapters/{name}/first.ipynb", output)
    merged = merged_cells(book, book.chapters[0])
    assert [cell.outputs[0].text for cell in merged] == list(FRAMEWORKS)


def test_an_outdated_notebook_does_not_stop_the_page(
    right_book: TemporaryBook, pretend_execution: Callable
) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "3\n"}
    pretend_execution(right_book.root / NOTEBOOK, output, inputs="other")
    book = Book(right_book.root)
    assert merged_cells(book, book.chapters[0])[-1].outputs[0].text == "2\n"


def test_an_unexecuted_book_has_pages_without_outputs(
    temporary_book: TemporaryBook,
) -> None:
    book = temporary_book.chapters(first=CHAPTER)
    assert all(not cell.get("outputs") for cell in merged_cells(book, book.chapters[0]))
