"""The IDX reader: what it reads, and one clear error for each kind of damage."""

import gzip

import numpy as np
import pytest

from d2l_lite import DataError
from d2l_lite.data.idx import read_idx

# By hand: two zeros, type 0x08 (unsigned byte), two dimensions, 2 and 3, six values.
HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
CONTENT = HEADER + bytes(range(6))
PACKED = gzip.compress(CONTENT, mtime=0)


@pytest.mark.parametrize("name, content", [("a", CONTENT), ("a.gz", PACKED)])
def test_reads_what_the_format_says(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    array = read_idx(tmp_path / name)
    assert array.dtype == np.uint8
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("a", b"<html>", "not an IDX file of bytes: it begins with 0x3c68746d"),
        ("a", b"", "it begins with 0x;"),
        # 0x0D: four-byte floats.
        ("a", b"\0\0\x0d\1\0\0\0\1" + bytes(4), "it begins with 0x00000d01"),
        ("a", HEADER[:9], "not an IDX file"),
        ("a", CONTENT[:-1], r"shape \(2, 3\) needs 6 bytes, found 5"),
        ("a", CONTENT + b"\0", r"shape \(2, 3\) needs 6 bytes, found 7"),
        ("a.gz", CONTENT, "cannot be read .Not a gzipped file"),
        ("a.gz", PACKED[:-9], "cannot be read .Compressed file ended"),
        ("a.gz", PACKED[:-8] + bytes(8), "cannot be read .CRC check failed"),
        ("missing", None, "cannot be read .*No such file"),
    ],
)
def test_damage_is_one_error_that_names_file_and_remedy(
    tmp_path, name, content, problem
):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "replace it by a good copy" in str(caught.value)
