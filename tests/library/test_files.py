"""Files that the library writes, where people have links, pipes and long names."""

import json
import os
from pathlib import Path

import pytest

from d2l_lite import DataError
from d2l_lite.files import read_json, replacing, write_json


def test_a_link_stays_and_a_name_may_be_long(tmp_path):
    name = "ü" * 122 + ".jsonlines"  # 254 bytes
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("folder", name))
    # First a link to nothing, then one to a file.
    for value in (1, 2):
        write_json(link, value)
        assert link.is_symlink() and read_json(link, None) == value
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [name]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_stays(tmp_path, make):
    path = tmp_path / "target"
    make(path)
    mode = path.stat().st_mode
    refused = pytest.raises(FileExistsError, match=f"^{path}: is not a file, and stays")
    with refused, replacing(path) as file:
        file.write("text")
    assert list(tmp_path.iterdir()) == [path] and path.stat().st_mode == mode


def test_json_of_any_path_and_from_any_editor(tmp_path):
    path, value = tmp_path / "record.json", ["ü×", os.fsdecode(b"runs/\xff")]
    write_json(path, value)
    assert read_json(path, None) == value
    text = json.dumps(["ü"])
    path.write_text(text, encoding="utf-8-sig")
    assert read_json(path, None) == ["ü"]
    path.write_text(text, encoding="utf-16")
    with pytest.raises(DataError, match="record.json: .* 0xff at 0: save it as UTF-8"):
        read_json(path, None)
