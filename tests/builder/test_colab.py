"""A notebook runs alone, with what its first cell installs from the repository."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from small_book import TemporaryBook

from book.__main__ import main
from book.build.split import installation, split

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
CHANGING = """\
# Changing

```{code-cell}
!pip install -q --no-deps --no-build-isolation ~/repository/tqdm
```
"""
TQDM = """\
[build-system]
requires = []
build-backend = "setuptools.build_meta"
[project]
name = "tqdm"
version = "99"
[tool.setuptools]
packages = []
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
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PYTHONPATH", str(temporary_book.root))
    root = temporary_book.root
    temporary_book.write("pyproject.toml", PYPROJECT)
    temporary_book.write("d2l_lite/__init__.py", 'SAYS = "from the repository"\n')
    temporary_book.write("chapters/files/sharing/a.csv", "1")
    temporary_book.write("tqdm/pyproject.toml", TQDM)
    chapters = {"alone": ALONE, "bad": BAD, "sharing": SHARING, "changing": CHANGING}
    split(temporary_book.chapters(**chapters))
    before = files(root)

    assert main(["colab", "--framework", "jax"], root) == 1
    shown = capsys.readouterr()
    assert files(root) == before
    assert output(root, "alone") == "from the repository [] True\nFalse False\n"
    assert output(root, "sharing") == "from the repository 1\n"
    summary, bad, changing = shown.err.splitlines()[-3:]
    assert summary == "2 of 4 notebooks fail in Colab:"
    assert bad == "chapters/bad.md:7: cell 4 of bad in JAX fails:"
    place = "_build/colab/jax/changing.ipynb: cell 2 of changing in JAX "
    change = f"changes what was installed: tqdm {version('tqdm')} → 99"
    assert changing == place + change
    assert "ZeroDivisionError: division by zero" in shown.out
    assert "cell 4 of alone in JAX writes to stderr:\ncareful\n" in shown.out

    only = ["--chapter", "bad", "--only-first-cells", "--python", sys.executable]
    assert main(["colab", "--framework", "jax", *only], root) == 0
    out = capsys.readouterr().out
    assert out == "1 notebooks with 1 code cells run as in Colab.\n"


def test_without_the_archive_the_first_cell_says_so(
    temporary_book: TemporaryBook,
) -> None:
    temporary_book.edit("_config.yml", "https://example.org/r", "file:///nowhere/r")
    book = temporary_book.chapters(alone=ALONE)
    cell = installation(book, book.chapters[0], "pytorch")
    code = f"import sys\nsys.modules['google.colab'] = sys\n{cell}"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", code],
        env=os.environ | {"HOME": str(temporary_book.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert "file /nowhere/repository/archive/refs/heads/main.tar.gz" in done.stdout
    assert "SystemExit: Not installed, for the reason above." in done.stdout
    assert done.returncode


def test_a_python_that_is_not_there_is_named(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        main(["colab", "--python", "/nowhere/python"], temporary_book.root)
    message = "argument --python: /nowhere/python: there is no such program\n"
    assert capsys.readouterr().err.endswith(message)


def test_a_notebook_that_is_not_there_is_named(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    temporary_book.chapters(first=BAD)
    assert main(["colab", "--framework", "jax"], temporary_book.root) == 1
    message = "chapters/jax/first.ipynb: missing or damaged; run `python -m book split`"
    assert capsys.readouterr().err == f"{message}\n"
