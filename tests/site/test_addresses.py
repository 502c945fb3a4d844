"""Addresses without a page: the server's page for them, and pages that were renamed."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlparse

import pytest

from book.build import html
from book.build.source import Book, BookError

ROOT = urlparse(Book().url("")).path.removesuffix(".html")


class Pages(SimpleHTTPRequestHandler):
    """The site in its folder of the published address, with its own page for errors."""

    def translate_path(self, path: str) -> str:
        return super().translate_path("/" + path.removeprefix(ROOT))

    def send_error(self, code: int, *_) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        with Path(self.directory, "404.html").open("rb") as page:
            self.copyfile(page, self.wfile)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def published(site):
    handler = partial(Pages, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{ROOT}"
        server.shutdown()


def test_no_such_page_leads_on_from_any_folder(visit, published):
    tab = visit()
    tab.page.unroute_all()
    failed = []
    tab.page.on("response", lambda r: r.status != 200 and failed.append(r.url))
    for place in ("nothing.html", "chapters/no/such/page.html"):
        failed.clear()
        tab.page.goto(published + place)
        assert failed == [published + place]
        assert tab.page.locator("h1:visible").inner_text() == "No such page"
        links = tab.page.locator("nav.bd-links a")
        hrefs = links.evaluate_all("all => all.map(a => a.href)")
        names = Book().documents[1:]
        assert hrefs == [f"{published}{name}.html" for name in names]
    tab.page.locator("article").get_by_role("searchbox").fill("growth")
    tab.page.keyboard.press("Enter")
    tab.page.locator("ul.search > li").first.wait_for()


def test_old_names_lead_to_the_new_page(visit, tmp_path, monkeypatch):
    book = Book()
    monkeypatch.setattr(html, "RENAMED", {"old/blocks": "chapters/dense_blocks"})
    html.write_redirects(book, tmp_path)
    for name in ("chapters/dense_blocks", book.documents[0]):
        path = tmp_path / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("here")
    page = visit().page
    page.goto((tmp_path / "old/blocks.html").as_uri() + "?framework=jax#growth")
    page.wait_for_url("**/chapters/dense_blocks.html?framework=jax#growth")
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_url(f"**/{book.documents[0]}.html")


@pytest.mark.parametrize("old, new", [("old", "nowhere"), ("book/setup", "book/index")])
def test_a_redirect_that_cannot_be_is_refused(tmp_path, monkeypatch, old, new):
    monkeypatch.setattr(html, "RENAMED", {old: new})
    with pytest.raises(BookError, match=f"{old}.* must not be in _toc.yml, '{new}'"):
        html.write_redirects(Book(), tmp_path)
