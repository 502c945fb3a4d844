"""The IDX reader: what it reads, and one clear error for each kind of damage."""

import gzip

import numpy as np
import pytest

from d2l_lite import DataError
from d2l_lite.data.idx import read_idx, write_idx

# By hand: two zeros, type 0x08 (unsigned byte), two dimensions, 2 and 3, six values.
HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
CONTENT = HEADER + bytes(range(6))


@pytest.mark.parametrize("name", ["digits-idx2-ubyte", "digits-idx2-ubyte.gz"])
def test_reads_what_the_format_says(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(CONTENT) if name.endswith(".gz") else CONTENT)
    array = read_idx(path)
    assert array.dtype == np.uint8
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_writes_the_same_bytes_for_the_same_array(tmp_path, name):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / name, array)
    first = (tmp_path / name).read_bytes()
    write_idx(tmp_path / name, array)
    assert (tmp_path / name).read_bytes() == first
    assert np.array_equal(read_idx(tmp_path / name), array)
    if name.endswith(".gz"):
        # Bytes 4 to 7 of a gzip file hold its time, which would change each time.
        assert first[4:8] == bytes(4)


def test_writes_only_bytes(tmp_path):
    with pytest.raises(ValueError, match="must be uint8, not float64"):
        write_idx(tmp_path / "a", np.zeros(3))


def test_empty_array_survives(tmp_path):
    write_idx(tmp_path / "a", np.zeros((0, 28, 28), np.uint8))
    assert read_idx(tmp_path / "a").shape == (0, 28, 28)


whole_gzip = gzip.compress(CONTENT, mtime=0)
damaged_middle = bytes(
    b ^ 0xFF if 10 <= i < 16 else b for i, b in enumerate(whole_gzip)
)


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("a", b"<html>", "wrong magic number 0x3c68746d: IDX begins with 0x0000"),
        ("a", b"", "wrong magic number 0x"),
        ("a", bytes([1]) + CONTENT[1:], "wrong magic number 0x"),
        # 0x0D: four-byte floats.
        ("a", b"\0\0\x0d\1\0\0\0\1" + bytes(4), "type 0x0d, not unsigned bytes"),
        ("a", HEADER[:9], "truncated in its header"),
        ("a", b"\0\0\x08\x46" + bytes(280), "impossible shape of 70 dimensions"),
        ("a", b"\0\0\x08\4" + bytes(4) + b"\xff" * 12, "shape of 4 dimensions"),
        ("a", CONTENT[:-1], r"truncated: shape \(2, 3\) needs 6 bytes, found 5"),
        ("a", CONTENT + b"\0", r"trailing bytes: .* needs 6 bytes, found 7"),
        ("a.gz", CONTENT, "not a whole gzip file"),
        ("a.gz", whole_gzip[:-9], "not a whole gzip file"),
        ("a.gz", whole_gzip[:-8] + bytes(8), "not a whole gzip file"),
        ("a.gz", damaged_middle, "not a whole gzip file"),
        ("a.gz", b"", "wrong magic number 0x"),
    ],
)
def test_damage_is_one_error_that_names_file_and_remedy(
    tmp_path, name, content, problem
):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "replace it by a good copy" in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="a.gz: cannot be read .No such file"):
        read_idx(tmp_path / "a.gz")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)
