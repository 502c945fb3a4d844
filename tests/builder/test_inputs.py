"""A notebook is stale when what its own cells import has changed, and only then."""

import ast

import pytest
from small_book import TemporaryBook

from book.build.imports import Repository, cell_imports
from book.build.inputs import inputs
from book.build.source import FRAMEWORKS, Book
from book.build.split import read_notebook, split

CHAPTER = """\
# Chapter

```{code-cell}
:tags: [jax]

from d2l_lite import jax as d2l
```

```{code-cell}
:tags: [pytorch]

from d2l_lite import pytorch as d2l
```

```{code-cell}
def later():
    from d2l_lite.plots import draw
```
"""
MODULE = "def f():\n    'Doc'\n\n    return 1  # one\n"
LIBRARY = {
    "__init__": "one = 1\n",
    "__main__": "from d2l_lite.command import train\n",
    "command/train": "from d2l_lite import jax, pytorch\n",
    "jax": "from d2l_lite.data import sets\nimport d2l_lite.deep.er\n",
    "pytorch": "from d2l_lite.data import sets\n",
    "data/__init__": "one = 1\n",
    "data/sets": f'FOLDER = "sample"\n{MODULE}',
    "deep/er": "def load():\n    from . import near\n    from ..lazy import late\n",
    "deep/near": "one = 1\n",
    "deep/far": "one = 1\n",
    "lazy/late": "from d2l_lite.models.jax import net\nimport torch\n",
    "plots": 'CLASSES = "classes.txt"\n',
    "summary": "one = 1\n",
}
REQUIREMENTS = """\
numpy==1.26.4  # why

# From chapters to notebooks to the site.
ipykernel==1
matplotlib-inline==1
ruff==1
"""


@pytest.fixture
def library(temporary_book: TemporaryBook) -> TemporaryBook:
    """A book whose chapter imports some of a library's modules."""
    for name, text in LIBRARY.items():
        temporary_book.write(f"d2l_lite/{name}.py", text)
    temporary_book.write("d2l_lite/data/sample/images.bin", "1")
    temporary_book.write("d2l_lite/classes.txt", "1")
    temporary_book.write("d2l_lite/other.txt", "1")
    temporary_book.write("requirements.txt", REQUIREMENTS)
    temporary_book.write("requirements-mxnet.txt", "mxnet==1.9.1\n")
    split(temporary_book.chapters(first=CHAPTER), frameworks=["jax", "pytorch"])
    temporary_book.write("d2l_lite/models/jax.py", "net = 1\n")
    return temporary_book


def digests(book: Book) -> dict[str, str]:
    (chapter,) = book.chapters
    return {
        name: inputs(
            book, chapter, name, read_notebook(book.notebook_path(chapter, name))
        )
        for name in ("jax", "pytorch")
    }


BOTH, JAX, NONE = ["jax", "pytorch"], ["jax"], []


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("d2l_lite/__init__.py", "1", "2", BOTH),
        ("d2l_lite/jax.py", "sets", "sets as s", JAX),
        ("d2l_lite/pytorch.py", "sets", "sets as s", ["pytorch"]),
        ("d2l_lite/data/__init__.py", "1", "2", BOTH),
        ("d2l_lite/data/sets.py", "return 1", "return 2", BOTH),
        ("d2l_lite/data/sets.py", "'Doc'", "'Other'", NONE),
        ("d2l_lite/data/sets.py", "# one", "# two", NONE),
        ("d2l_lite/data/sets.py", "1  # one", "1\n\n", NONE),
        # Imported by a function of a cell, or of a module, in each way of writing it.
        ("d2l_lite/plots.py", "CLASSES", "NAMES", BOTH),
        ("d2l_lite/deep/er.py", "load", "read", JAX),
        ("d2l_lite/deep/near.py", "1", "2", JAX),
        ("d2l_lite/lazy/late.py", "net", "net as n", JAX),
        ("d2l_lite/models/jax.py", "1", "2", JAX),
        # Imported by nobody, or only by the command line.
        ("d2l_lite/__main__.py", "train", "train as t", NONE),
        ("d2l_lite/command/train.py", "pytorch", "pytorch as p", NONE),
        ("d2l_lite/deep/far.py", "1", "2", NONE),
        ("d2l_lite/summary.py", "1", "2", NONE),
        # Data, where a module that is imported names them.
        ("d2l_lite/data/sample/images.bin", "1", "2", BOTH),
        ("d2l_lite/classes.txt", "1", "2", BOTH),
        ("d2l_lite/other.txt", "1", "2", NONE),
        ("requirements.txt", "1.26.4", "1.26.5", BOTH),
        ("requirements-mxnet.txt", "1.9.1", "1.9.2", BOTH),
        ("requirements.txt", "# why", "# because", NONE),
        ("requirements.txt", "ruff==1", "ruff==2", NONE),
        ("requirements.txt", "ipykernel==1", "ipykernel==2", BOTH),
        ("requirements.txt", "matplotlib-inline==1", "matplotlib-inline==2", BOTH),
    ],
)
def test_what_makes_a_notebook_stale(
    library: TemporaryBook, file: str, old: str, new: str, stale: list[str]
) -> None:
    before = digests(Book(library.root))
    after = digests(library.edit(file, old, new))
    assert [name for name in before if after[name] != before[name]] == stale


def test_the_library_is_read_once_for_a_book(library: TemporaryBook) -> None:
    book = Book(library.root)
    before = digests(book)
    library.edit("d2l_lite/jax.py", "sets", "sets as s")
    assert digests(book) == before
    assert digests(Book(library.root)) != before


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b, c as d", {"a", "a.b", "c"}),
        ("from a.b import c as d", {"a", "a.b", "a.b.c"}),
        ("try:\n    import a\nexcept ImportError:\n    import b", {"a", "b"}),
        ("class A:\n    def f(self):\n        import a", {"a"}),
        ("%pip install x\nif b:\n    !ls\nlines = !ls\nimport a", {"a"}),
        ("print('%d'\n      % 1)\nimport a", {"a"}),
        ("1 +", set()),
    ],
)
def test_imports_of_a_cell(source: str, names: set[str]) -> None:
    assert cell_imports(source) == names


def test_the_library_imports_by_names_that_can_be_seen() -> None:
    """But for `checkpoints`, which takes the framework's own module, and `devices`.

    What `devices` takes, the framework's module imports by name.
    """
    book = Book()
    repository = Repository(book.root)
    names = {"d2l_lite", *(f"d2l_lite.{name}" for name in FRAMEWORKS)}
    for chapter in book.chapters:
        names.update(*(cell_imports(cell.source) for cell in chapter.cells))
    hidden = set()
    for name in repository.closure(names):
        path = book.root.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None)
            if getattr(called, "attr", getattr(called, "id", "")) == "import_module":
                hidden.add(name)
    assert hidden <= {"d2l_lite.networks.checkpoints", "d2l_lite.devices"}
