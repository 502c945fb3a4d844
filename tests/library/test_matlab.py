"""MATLAB's format 5 against hand-made files and against SciPy."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from d2l_lite import DataError
from d2l_lite.data.matlab import read_mat

# Text, no data of subsystems, version 1.0, little-endian.
HEADER = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM"
LIMITS = {"X": 1000, "y": 1000}
FLAGS = struct.pack("<4I", 6, 8, 9, 0)


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def small(kind, content):
    """An element of at most four bytes, all in its tag."""
    return struct.pack("<HH", kind, len(content)) + content.ljust(4, b"\0")


def array(name, shape, kind, content, flags=FLAGS):
    dimensions = element(5, struct.pack(f"<{len(shape)}i", *shape))
    number = (small if len(content) <= 4 else element)(kind, content)
    return element(14, flags + dimensions + small(1, name) + number)


def packed(matrix):
    content = zlib.compress(matrix)
    return struct.pack("<II", 15, len(content)) + content


def write(path, *elements):
    path.write_bytes(HEADER + b"".join(elements))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@pytest.mark.parametrize("pack", [bytes, packed])
def test_arrays_by_hand(path, pack):
    # Columns one after the other: Fortran's order.
    first = pack(array(b"X", (2, 3), 2, bytes([1, 2, 3, 4, 5, 6])))
    # Three numbers of class double (6), which MATLAB stores as narrow as it can.
    flags = struct.pack("<4I", 6, 8, 6, 0)
    second = pack(array(b"y", (3, 1), 2, bytes([7, 8, 9]), flags))
    arrays = read_mat(write(path, first, second), LIMITS)
    assert list(arrays) == ["X", "y"]
    assert arrays["X"].tolist() == [[1, 3, 5], [2, 4, 6]]
    assert arrays["y"].tolist() == [[7], [8], [9]]
    assert {found.dtype for found in arrays.values()} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (2, 3, 4), (3, 2, 2, 5), (0, 3)])
def test_same_as_scipy(path, compress, kind, shape):
    values = np.random.default_rng(0).uniform(0, 100, shape).astype(kind)
    other = {"text": "abc", "cells": np.array([1, "b"], object), "z": values * 1j}
    savemat(path, {"X": values, **other, "y": values[:1]}, do_compression=compress)
    arrays, expected = read_mat(path, LIMITS), loadmat(path)
    assert sorted(arrays) == ["X", "y"]
    for name, found in arrays.items():
        assert found.dtype == expected[name].dtype
        assert np.array_equal(found, expected[name])
        assert np.array_equal(found, values if name == "X" else values[:1])


def test_many_chunks(path):
    # More than is unpacked at a time, of bytes that compress and of such that do not.
    values = np.random.default_rng(0).integers(256, size=(3_000_000, 2), dtype="u1")
    values[:, 1] = 7
    savemat(path, {"X": values}, do_compression=True)
    assert np.array_equal(read_mat(path, {"X": values.size})["X"], values)


@pytest.mark.parametrize("pack", [bytes, packed])
def test_last_bytes_of_an_element_need_not_be_there(path, pack):
    # 5 bytes have 3 more behind them to make 8; some writers leave them out.
    matrix = array(b"X", (5, 1), 2, bytes(5))
    matrix = struct.pack("<II", 14, len(matrix) - 8 - 3) + matrix[8:-3]
    assert read_mat(write(path, pack(matrix)), LIMITS)["X"].shape == (5, 1)


GOOD = array(b"X", (2, 3), 2, bytes(6))
COMPLEX = struct.pack("<4I", 6, 8, 9 | 0x0800, 0)
CELLS = struct.pack("<4I", 6, 8, 1, 0)


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "not a MATLAB file of version 5"),
        (HEADER[:127], "not a MATLAB file of version 5"),
        # Version 7.3 is HDF5 behind such a header.
        (HEADER[:124] + b"\x00\x02IM" + GOOD, "not a MATLAB file of version 5"),
        (HEADER[:124] + b"\x01\x00MI" + GOOD, "little-endian"),
        (HEADER + GOOD[:4], "truncated"),
        (HEADER + GOOD[:-1], "truncated"),
        (HEADER + packed(GOOD)[:-1], "truncated"),
        (HEADER + element(2, bytes(8)), "an element of type 2, not an array"),
        (HEADER + packed(element(2, bytes(64))), "an element of type 2, not an array"),
        (HEADER + element(14, GOOD[8:48]), "longer than its element"),
        (HEADER + packed(GOOD[:-12]), "truncated in a compressed element"),
        (HEADER + packed(GOOD + bytes(8)), "bytes behind an array"),
        (HEADER + element(14, GOOD[8:] + bytes(8)), "bytes behind an array"),
        (HEADER + struct.pack("<II", 15, 9) + b"not zlib!", "incorrect header check"),
        (HEADER + array(b"X", (2, 4), 2, bytes(6)), r"\(2, 4\) has 6 bytes of type 2"),
        (HEADER + array(b"X", (2, 3), 9, bytes(6)), "has 6 bytes of type 9"),
        (HEADER + array(b"X", (2, 3), 8, bytes(6)), "has 6 bytes of type 8"),
        (HEADER + array(b"X", (-2, -3), 2, bytes(6)), r"shape \(-2, -3\)"),
        (HEADER + array(b"X", (), 2, b""), r"impossible shape \(\)"),
        (HEADER + array(b"X", (1,) * 33, 2, b"1"), "132 bytes of type 5"),
        (HEADER + array(b"X", (2, 3), 2, bytes(6), COMPLEX), "not an array of real"),
        (HEADER + array(b"X", (2, 3), 2, bytes(6), CELLS), "not an array of real"),
        (HEADER + array(b"X", (1001, 1), 2, bytes(1001)), "1,001 bytes, more than 1,0"),
        (
            HEADER + array(b"X", (1, 1), 2, b"1", FLAGS[:4] + FLAGS),
            "5 bytes of type 0 in",
        ),
    ],
)
def test_damaged_files(path, content, problem):
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=f"{problem}.*; replace it by a good copy$"
    ) as e:
        read_mat(path, LIMITS)
    assert str(e.value).startswith(f"{path}: ")


def test_a_flipped_bit_in_what_is_compressed(path):
    content = bytearray(
        HEADER + packed(array(b"X", (500, 2), 2, bytes(range(250)) * 4))
    )
    # The last four bytes are zlib's checksum.
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="incorrect data check"):
        read_mat(path, LIMITS)


def test_claims_are_not_believed(path):
    # An array of 6 GB by its head takes no memory: its length is compared first.
    dimensions = element(5, struct.pack("<2i", 3, 2_000_000_000))
    head = FLAGS + dimensions + small(1, b"X") + struct.pack("<II", 2, 0xFFFFFFFF)
    write(path, packed(struct.pack("<II", 14, 64) + head))
    with pytest.raises(DataError, match="has 4294967295 bytes"):
        read_mat(path, LIMITS)
    write(path, struct.pack("<II", 14, 0xFFFFFFFF) + head)
    with pytest.raises(DataError, match="truncated"):
        read_mat(path, LIMITS)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_wrong_is_one_error(path, seed):
    draw = np.random.default_rng(seed)
    arrays = {"X": draw.integers(256, size=(6, 5), dtype="u1"), "y": np.ones((3, 1))}
    savemat(path, arrays, do_compression=seed % 2 == 0)
    good = path.read_bytes()
    for _ in range(50):
        content = bytearray(good)
        content[draw.integers(124, len(good))] = draw.integers(256)
        path.write_bytes(content[: draw.integers(100, 2 * len(good))])
        try:
            read_mat(path, LIMITS)
        except DataError as error:
            assert str(error).startswith(str(path))


def test_files_that_cannot_be_read(path, tmp_path):
    for place in (path, tmp_path):
        with pytest.raises(DataError, match=r"cannot be read \(.*\); put a good copy"):
            read_mat(place, LIMITS)
