"""The built site, opened in a headless Chromium."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matplotlib
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from sphinxext import opengraph

from book.build.pdf import launch
from book.build.source import Book, BookError

OPEN = ("file:", "data:", "blob:")
# Letters are those of two packages, wide and narrow: they are the same on each machine.
FONTS = {
    "DejaVu Sans": Path(matplotlib.get_data_path(), "fonts/ttf"),
    "Roboto Flex": Path(opengraph.__file__).parent / "_static",
}
FONTCONFIG = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><cachedir>{folder}</cachedir>{folders}
<alias><family>sans-serif</family><prefer><family>{font}</family></prefer></alias>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer>
</alias></fontconfig>"""


class Visit:
    """A page of the site in a tab of its own, and what went wrong in it."""

    def __init__(self, page: Page, site: Path) -> None:
        self.page = page
        self.site = site
        self.document = ""
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.errors.append(request.url))
        page.route(lambda url: not url.startswith(OPEN), self._on_outside)

    def go(self, document: str, query: str = "") -> Page:
        """Opens a document (`chapters/densenet`)."""
        self.document = document
        self.page.goto((self.site / f"{document}.html").as_uri() + query)
        return self.page

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_outside(self, route) -> None:
        self.outside.append(route.request.url)
        route.abort()


@pytest.fixture(scope="session")
def site() -> Path:
    folder = Book().root / "_build/html"
    if not (folder / "book/index.html").exists():
        pytest.fail("_build/html holds no site: run `make book` first", pytrace=False)
    return folder


@contextmanager
def started(playwright: Playwright, folder: Path, font: str) -> Iterator[Browser]:
    """A browser whose letters are of one font."""
    folders = "".join(f"<dir>{path}</dir>" for path in FONTS.values())
    settings = FONTCONFIG.format(folder=folder, folders=folders, font=font)
    (folder / "fonts.conf").write_text(settings)
    variables = os.environ | {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    try:
        browser = launch(playwright, env=variables)
    except BookError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def playwright(site: Path) -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright, tmp_path_factory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("fonts")
    with started(playwright, folder, "DejaVu Sans") as browser:
        yield browser


@pytest.fixture(scope="session")
def narrow_browser(playwright: Playwright, tmp_path_factory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("fonts")
    with started(playwright, folder, "Roboto Flex") as browser:
        yield browser


@contextmanager
def opened(browser: Browser, site: Path) -> Iterator[Callable[[], Visit]]:
    """Opens browser tabs that share what they remember."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield lambda: Visit(context.new_page(), site)
    context.close()


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Callable[[], Visit]]:
    with opened(browser, site) as visit:
        yield visit


@pytest.fixture(params=["browser", "narrow_browser"])
def visit_in_any_font(
    request: pytest.FixtureRequest, site: Path
) -> Iterator[Callable[[], Visit]]:
    with opened(request.getfixturevalue(request.param), site) as visit:
        yield visit


@pytest.fixture(scope="module", params=Book().documents)
def tab(
    request: pytest.FixtureRequest, browser: Browser, site: Path
) -> Iterator[Visit]:
    """Each page of the book in turn, opened once for all tests that only look at it."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    visit = Visit(page, site)
    visit.go(request.param)
    yield visit
    page.close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The site over HTTP, at this address."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
