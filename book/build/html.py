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
    build = book.root / "_build"
    written, site = build / "site", build / "html"
    new, old = build / ".html.new", build / ".html.old"
    _tidy(site, new, old)  # after a build that was killed
    if faults := write_site(book):
        raise BookErrors(faults)
    check_pages(book, written)
    try:
        _copy(written, new)
        write_redirects(book, new)
        copy_notebooks(book, new)
        copy_worksheets(book, new)
        if site.exists():
            site.rename(old)
        new.rename(site)
    finally:
        _tidy(site, new, old)
    return site


def _tidy(site: Path, new: Path, old: Path) -> None:
    """Puts the old site back if there is no other, and removes what is left over."""
    if old.exists() and not site.exists():
        old.rename(site)
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)


def _copy(folder: Path, target: Path) -> None:
    """As `shutil.copytree`, whose error of many files does not tell a full disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)


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


def redirects(book: Book) -> dict[str, str]:
    """The names that lead to a page, and its document: index and the old names.

    Raises:
        BookError: RENAMED names a page of the book, or leads to none.
    """
    faults = [
        BookError(
            f"RENAMED: {old!r} must not be in _toc.yml, {new!r} must be",
            "book/build/html.py",
        )
        for old, new in RENAMED.items()
        if old in book.documents or new not in book.documents
    ]
    if faults:
        raise BookErrors(faults)
    return {"index": book.documents[0], **RENAMED}


def write_redirects(book: Book, site: Path) -> None:
    """Writes index.html, which leads to the first page, and a page for each old name.

    Raises:
        BookError: as `redirects`.
    """
    for old, new in redirects(book).items():
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
