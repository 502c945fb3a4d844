"""The book as LaTeX, and what LaTeX's log says: all that needs no LaTeX."""

import re
from base64 import b64encode
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
import yaml
from PIL import Image
from small_book import TemporaryBook

from book.build.html import run_jupyter_book
from book.build.pdf import build_pdf, targetname
from book.build.source import FRAMEWORKS, Book, BookError
from book.build.split import split
from book.site.colours import DARK, LIGHT, colours
from book.site.latex.log import place, report
from book.site.latex.printed import PIXELS
from d2l_lite import TITLES

BIBLIOGRAPHY = "@misc{huang2017, title = {Densely}, author = {Huang}, year = {2017}}"
TOC = """\
format: jb-book
root: book/index
parts:
  - chapters: [file: book/before]
  - numbered: true
    chapters: [file: chapters/first]
  - chapters: [file: book/references]
"""
INDEX = """\
# A book

It says {cite}`huang2017` and asks {fas}`rocket`.

::::{div} buttons
```{button-ref} before
:ref-type: doc

Press here
```
::::

::::{grid} 1
:::{grid-item-card} Before you start
:link: before
:link-type: doc

What to know.
:::
::::

## A section

See {published}`the sheet <sheet.pdf>` and {published}`book/before.html`.
"""
BEFORE = """\
# Before

<div id="first-widget"></div>

<script>widget()</script>

Words between.

```{raw} html
<div>second</div>
```

<!-- nobody sees this -->
"""
CHAPTER = "(first)=\n# First\n\n" + "".join(
    f'```{{code-cell}} ipython3\n:tags: [{name}]\n\nname = "{name}"\n```\n\n'
    for name in FRAMEWORKS
)
CHAPTER += """\
```{code-cell} ipython3
:tags: [hide-input]

draw_secretly()
```

```{exercise}
How many?
```
"""


def execute(path: Path) -> None:
    """Gives every code cell of a notebook a line of text and a plot."""
    plot = BytesIO()
    Image.new("L", (PIXELS // 2, 10)).save(plot, "PNG")
    data = {"image/png": b64encode(plot.getvalue()).decode()}
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.outputs = [
                nbformat.v4.new_output("stream", text="shown\n"),
                nbformat.v4.new_output("display_data", data=data),
            ]
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def tex(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small book as LaTeX."""
    root = tmp_path_factory.mktemp("printed")
    config = deepcopy(Book().config)
    config["html"]["baseurl"] = "https://example.org/site/"
    small = TemporaryBook(root)
    small.chapters(first=CHAPTER)
    for name, text in (
        ("_config.yml", yaml.safe_dump(config)),
        ("_toc.yml", TOC),
        ("book/references.bib", BIBLIOGRAPHY),
        ("book/index.md", INDEX),
        ("book/before.md", BEFORE),
        ("book/references.md", "# References\n\n```{bibliography}\n:all:\n```\n"),
    ):
        small.write(name, text)
    book = Book(root)
    split(book, list(book.chapters), list(FRAMEWORKS))
    for framework in FRAMEWORKS:
        execute(book.notebook_path(book.chapters[0], framework))
    run_jupyter_book(book, "latex")
    text = (root / "_build/latex/_build/latex" / targetname(book)).read_text("utf-8")
    return text.partition(r"\begin{document}")[2]


def in_order(text: str, *parts: str) -> bool:
    return bool(re.search(".*".join(map(re.escape, parts)), text, re.DOTALL))


def test_only_numbered_chapters_are_main_matter(tex: str) -> None:
    assert in_order(
        tex,
        r"\frontmatter",
        r"\chapter{About This Book}",
        r"\section{A section}",
        r"\chapter{Before}",
        r"\mainmatter",
        r"\chapter{First}",
        r"\backmatter",
        r"\chapter{References}",
        "Densely",
    )
    assert tex.count(r"\chapter{") == 4


def test_frameworks_stand_one_after_another_under_their_names(tex: str) -> None:
    parts = []
    for name in FRAMEWORKS:
        parts += [
            rf"\frameworkname{{{name}}}{{{TITLES[name]}}}",
            f"{{{name}}}",
            "shown",
        ]
    assert in_order(tex, r"\begin{sphinxuseclass}{tabs}", *parts)


def test_hidden_code_is_left_out_and_its_output_stays(tex: str) -> None:
    assert "draw" not in tex
    assert tex.count("shown") == len(FRAMEWORKS) + 1


def test_plots_have_one_scale(tex: str) -> None:
    assert len(re.findall(r"includegraphics\[width=0\.5\d*\\linewidth\]", tex)) == 5


def test_buttons_and_icons_vanish_and_cards_become_a_list(tex: str) -> None:
    assert "Press here" not in tex and "rocket" not in tex
    assert in_order(
        tex,
        r"\begin{description}",
        r"\hyperref[\detokenize{book/before::doc}]",
        "{Before}",
        "What to know.",
        r"\end{description}",
    )


def test_parts_that_only_html_has_become_an_address(tex: str) -> None:
    assert "widget" not in tex and "second" not in tex
    # Blocks that follow each other count as one, and comments as none.
    assert tex.count("This part is interactive") == 2
    assert in_order(tex, "interactive", "site/book/before.html", "Words between")


def test_links_to_the_published_site(tex: str) -> None:
    assert r"\sphinxhref{https://example.org/site/sheet.pdf}{the sheet}" in tex
    assert r"\sphinxurl{https://example.org/site/book/before.html}" in tex


def test_each_citation_has_its_entry(tex: str) -> None:
    cited = set(re.findall(r"\\hyperlink\{(cite[^}]*)\}", tex))
    assert cited and cited <= set(re.findall(r"\\hypertarget\{(cite[^}]*)\}", tex))


def test_the_frameworks_have_the_colours_of_the_site() -> None:
    def rule(selector: str, colour: str) -> str:
        lines = "".join(f"  --{name}: {colour};\n" for name in FRAMEWORKS)
        return f"{selector} {{\n{lines}}}\n\n"

    css = rule(LIGHT, "#0a1b2c") + rule("html", "#ffffff") + rule(DARK, "#ff8266")
    assert set(colours(css).values()) == {"0A1B2C"}
    assert set(colours(css, DARK).values()) == {"FF8266"}
    with pytest.raises(BookError, match=f"--{FRAMEWORKS[0]} no colour"):
        colours("")


def test_without_latex_the_error_says_what_to_install(
    temporary_book: TemporaryBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BookError, match="(?s)xelatex.*apt-get install .*texlive-xetex"):
        build_pdf(temporary_book.chapters())


def test_the_site_offers_the_pdf_under_its_name() -> None:
    name = targetname(Book()).replace(".tex", ".pdf")
    text = (Book().root / "book/how_to_read.md").read_text(encoding="utf-8")
    assert f"{{published}}`{name}`" in text


SOURCE = r"""\chapter{One}
\label{\detokenize{chapters/one:first}}\label{\detokenize{chapters/one::doc}}
Words, and \hyperref[\detokenize{chapters/two:far}]{a link}.
\section{Deep}
\label{\detokenize{chapters/one:deep}}
More words.
"""


FAULTS = {
    "./a.tex:6: Missing character: There is no 漢 in font x!": (
        "chapters/one#deep: Missing character: There is no 漢 in font x! "
        "(line 6 of the source)"
    ),
    "./a.tex:3: Undefined control sequence.": (
        "chapters/one: Undefined control sequence (line 3 of the source)"
    ),
    r"Overfull \hbox (12.5pt too wide) in paragraph at lines 3--3": (
        r"chapters/one: Overfull \hbox (12.5pt too wide) (line 3 of the source)"
    ),
    r"Overfull \vbox (19.0pt too high) detected at line 6": (
        r"chapters/one#deep: Overfull \vbox (19.0pt too high) (line 6 of the source)"
    ),
    "LaTeX Warning: Hyper reference `x' on page 3 undefined on input line 6.": (
        "chapters/one#deep: Hyper reference `x' on page 3 undefined "
        "(line 6 of the source)"
    ),
    "LaTeX Warning: Label `x' multiply defined.": "Label `x' multiply defined",
    "! Emergency stop.": "Emergency stop",
}


@pytest.mark.parametrize("log", FAULTS)
def test_faults_of_the_log_are_found(log: str) -> None:
    assert report(f"Noise.\n{log}\n[3] [4]\n", SOURCE) == [FAULTS[log]]


def test_what_nobody_sees_is_no_fault() -> None:
    log = (
        "Overfull \\hbox (9.9pt too wide) in paragraph at lines 3--4\n"
        "Underfull \\hbox (badness 10000) in paragraph at lines 3--4\n"
        "LaTeX Font Warning: Some font shapes were not available.\n"
    )
    assert report(log, SOURCE) == []


def test_places_are_named_by_the_last_label() -> None:
    assert place(SOURCE, 1) == "before the first page"
    assert place(SOURCE, 3) == "chapters/one"
    assert place(SOURCE, 6) == "chapters/one#deep"
