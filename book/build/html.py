"""Runs Jupyter Book on _build/pages/ and completes _build/html/."""

import os
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from tempfile import TemporaryFile

from book.build.downloads import copy_notebooks
from book.build.kernel import plain
from book.build.pages import write_pages
from book.build.source import Book, BookError
from book.build.worksheets import copy_worksheets

JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
PACKAGE = Path(__file__).parents[2]
# Published pages that have another name now: the old document and the new one.
RENAMED: dict[str, str] = {}


def build_site(book: Book) -> Path:
    """Builds the site, every warning an error, and returns _build/html.

    Raises:
        BookError: Sphinx warned or failed, or a page of _toc.yml is missing.
    """
    run_jupyter_book(book)
    site = book.root / "_build/html"
    check_pages(book, site)
    write_redirects(book, site)
    copy_notebooks(book, site)
    copy_worksheets(book, site)
    return site


def run_jupyter_book(book: Book) -> None:
    """Builds all pages with Jupyter Book, every warning an error."""
    pages = write_pages(book)
    # Not a pipe, which a process that Sphinx has left behind would keep open.
    with TemporaryFile("w+") as output:
        result = subprocess.run(
            [
                *(sys.executable, "-c", JUPYTER_BOOK, "build", str(pages)),
                *("--path-output", str(book.root)),
                *("--config", str(book.root / "_config.yml")),
                *("--toc", str(book.root / "_toc.yml")),
                *("-W", "-n", "--keep-going", "-q"),
            ],
            env=os.environ | {"PYTHONPATH": str(PACKAGE)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        output.seek(0)
        said = plain(output.read()).strip()
    if result.returncode:
        # Sphinx would not repeat the warnings of pages that it has read already.
        shutil.rmtree(book.root / "_build/.doctrees", ignore_errors=True)
        raise BookError(f"the site cannot be built:\n{said}")


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


def write_redirects(book: Book, site: Path) -> None:
    """Writes index.html, which leads to the first page, and a page for each old name.

    Raises:
        BookError: RENAMED names a page of the book, or leads to none.
    """
    for old, new in {"index": book.documents[0], **RENAMED}.items():
        if old in book.documents or new not in book.documents:
            what = f"RENAMED: {old!r} must not be in _toc.yml, {new!r} must be"
            raise BookError(what, "book/build/html.py")
        path = site / f"{old}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(site / f"{new}.html", path.parent)
        path.write_text(redirect(book, new, target), encoding="utf-8")


def redirect(book: Book, document: str, target: str) -> str:
    """A page that leads to a document, and says so to machines too."""
    title = escape(str(book.config["title"]))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n"
        f'<link rel="canonical" href="{book.url(document)}">\n'
        f"<script>location.replace('{target}' + location.search + location.hash)"
        "</script>\n"
        f'<noscript><meta http-equiv="refresh" content="0; url={target}"></noscript>\n'
        f'</head>\n<body><main><h1><a href="{target}">{title}</a></h1></main></body>\n'
        "</html>\n"
    )
