"""Makes _build/html/: the pages as Sphinx writes them, and what is not a page."""

import os
import shutil
from html import escape
from pathlib import Path

from book.build.downloads import copy_notebooks
from book.build.pages import write_pages
from book.build.source import Book, BookError, BookErrors
from book.build.sphinx import run_sphinx
from book.build.worksheets import copy_worksheets

# Published pages that have another name now: the old document and the new one.
RENAMED: dict[str, str] = {}


def build_site(book: Book) -> Path:
    """Builds the site, every warning an error, and returns _build/html.

    That is the last site that was whole until all of the new one is there.

    Raises:
        BookError: Sphinx warned or failed, or a page of _toc.yml is missing.
    """
    if faults := write_site(book):
        raise BookErrors(faults)
    build = book.root / "_build"
    written, site = build / "site", build / "html"
    check_pages(book, written)
    new, old = build / ".html.new", build / ".html.old"
    try:
        shutil.copytree(written, new, dirs_exist_ok=True)
        write_redirects(book, new)
        copy_notebooks(book, new)
        copy_worksheets(book, new)
        if site.exists():
            shutil.rmtree(old, ignore_errors=True)  # of a build that was killed
            site.rename(old)
        new.rename(site)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
    return site


def write_site(book: Book) -> list[BookError]:
    """Has Sphinx write the pages into _build/site; returns what it warned of.

    There it finds what it wrote before, and writes only what has changed.
    """
    build = book.root / "_build"
    write_pages(book, build / "pages")
    return run_sphinx(book, build / "pages", build / "site", build / ".doctrees")


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
