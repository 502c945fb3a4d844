"""From merged cells to the pages that Sphinx reads, and to a site."""

import re
import shutil
from errno import ENOSPC
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlparse

import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document

from book.__main__ import main
from book.build import html as site_builder
from book.build.html import build_site
from book.build.pages import page_notebook, write_pages
from book.build.source import FRAMEWORKS, Book, BookError, tags
from book.build.split import split
from book.site.links import source_menu
from book.site.tabs import FrameworkTabs, defined

GROUP = "".join(
    f"```{{code-cell}} ipython3\n:tags: [{name}]\n\nx = 1\n```\n\n"
    for name in FRAMEWORKS
)
TABS = "# A book\n\n" + "".join(
    f":::{{framework}} {name}\nOnly {name}.\n:::\n\n" for name in ("jax", "theano")
)
SETTINGS = (Book().root / "_config.yml").read_text(encoding="utf-8")


def page(book: Book) -> list[nbformat.NotebookNode]:
    return page_notebook(book, book.chapters[0]).cells


def test_tree_is_complete(temporary_book, tmp_path):
    book = temporary_book.chapters(first=f"# First\n\n{GROUP}")
    folder = tmp_path / "pages"
    write_pages(book, folder)
    for name in (
        "book/index.md",
        "book/references.bib",
        "chapters/first.ipynb",
        "_static/book.css",
    ):
        assert (folder / name).is_file(), name
    nbformat.validate(nbformat.read(folder / "chapters/first.ipynb", as_version=4))


def test_only_what_changed_is_written(temporary_book, tmp_path):
    first, second = "# First\n", "# Second\n"
    folder = tmp_path / "pages"
    write_pages(temporary_book.chapters(first=first, second=second), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    book = temporary_book.edit("chapters/second.md", "# Second", "# Other")
    write_pages(book, folder)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    changed = {path.name for path in after if after[path] != before[path]}
    assert {name for name in changed if "." in name} == {"second.ipynb"}


def test_what_is_gone_is_removed(temporary_book, tmp_path):
    folder = tmp_path / "pages"
    write_pages(temporary_book.chapters(first="# First\n"), folder)
    stray = folder / "old/page.md"
    stray.parent.mkdir()
    stray.write_text("# Old\n")
    write_pages(temporary_book.chapters(second="# Second\n"), folder)
    assert not (folder / "chapters/first.ipynb").exists()
    assert not stray.parent.exists()


def test_tagged_prose_goes_to_its_tab(temporary_book):
    prose = '+++ {"tags": ["jax"]}\n\nOnly here.\n\n'
    cells = page(temporary_book.chapters(first=f"# First\n\n{prose}{GROUP}"))
    fence = ":" * 12
    assert cells[1].source == f"{fence}{{framework}} jax\nOnly here.\n{fence}"


def test_heading_in_tagged_prose_is_refused(temporary_book):
    prose = '+++ {"tags": ["jax"]}\n\n## Only here\n\n'
    book = temporary_book.chapters(first=f"# First\n\n{prose}{GROUP}")
    with pytest.raises(BookError, match=r"^chapters/first\.md:9: a heading .* for JAX"):
        page(book)


def test_missing_tab_says_why(temporary_book):
    text = "# First\n\n% only jax: the others have no such thing.\n\n"
    text += "```{code-cell} ipython3\n:tags: [jax]\n\nx = 1\n```\n"
    notes = [cell.source for cell in page(temporary_book.chapters(first=text))[2:]]
    assert [note.split("\n")[1] for note in notes] == [
        f"There is no {title} version of this step: the others have no such thing."
        for title in ("PyTorch", "TensorFlow", "MXNet")
    ]


def test_cell_of_two_frameworks_is_in_both_tabs(temporary_book):
    text = "# First\n\n" + "".join(
        f"```{{code-cell}} ipython3\n:tags: [{pair}]\n\nx = 1\n```\n\n"
        for pair in ("pytorch, mxnet, hide-input", "tensorflow, jax")
    )
    cells = page(temporary_book.chapters(first=text))[1:]
    assert [set(tags(cell)) for cell in cells] == [
        {"pytorch", "hide-input"},
        {"mxnet", "hide-input"},
        {"tensorflow"},
        {"jax"},
    ]
    assert len({cell.id for cell in cells}) == 4


def test_a_caption_stands_below_the_tabs_and_cuts_them(temporary_book):
    options = 'mystnb:\n  figure: {name: fig-a, caption: "It *falls*."}\n'
    drawing = f"```{{code-cell}}\n---\ntags: [each]\n{options}---\ndraw()\n```\n\n"
    text = f"# First\n\n{GROUP}{drawing}{GROUP}"
    cells = page(temporary_book.chapters(first=text))
    (place,) = (n for n, cell in enumerate(cells) if "{figure-of-cells}" in cell.source)
    fence = ":" * 12
    assert (
        cells[place].source == f"{fence}{{figure-of-cells}} fig-a\nIt *falls*.\n{fence}"
    )
    assert [cell.source for cell in cells[place - 4 : place]] == ["draw()"] * 4
    assert not any("figure" in cell.metadata.get("mystnb", ()) for cell in cells)
    assert len(cells) == place + 5


def test_runs_of_tagged_cells_become_tab_sets():
    document = new_document("page")
    for name in ("tag_jax", "tag_pytorch", "tag_jax", "", "tag_mxnet"):
        document += nodes.container("", nodes.Text(name), classes=["cell", name])
    FrameworkTabs(document).apply()
    first, shared, second = document.children
    assert [panel["framework"] for panel in first] == list(FRAMEWORKS)
    assert [len(panel) for panel in first] == [1, 1, 2, 1]
    assert first[1].astext() == "There is nothing for TensorFlow here."
    assert shared.astext() == ""
    assert [second["name"], second[3].astext()] == ["tabs-2", "tag_mxnet"]


def test_a_mistake_is_reported_under_the_plain_title():
    theme = {"repository_url": "https://example.org/r", "repository_branch": "main"}
    title = '<span class="section-number">4. </span>Blocks &amp; <em>Layers</em>'
    config = SimpleNamespace(html_theme_options=theme)
    url = source_menu(config, "chapters/first", title)["buttons"][-1]["url"]
    query = parse_qs(urlparse(url).query)
    assert query["title"] == ["4. Blocks & Layers: "]


def test_names_that_a_cell_defines():
    source = "import z\n\nclass A:  # one\n    y = 1\n\n\ndef b():\n    B = 2"
    assert {"A", "b"} <= set(defined(source))
    assert "B" not in defined(source)


def test_site_is_refused_until_the_last_warning_is_gone(temporary_book):
    macros = "katex_macros: {'\\half': '\\frac{1}{2}'}"
    renderer = "html_math_renderer: katex\n"
    assert renderer in SETTINGS
    settings = SETTINGS.replace(renderer, f"{renderer}    {macros}\n")
    temporary_book.write("_config.yml", settings)
    drawing = "---\nmystnb:\n  figure: {name: fig-a, caption: It}\n---\n1"
    text = f"# First\n\n![A plot](no.png)\n\n$$\\nosuch{{x}} + \\half$$ (a)\n\n{GROUP}"
    text += f"\n\n```{{code-cell}}\n{drawing}\n```\n\nAs {{numref}}`fig-a`.\n"
    temporary_book.chapters(first=text)
    temporary_book.write("book/index.md", TABS)
    book = Book(temporary_book.root)
    split(book)
    for _ in range(2):
        with pytest.raises(BookError) as refused:
            build_site(book)
        assert "no.png" in str(refused.value)
        assert "no framework 'theano'; there are pytorch," in str(refused.value)
        formula = r"chapters/first.*Undefined control sequence: \\nosuch"
        assert re.search(formula, str(refused.value))
    temporary_book.edit("book/index.md", "{framework} theano", "{framework} mxnet")
    temporary_book.edit("chapters/first.md", "![A plot](no.png)", "By {eq}`a`:")
    site = build_site(temporary_book.edit("chapters/first.md", r"\nosuch", r"\sqrt"))
    html = (site / "chapters/first.html").read_text(encoding="utf-8")
    assert html.count('role="tabpanel"') == 4
    assert html.count('class="katex-display"') == 1
    assert "<mfrac><mn>1</mn><mn>2</mn></mfrac>" in html  # MathML, read aloud
    assert 'href="#equation-a"' in html and 'id="equation-a"' in html
    caption = r'<figure class="of-cells[^>]*id="fig-a">.*<figcaption>.*Figure 1 '
    assert re.search(caption, html, re.DOTALL)
    assert re.search('href="#fig-a"><span class="std std-numref">Figure 1<', html)
    assert not re.search("<script[^>]*(mathjax|katex)", html, re.IGNORECASE)
    html = (site / "book/index.html").read_text(encoding="utf-8")
    notes = re.findall(r"<p>There is nothing for (\w+) here", html)
    assert notes == ["PyTorch", "TensorFlow"]
    assert html.index("Only jax.") < html.index("Only theano.")
    assert (site / "notebooks/jax/first.ipynb").is_file()

    # A refused build changes no page of the site, and what it read is not used again.
    unfinished = book.root / "_build/.doctrees/unfinished"
    assert not unfinished.exists()
    whole = {path: path.read_bytes() for path in site.rglob("*.html")}
    temporary_book.edit("chapters/first.md", "# First", "# Other\n\nSee {reff}`a`.")
    with pytest.raises(BookError, match=r"^chapters/first\.md:7: Unknown .* \"reff\""):
        build_site(Book(book.root))
    assert {path: path.read_bytes() for path in site.rglob("*.html")} == whole
    assert unfinished.exists()


@pytest.fixture
def site_without_sphinx(temporary_book, monkeypatch):
    """A book whose pages are written at once; returns the folder of its site."""

    def write(book):
        for name in book.documents:
            temporary_book.write(f"_build/site/{name}.html", "new")
        return []

    monkeypatch.setattr(site_builder, "write_site", write)
    temporary_book.chapters()
    temporary_book.write("_build/html/index.html", "old")
    return temporary_book.root / "_build/html"


def test_an_interruption_leaves_the_old_site(
    temporary_book, site_without_sphinx, monkeypatch
):
    rename = Path.rename

    def interrupted(path, target):
        if path.name == ".html.new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_site(Book(temporary_book.root))
    site = site_without_sphinx
    assert (site / "index.html").read_text() == "old"
    assert sorted(path.name for path in site.parent.iterdir()) == ["html", "site"]


def test_what_a_killed_build_has_left(temporary_book, site_without_sphinx, monkeypatch):
    site = site_without_sphinx
    site.rename(site.with_name(".html.old"))
    temporary_book.write("_build/.html.new/left.html", "half")
    with monkeypatch.context() as patch:
        patch.setattr(site_builder, "write_site", lambda book: [BookError("wrong")])
        with pytest.raises(BookError, match="wrong"):
            build_site(Book(temporary_book.root))
    assert (site / "index.html").read_text() == "old"
    temporary_book.write("_build/.html.new/left.html", "half")
    build_site(Book(temporary_book.root))
    assert (site / "book/index.html").read_text() == "new"
    assert not (site / "left.html").exists()


def test_a_full_disk_while_the_site_is_copied_is_one_line(
    temporary_book, site_without_sphinx, monkeypatch, capsys
):
    def full(source, *arguments, **options):
        raise OSError(ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(shutil, "copyfile", full)
    assert main(["site"], temporary_book.root) == 1
    (line,) = capsys.readouterr().err.splitlines()
    what = "No space left on device; free some space and call it again"
    assert line.endswith(f".html: {what}")
    assert (site_without_sphinx / "index.html").read_text() == "old"
