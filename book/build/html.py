"""Makes _build/html/: the pages as Sphinx writes them, and what is not a page."""

import shutil
from html import escape
from pathlib import Path

from book.build.downloads import copy_notebooks
from book.build.pages import write_pages
from book.build.source import Book, BookError, BookErrors
from book.build.sphinx import run_sphinx
from book.build.worksheets import copy_worksheets


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
        write_front_door(book, new)
        copy_notebooks(book, new)
        copy_worksheets(book, new)
        if site.exists():
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


def write_front_door(book: Book, site: Path) -> None:
    """Writes index.html, which leads to the first page and says so to machines too."""
    first = book.documents[0]
    title = escape(str(book.config["title"]))
    (site / "index.html").write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n"
        f'<link rel="canonical" href="{book.url(first)}">\n'
        f"<script>location.replace('{first}.html' + location.search)</script>\n"
        f'<noscript><meta http-equiv="refresh" content="0; url={first}.html">'
        "</noscript>\n</head>\n"
        f'<body><main><h1><a href="{first}.html">{title}</a></h1></main></body>\n'
        "</html>\n",
        encoding="utf-8",
    )
