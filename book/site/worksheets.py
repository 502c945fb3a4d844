"""Sphinx extension: `{worksheets}`, the students' notebooks to open and to download."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from book.build.source import FRAMEWORKS, read_text
from book.build.worksheets import FOLDER
from book.site.links import colab_url
from book.site.tabs import part
from d2l_lite import TITLES

_TITLE = re.compile(r"^# (?:Worksheet: )?(.+)$", re.MULTILINE)
_MINUTES = re.compile(r"\bAbout (\d+) minutes\b")


class Worksheets(SphinxDirective):
    """A table of worksheets in the tab of each framework.

    The body names them, one a line, in the order of the table, and behind a colon the
    chapters and worksheets that come before each; without a body all are listed.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.folder = Path(self.env.srcdir).parents[1] / FOLDER
        known = sorted(path.stem for path in self.folder.glob("*.md"))
        listed = [line.split(":") for line in self.content if line.strip()]
        listed = listed or [[name] for name in known]
        rows = {
            name.strip(): re.findall(r"\w+", "".join(before))
            for name, *before in listed
        }
        for name in rows:
            if name not in known:
                raise self.error(f"no worksheet {name!r}; there are {', '.join(known)}")
            self.env.note_dependency(str(self.folder / f"{name}.md"))
        return [
            part(name, nodes.raw("", self._table(rows, name), format="html"))
            for name in FRAMEWORKS
        ]

    def _table(self, sheets: dict[str, list[str]], framework: str) -> str:
        rows = "".join(self._row(*sheet, framework) for sheet in sheets.items())
        heads = ("Worksheet", "Minutes", "Points", "Comes after", "Notebook")
        head = "".join(f'<th scope="col">{name}</th>' for name in heads)
        return (
            '<div class="pst-scrollable-table-container">'
            '<table class="table worksheets">'
            f"<caption>Worksheets for {TITLES[framework]}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _row(self, name: str, before: list[str], framework: str) -> str:
        source = self.folder / f"{name}.md"
        text = read_text(source, f"{FOLDER}/{name}.md")
        title, minutes = _TITLE.search(text), _MINUTES.search(text)
        if title is None or minutes is None:
            raise self.error(
                f"{FOLDER}/{name}.md: needs a title and `About … minutes` in its text"
            )
        notebook = nbformat.read(self.folder / framework / f"{name}.ipynb", 4)
        points = sum(
            cell.metadata.get("nbgrader", {}).get("points", 0)
            for cell in notebook.cells
        )
        colab = colab_url(self.config, f"{FOLDER}/{framework}/{name}.ipynb")
        up = "../" * self.env.docname.count("/")
        file = f"{up}notebooks/worksheets/{framework}/{name}.ipynb"
        what = escape(f"{title[1]}, {TITLES[framework]}")
        before = ", ".join(self._before(one, up) for one in before)
        return (
            f'<tr><th scope="row">{escape(title[1])}</th>'
            f"<td>{minutes[1]}</td><td>{points:g}</td><td>{before}</td>"
            f"<td><code>{name}</code>: "
            f'<a href="{colab}" aria-label="Open in Colab: {what}">Colab</a>, '
            f'<a href="{file}" download="{name}_{framework}.ipynb" '
            f'aria-label="Download: {what}">Download</a></td></tr>'
        )

    def _before(self, name: str, up: str) -> str:
        """A worksheet by its name, or a chapter by its title, with a link to it."""
        if (self.folder / f"{name}.md").exists():
            return f"<code>{name}</code>"
        chapter = self.folder.parent / f"{name}.md"
        if not chapter.exists():
            raise self.error(f"no chapter and no worksheet {name!r}")
        title = _TITLE.search(read_text(chapter, f"chapters/{name}.md"))
        return f'<a href="{up}chapters/{name}.html">{escape(title[1])}</a>'


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("worksheets", Worksheets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
