"""Runs Jupyter Book on _build/pages/ and completes _build/html/."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from book.pages import write_pages
from book.source import FRAMEWORKS, Book, BookError
from book.terminal import plain

JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
PACKAGE = Path(__file__).parents[1]


def build_site(book: Book) -> Path:
    """Builds the site, every warning an error, and returns _build/html.

    Raises:
        BookError: Sphinx warned or failed, or a page of _toc.yml is missing.
    """
    pages = write_pages(book)
    result = subprocess.run(
        [
            *(sys.executable, "-c", JUPYTER_BOOK, "build", str(pages)),
            *("--path-output", str(book.root)),
            *("--config", str(book.root / "_config.yml")),
            *("--toc", str(book.root / "_toc.yml")),
            *("-W", "-n", "--keep-going", "-q"),
        ],
        env=os.environ | {"PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        # Sphinx would not repeat the warnings of pages that it has read already.
        shutil.rmtree(book.root / "_build/.doctrees", ignore_errors=True)
        raise BookError(f"the site cannot be built:\n{plain(result.stdout).strip()}")
    site = book.root / "_build/html"
    check_pages(book, site)
    copy_notebooks(book, site)
    return site


def check_pages(book: Book, site: Path) -> None:
    """Asserts that the site has the pages of _toc.yml, and removes all others."""
    wanted = {site / f"{document}.html" for document in book.documents}
    missing = sorted(book.relative(path) for path in wanted if not path.exists())
    if missing:
        raise BookError(f"the site lacks pages of _toc.yml: {', '.join(missing)}")
    for folder in ("book", "chapters"):
        for path in (site / folder).glob("*.html"):
            if path not in wanted:
                path.unlink()


def copy_notebooks(book: Book, site: Path) -> None:
    """Puts the executed notebooks beside the pages, so that downloads work offline."""
    shutil.rmtree(site / "notebooks", ignore_errors=True)
    for framework in FRAMEWORKS:
        folder = site / "notebooks" / framework
        folder.mkdir(parents=True)
        for chapter in book.chapters:
            path = book.notebook_path(chapter, framework)
            if not path.exists():
                raise BookError(
                    f"{book.relative(path)}: missing; run `python -m book run`"
                )
            shutil.copy2(path, folder)
