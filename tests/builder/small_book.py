"""Small books to test on; their cells are plain Python."""

from pathlib import Path

from book.build.source import FRAMEWORKS, Book

FRONT_MATTER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""
CONFIG = """\
title: A book
repository: {url: https://example.org/repository, branch: main}
html: {baseurl: https://example.org/site/}
"""
REFERENCES = """\
@inproceedings{huang2017,
  title = {Densely Connected Convolutional Networks},
  author = {Huang, Gao and Liu, Zhuang and {van der Maaten}, Laurens},
  year = {2017},
}
@article{he2016, title = {Residual}, author = {He, Kaiming and Sun, Jian}, year = 2016}
"""

# One group of tabs whose cells export `name`, then a shared cell.
CHAPTER = """\
(first)=
# First

Prose.

""" + "".join(
    f'```{{code-cell}} ipython3\n:tags: [{name}, export]\n\nname = "{name}"\n```\n\n'
    for name in FRAMEWORKS
)
CHAPTER += "```{code-cell} ipython3\nprint(1 + 1)\n```\n"


class TemporaryBook:
    """A book to write, edit and read anew."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("_config.yml", CONFIG)
        self.write("book/index.md", "# A book\n")
        self.write("book/references.md", "# References\n")
        self.write("book/references.bib", REFERENCES)
        self.write("requirements.txt", "numpy==1.26.4\n")
        self.write("requirements-mxnet.txt", "mxnet==1.9.1\n")
        self._list([])

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def chapters(self, **texts: str) -> Book:
        """The book with these chapters, in this order."""
        self._list([f"chapters/{name}" for name in texts])
        for name, text in texts.items():
            self.write(f"chapters/{name}.md", FRONT_MATTER + text)
        return Book(self.root)

    def edit(self, name: str, old: str, new: str) -> Book:
        """The book read anew after one replacement in the file `name`."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return Book(self.root)

    def _list(self, chapters: list[str]) -> None:
        files = ["book/references", *chapters]
        entries = "".join(f"- file: {file}\n" for file in files)
        self.write(
            "_toc.yml", f"format: jb-book\nroot: book/index\nchapters:\n{entries}"
        )
