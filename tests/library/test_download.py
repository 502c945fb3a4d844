"""Downloads from a local server that misbehaves in every way known."""

import errno
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest

from d2l_lite import DataError
from d2l_lite.data import download
from d2l_lite.data.download import cache_folder, fetch, verified

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT, mtime=0)
# The same content in other bytes, as another mirror may compress it.
REPACKED = gzip.compress(CONTENT, compresslevel=1, mtime=1)
HALF = len(PACKED) // 2
NAME = "data.gz"


class Handler(BaseHTTPRequestHandler):
    """The first part of the path says how to behave."""

    def do_GET(self):
        behaviour = self.path.split("/")[1]
        asked = self.headers.get("Range")
        self.server.requests.append((behaviour, asked))
        if behaviour == "missing":
            return self.send_error(404)
        body = {"page": b"<html>log in</html>", "repacked": REPACKED}.get(
            behaviour, PACKED
        )
        start = 0
        if asked and behaviour != "no-range":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if behaviour != "no-length":
            length = "abc" if behaviour == "bad-length" else str(len(body) - start)
            self.send_header("Content-Length", length)
        self.end_headers()
        if behaviour in ("cut", "hang"):
            self.wfile.write(body[start:HALF])
            if behaviour == "hang":
                self.wfile.flush()
                self.server.released.wait(30)
        elif behaviour == "slow":
            for first in range(start, len(body), 100_000):
                self.wfile.write(body[first : first + 100_000])
                time.sleep(0.05)
        else:
            self.wfile.write(body[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.requests, server.released = [], threading.Event()
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.released.set()
        server.shutdown()


def get(server, folder, *behaviours, **options):
    urls = [f"{server.url}/{behaviour}/{NAME}" for behaviour in behaviours]
    return fetch(NAME, urls, SHA256, folder, **options)


def assert_one_good_copy(folder):
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert gzip.decompress((folder / NAME).read_bytes()) == CONTENT


def leave_part(folder, content, age=3600):
    folder.mkdir(exist_ok=True)
    part = folder / f"{NAME}.left.part"
    part.write_bytes(content)
    os.utime(part, (time.time() - age,) * 2)
    return part


@pytest.mark.parametrize(
    "behaviour", ["good", "no-range", "no-length", "bad-length", "repacked"]
)
def test_downloads_once(server, tmp_path, behaviour, capfd):
    folder = tmp_path / "new" / "folder"
    assert get(server, folder, behaviour) == folder / NAME
    assert get(server, folder, behaviour) == folder / NAME
    assert server.requests == [(behaviour, None)]
    assert_one_good_copy(folder)
    # No terminal, no progress bar.
    assert capfd.readouterr() == ("", "")


def test_plain_file_is_verified_as_it_is(server, tmp_path):
    packed = hashlib.sha256(PACKED).hexdigest()
    path = fetch("data.bin", [f"{server.url}/good/data.bin"], packed, tmp_path)
    assert path.read_bytes() == PACKED


@pytest.mark.parametrize("bad", ["missing", "page", "cut"])
def test_next_mirror_after_a_bad_one(server, tmp_path, bad):
    get(server, tmp_path, bad, "good")
    asked = f"bytes={HALF}-" if bad == "cut" else None
    assert server.requests == [(bad, None), ("good", asked)]
    assert_one_good_copy(tmp_path)


def test_an_answer_without_the_file_is_closed(server, tmp_path, monkeypatch):
    answers = []

    def remember(*arguments, **options):
        try:
            return urlopen(*arguments, **options)
        except HTTPError as error:
            answers.append(error)
            raise

    monkeypatch.setattr(download, "urlopen", remember)
    get(server, tmp_path, "missing", "good")
    assert [answer.closed for answer in answers] == [True]


def test_all_mirrors_bad_names_each_reason_and_the_remedy(server, tmp_path):
    with pytest.raises(DataError) as caught:
        get(server, tmp_path, "missing", "page", "cut", remedy="Do this instead.")
    lines = str(caught.value).splitlines()
    assert lines[0] == "data.gz: no mirror delivered it"
    assert lines[1] == f"  {server.url}/missing/data.gz: HTTP 404 Not Found"
    assert lines[2].endswith("/page/data.gz: wrong content (its checksum differs)")
    assert lines[3].endswith(
        f"/cut/data.gz: connection closed after {HALF} of {len(PACKED)} bytes"
    )
    assert lines[4:] == ["Do this instead."]
    assert not (tmp_path / NAME).exists()


def test_no_network_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    # Port 9 (discard) of this machine: nobody listens.
    with pytest.raises(DataError, match="127.0.0.1:9/data.gz: .*refused"):
        fetch(NAME, ["http://127.0.0.1:9/data.gz"], SHA256, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_broken_download_is_resumed_at_once(server, tmp_path):
    with pytest.raises(DataError, match="connection closed"):
        get(server, tmp_path, "cut")
    assert not (tmp_path / NAME).exists()
    get(server, tmp_path, "good")
    assert server.requests[-1] == ("good", f"bytes={HALF}-")
    assert_one_good_copy(tmp_path)


def test_server_without_range_starts_again(server, tmp_path):
    leave_part(tmp_path, PACKED[:HALF])
    get(server, tmp_path, "no-range")
    assert server.requests == [("no-range", f"bytes={HALF}-")]
    assert_one_good_copy(tmp_path)


@pytest.mark.parametrize(
    "left, behaviour",
    [
        (b"x" * HALF, "good"),
        (PACKED[:HALF], "repacked"),
        # Longer than the file: the server answers 416.
        (PACKED + b"x" * 2_000_000, "good"),
    ],
    ids=["other content", "other compression", "too long"],
)
def test_wrong_beginning_is_replaced(server, tmp_path, left, behaviour):
    leave_part(tmp_path, left)
    get(server, tmp_path, behaviour)
    assert server.requests == [(behaviour, f"bytes={len(left)}-"), (behaviour, None)]
    assert_one_good_copy(tmp_path)


def test_whole_part_needs_no_second_download(server, tmp_path):
    leave_part(tmp_path, PACKED)
    get(server, tmp_path, "good")
    assert server.requests == [("good", f"bytes={len(PACKED)}-")]
    assert_one_good_copy(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", PACKED[:HALF], gzip.compress(b"other", mtime=0), b"<html>"],
    ids=["empty", "half", "other", "no gzip"],
)
def test_damaged_copy_is_replaced(server, tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert not verified(tmp_path / NAME, SHA256)
    get(server, tmp_path, "good")
    assert_one_good_copy(tmp_path)


def test_part_of_a_living_process_is_left_alone(server, tmp_path):
    part = leave_part(tmp_path, PACKED[:HALF], age=1)
    get(server, tmp_path, "good")
    assert server.requests == [("good", None)]
    assert part.exists()


def start(server, folder, behaviour):
    code = (
        "import sys; from pathlib import Path; "
        "from d2l_lite.data.download import fetch; "
        "name, url, sha256, folder = sys.argv[1:]; "
        "fetch(name, [url], sha256, Path(folder))"
    )
    url = f"{server.url}/{behaviour}/{NAME}"
    return subprocess.Popen(
        [sys.executable, "-c", code, NAME, url, SHA256, str(folder)],
        cwd=Path(__file__).parents[2],
    )


def test_two_processes_at_once_leave_one_good_copy(server, tmp_path):
    processes = [start(server, tmp_path, "slow") for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(server.requests) == 2
    assert_one_good_copy(tmp_path)


def test_killed_download_is_resumed(server, tmp_path):
    process = start(server, tmp_path, "hang")
    deadline = time.monotonic() + 30
    while sum(path.stat().st_size for path in tmp_path.iterdir()) < HALF:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    [part] = tmp_path.iterdir()
    assert part.name.endswith(".part")
    # As if some minutes had passed: only then is the writer known to be dead.
    os.utime(part, (time.time() - 600,) * 2)
    get(server, tmp_path, "good")
    assert server.requests[-1] == ("good", f"bytes={HALF}-")
    assert_one_good_copy(tmp_path)


def test_full_disk(server, tmp_path, monkeypatch):
    def write(file, chunk):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_write", write)
    with pytest.raises(DataError) as caught:
        get(server, tmp_path, "good")
    assert str(caught.value) == (
        f"{tmp_path / NAME}: cannot be written (No space left on device); remove "
        "what is in the way, free some space, or name a folder that can be written in "
        "D2L_LITE_CACHE"
    )
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(server, tmp_path):
    # Root may write anywhere, but not below a file.
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file/cache/data.gz: cannot be written .Not a"):
        get(server, tmp_path / "file" / "cache", "good")
    assert server.requests == []


@pytest.mark.parametrize("step, requests", [("mkdir", 0), ("touch", 0), ("replace", 1)])
def test_folder_that_is_read_only(server, tmp_path, monkeypatch, step, requests):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(DataError, match="Read-only file system.*D2L_LITE_CACHE"):
        get(server, tmp_path, "good")
    # The network is asked only for what can be kept.
    assert len(server.requests) == requests
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_place_of_the_file(server, tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(DataError, match="Is a directory.*remove what is in the way"):
        get(server, tmp_path, "good")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_time_out_goes_to_the_next_mirror(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.5)
    get(server, tmp_path, "hang", "good")
    assert server.requests[-1][0] == "good"
    assert_one_good_copy(tmp_path)


def test_cache_folder(monkeypatch):
    monkeypatch.setenv("D2L_LITE_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("D2L_LITE_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/home/reader")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path("/home/reader/.cache/d2l_lite")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/d2l_lite")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path("/home/reader/Library/Caches/d2l_lite")


def test_cache_folder_without_a_home(monkeypatch):
    monkeypatch.setenv("D2L_LITE_CACHE", "~nobody-has-this-name/x")
    with pytest.raises(DataError, match="^~nobody-has-this-name/x: .*D2L_LITE_CACHE"):
        cache_folder()

    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    monkeypatch.delenv("D2L_LITE_CACHE")
    with pytest.raises(DataError, match="d2l_lite: there is no such home folder"):
        cache_folder()
