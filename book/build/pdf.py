"""Makes _build/pdf/…: the site's pages as one document, printed by Chromium."""

import os
import shutil
from collections.abc import Iterator
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Playwright, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from book.build.html import build_site
from book.build.source import Book, BookError
from d2l_lite.files import replacing

NAME = "densenet-in-four-frameworks.pdf"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
# A page's text as a part of one document: ids tell their page, links to pages of the
# book stay within it, those to other files of the site lead to the published one.
ARTICLE = """([site, address, documents, name]) => {
  const article = document.querySelector(".bd-article");
  for (const part of article.querySelectorAll(".explorer, noscript")) part.remove();
  for (const part of article.querySelectorAll("[id]")) part.id = `${name}:${part.id}`;
  for (const link of article.querySelectorAll("a[href]")) {
    const [place, anchor] = link.href.split("#");
    const page = place.replace(site, "").replace(".html", "");
    if (documents.includes(page)) link.href = `#${page}${anchor ? `:${anchor}` : ""}`;
    else link.href = link.href.replace(site, address);
  }
  for (const image of article.querySelectorAll("img"))
    Object.assign(image, { src: image.src, loading: "eager" });
  article.id = name;
  return article.outerHTML;
}"""
# All of them below a title page and a table of contents, whose numbers come later.
DOCUMENT = """async ([title, front, articles]) => {
  document.title = title;
  document.querySelector(".bd-article").outerHTML = front + articles.join("");
  const heads = "article > section > h1, article > section > section > h2";
  for (const head of document.querySelectorAll(heads)) {
    const line = document.querySelector(".book-contents").appendChild(
      document.createElement("a"));
    const whole = head.matches("h1") ? head.closest("article") : head.parentElement;
    line.href = `#${whole.id}`;
    line.className = head.tagName;
    line.innerHTML = `<span>${head.innerHTML}</span><span></span>`;
    line.querySelector(".headerlink")?.remove();
  }
  await Promise.all([...document.images].map((image) => image.decode()));
}"""
NUMBERS = """(pages) => {
  for (const line of document.querySelectorAll(".book-contents > a")) {
    line.lastChild.textContent = pages[decodeURI(line.hash.replace("#", "/"))];
  }
}"""
TITLES = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
  .filter((h) => h.checkVisibility()).map((h) => h.textContent.replace(/#$/, ""))"""


def launch(playwright: Playwright, **options: Any) -> Browser:
    """Starts this machine's Chromium, or the one that CHROMIUM names.

    `options` are those of Playwright's `launch`.

    Raises:
        BookError: there is none, or it does not start.
    """
    found = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, CHROMIUM)), None
    )
    try:
        return playwright.chromium.launch(executable_path=found, args=FLAGS, **options)
    except Error as error:
        reason = error.message.splitlines()[0]
        raise BookError(f"no Chromium ({reason}): apt-get install chromium") from None


def build_pdf(book: Book) -> Path:
    """Builds the site, prints it and returns the PDF's path."""
    site = build_site(book)
    with sync_playwright() as playwright, launch(playwright) as browser:
        return print_site(book, site, browser)


def print_site(book: Book, site: Path, browser: Browser) -> Path:
    """Prints a built site on print.css's paper: pages in order, frameworks in turn."""
    folder, address = f"{site.as_uri()}/", book.url("").removesuffix(".html")
    title, author = str(book.config["title"]), str(book.config["author"])
    front = f'<div class="book-cover"><p>{escape(title)}</p><p>{escape(author)}</p>'
    front += f'<p><a href="{address}">{address}</a></p></div>'
    front += '<nav class="book-contents" aria-label="Contents"><h1>Contents</h1></nav>'
    page = browser.new_page()
    articles = []
    for document in book.documents:
        page.goto(f"{folder}{document}.html")
        request = [folder, address, list(book.documents), document]
        articles.append(page.evaluate(ARTICLE, request))
    page.evaluate(DOCUMENT, [title, front, articles])
    for _ in range(2):  # the second time with the page numbers of the first
        pdf = page.pdf(outline=True, tagged=True, prefer_css_page_size=True)
        reader = PdfReader(BytesIO(pdf))
        places = reader.named_destinations.items()
        numbers = {k: reader.get_destination_page_number(v) + 1 for k, v in places}
        page.evaluate(NUMBERS, numbers)
    titles = page.evaluate(TITLES)
    page.close()
    writer = PdfWriter(clone_from=reader)
    writer.add_metadata({"/Author": author})
    name(writer.outline, iter(titles))
    path = book.root / "_build/pdf" / NAME
    path.parent.mkdir(exist_ok=True)
    with replacing(path, "wb") as file:
        writer.write(file)
    return path


def name(outline: list, titles: Iterator[str]) -> None:
    """Names the bookmarks; Chromium's have words twice, or none between two lines."""
    for entry in outline:
        if isinstance(entry, list):
            name(entry, titles)
        else:
            entry.node[NameObject("/Title")] = TextStringObject(next(titles))
