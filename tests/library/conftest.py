"""What tests of data share."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from d2l_lite.data import scale


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No variable of the machine, no accelerator, an empty cache, no network."""
    get = requests.get

    def local(url, **options):
        if not url.startswith("http://127.0.0.1:"):
            raise requests.ConnectionError("tests have no network")
        return get(url, **options)

    for name in ("D2L_LITE_SCALE", "D2L_LITE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scale, "accelerator", lambda: False)
    monkeypatch.setattr(requests, "get", local)
    scale.announce.cache_clear()


class Handler(BaseHTTPRequestHandler):
    """The first part of a path says how to behave, the last one names the file."""

    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        self.server.requests.append(f"{behaviour}/{name}")
        if behaviour == "lost" or name not in self.server.files:
            return self.send_error(404)
        body = self.server.files[name]
        self.send_response(200)
        if behaviour != "no-length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "slow":
            time.sleep(1)
        sent = {"page": b"<html>log in</html>".ljust(len(body)), "cut": body[:-9]}
        self.wfile.write(sent.get(behaviour, body))

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Serves `files`, a dictionary, at `url`/<behaviour>/<name>; notes `requests`."""
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.requests = {}, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()
