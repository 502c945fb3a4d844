"""A notebook runs alone, with what its first cell installs from the repository."""

from pathlib import Path

import nbformat
import pytest
from small_book import TemporaryBook

from book.__main__ import main
from book.build.split import split

PYPROJECT = """\
[build-system]
requires = []
build-backend = "setuptools.build_meta"
[project]
name = "d2l-lite"
version = "99"
optional-dependencies = {jax = []}
[tool.setuptools]
packages = ["d2l_lite"]
"""
ALONE = """\
# Alone

```{code-cell}
import os
import d2l_lite
print(d2l_lite.SAYS, os.listdir(), sys.prefix in d2l_lite.__file__)
print("types" in globals(), "google.colab" in sys.modules)
print("careful", file=sys.stderr)
```
"""
SHARING = """\
# Sharing

```{code-cell}
from pathlib import Path
import d2l_lite
shared = Path("../files/sharing/a.csv")
print(d2l_lite.SAYS, shared.read_text())
written = shared.write_text("changed")
```
"""
BAD = "# Bad\n\n```{code-cell}\nimport d2l_lite\n\n1 / 0\n```\n"


def files(root: Path) -> dict[Path, bytes]:
    built = root / "_build"
    return {
        path: path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and built not in path.parents
    }


def output(root: Path, name: str) -> str:
    path = root / f"_build/colab/jax/{name}.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    return "".join(out.text for out in cells[-1].outputs if out.name == "stdout")


def test_copies_run_alone_with_the_library_of_the_repository(
    temporary_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    # No network: pip takes setuptools from here. "0" means no isolation indeed.
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PYTHONPATH", str(temporary_book.root))
    root = temporary_book.root
    temporary_book.write("pyproject.toml", PYPROJECT)
    temporary_book.write("d2l_lite/__init__.py", 'SAYS = "from the repository"\n')
    temporary_book.write("chapters/files/sharing/a.csv", "1")
    split(temporary_book.chapters(alone=ALONE, bad=BAD, sharing=SHARING))
    before = files(root)

    assert main(["colab", "--framework", "jax"], root) == 1
    shown = capsys.readouterr()
    assert files(root) == before
    assert output(root, "alone") == "from the repository [] True\nFalse False\n"
    assert output(root, "sharing") == "from the repository 1\n"
    summary, fault = shown.err.splitlines()[-2:]
    assert summary == "1 of 3 notebooks fail in Colab:"
    place = "chapters/bad.md:7: cell 4 of bad in JAX fails:"
    assert fault == place
    assert "ZeroDivisionError: division by zero" in shown.out
    assert "cell 4 of alone in JAX writes to stderr:\ncareful\n" in shown.out


def test_a_notebook_that_is_not_there_is_named(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    temporary_book.chapters(first=BAD)
    assert main(["colab", "--framework", "jax"], temporary_book.root) == 1
    message = "chapters/jax/first.ipynb: missing or damaged; run `python -m book split`"
    assert capsys.readouterr().err == f"{message}\n"
