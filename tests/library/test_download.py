"""Downloads from a local server with mirrors that fail."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from d2l_lite import DataError
from d2l_lite.data import download
from d2l_lite.data.download import cache_folder, fetch

pytestmark = pytest.mark.usefixtures("offline")

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "data.gz"


@pytest.fixture(autouse=True)
def published(server):
    server.files[NAME] = CONTENT


def get(server, folder, *behaviours, sha256=SHA256, **options):
    urls = [f"{server.url}/{behaviour}/{NAME}" for behaviour in behaviours]
    return fetch(NAME, urls, sha256, folder, **options)


def kept(folder):
    """The files that are kept; locks are hidden."""
    return [p.name for p in folder.iterdir() if not p.name.startswith(".")]


def assert_one_good_copy(folder):
    assert kept(folder) == [NAME]
    assert (folder / NAME).read_bytes() == CONTENT


# Names of files often have the first eight digits.
@pytest.mark.parametrize("sha256", [SHA256, SHA256[:8]])
@pytest.mark.parametrize("behaviour", ["good", "no-length"])
def test_downloads_once(server, tmp_path, behaviour, sha256, capfd):
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert get(server, folder, behaviour, sha256=sha256) == folder / NAME
    assert server.requests == [f"{behaviour}/{NAME}"]
    assert_one_good_copy(folder)
    # No terminal, no progress bar.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bad", ["lost", "page", "cut"])
def test_next_mirror_after_a_bad_one(server, tmp_path, bad):
    get(server, tmp_path, bad, "good")
    assert server.requests == [f"{bad}/{NAME}", f"good/{NAME}"]
    assert_one_good_copy(tmp_path)


def test_all_mirrors_bad_names_each_fault_and_the_remedy(server, tmp_path):
    with pytest.raises(DataError) as caught:
        get(server, tmp_path, "lost", "page", "cut", remedy="Do this instead.")
    lines = str(caught.value).splitlines()
    assert lines[0] == "data.gz: no mirror delivered it"
    assert lines[1].startswith(f"  {server.url}/lost/data.gz: 404 Client Error: Not F")
    assert lines[2].endswith("/page/data.gz: wrong content (its checksum differs)")
    assert lines[3].startswith(f"  {server.url}/cut/data.gz: ")
    assert "999991 bytes read, 9 more expected" in lines[3]
    assert lines[4:] == ["Do this instead."]
    assert kept(tmp_path) == []


def test_no_network_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    # Port 9 (discard) of this machine: nobody listens.
    with pytest.raises(DataError, match="127.0.0.1:9/data.gz: .*refused"):
        fetch(NAME, ["http://127.0.0.1:9/data.gz"], SHA256, tmp_path)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("left", [NAME, f"{NAME}.part"])
def test_what_a_killed_program_left_is_replaced(server, tmp_path, left):
    (tmp_path / left).write_bytes(CONTENT[:1000])
    get(server, tmp_path, "good")
    assert_one_good_copy(tmp_path)


def test_two_processes_at_once_download_once(server, tmp_path):
    code = (
        "import sys; from pathlib import Path; "
        "from d2l_lite.data.download import fetch; "
        "name, url, sha256, folder = sys.argv[1:]; "
        "fetch(name, [url], sha256, Path(folder))"
    )
    url = f"{server.url}/slow/{NAME}"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, NAME, url, SHA256, str(tmp_path)])
        for _ in range(2)
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(server.requests) == 1
    assert_one_good_copy(tmp_path)


def test_folder_that_cannot_be_written(server, tmp_path, monkeypatch):
    # Root may write anywhere, but not below a file.
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as caught:
        get(server, tmp_path / "file" / "cache", "good")
    assert str(caught.value) == (
        f"{tmp_path}/file/cache/{NAME}: cannot be kept (Not a directory); remove what "
        "is in the way, free some space, or name a folder that can be written in "
        "D2L_LITE_CACHE"
    )
    assert server.requests == []
    # As when the disk is full.
    monkeypatch.setattr(download.Path, "replace", lambda *_: (tmp_path / "x").mkdir())
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match=r"cannot be kept .File exists"):
        get(server, tmp_path / "y", "good")
    assert kept(tmp_path / "y") == []


def test_cache_folder(monkeypatch):
    monkeypatch.setenv("D2L_LITE_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.setenv("HOME", "/home/reader")
    monkeypatch.setenv("D2L_LITE_CACHE", "~/there")
    assert cache_folder() == Path("/home/reader/there")
    monkeypatch.setenv("D2L_LITE_CACHE", "~nobody-at-all/there")
    assert cache_folder() == Path("~nobody-at-all/there")
    monkeypatch.delenv("D2L_LITE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/d2l_lite")
