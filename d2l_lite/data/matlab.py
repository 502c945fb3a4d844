"""Numeric arrays of MATLAB's file format 5, plain or compressed, as SVHN comes in.

SciPy reads the format as well, but a damaged file can end the whole process there.
Format: <https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf>.
"""

import math
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from d2l_lite.files import damaged, unreadable

HEADER, VERSION_5 = 128, b"\x00\x01IM"
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
# How the numbers of an array are stored, which may be narrower than its class.
STORED = {
    1: "<i1",
    2: "<u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
    12: "<i8",
    13: "<u8",
}
# mxDOUBLE_CLASS to mxUINT64_CLASS; the others are cells, texts, objects and so on.
NUMERIC_CLASSES = range(6, 16)
# A bit of the flags' second byte.
COMPLEX = 0x08
# Of a name or a list of dimensions: NumPy allows 32 of these.
MOST_BYTES = 128
CHUNK = 1 << 20


class _FormatError(Exception):
    """What is wrong with a file."""


class _Part:
    """So many bytes of a file, read one after the other."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        if length > os.fstat(file.fileno()).st_size - file.tell():
            raise _FormatError("truncated")
        self.file, self.left = file, length

    def take(self, count: int) -> np.ndarray:
        """The next `count` bytes, uint8."""
        if count > self.left:
            raise _FormatError("an array is longer than its element")
        content = np.empty(count, np.uint8)
        if self.file.readinto(content) < count:
            raise _FormatError("truncated")
        self.left -= count
        return content

    def finish(self) -> None:
        """Nothing may follow but what fills up the last 8 bytes."""
        if self.left > 7:
            raise _FormatError("bytes behind an array")


class _Unpacked:
    """What is compressed in a part of a file; never more of it than was asked for."""

    def __init__(self, part: _Part) -> None:
        self.part, self.unpacker = part, zlib.decompressobj()

    def take(self, count: int) -> np.ndarray:
        content, done = np.empty(count, np.uint8), 0
        while done < count:
            piece = self._next(count - done)
            if not piece:
                raise _FormatError("truncated in a compressed element")
            content[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
        return content

    def finish(self) -> None:
        behind = 0
        while piece := self._next(8):
            behind += len(piece)
            if behind > 7:
                raise _FormatError("bytes behind an array")
        # Only here has zlib compared what it unpacked with its checksum.
        if not self.unpacker.eof:
            raise _FormatError("truncated in a compressed element")

    def _next(self, most: int) -> bytes:
        """At most so many bytes; none only at the end."""
        while not self.unpacker.eof:
            packed = self.unpacker.unconsumed_tail
            if not packed:
                packed = self.part.take(min(CHUNK, self.part.left)).tobytes()
            piece = self.unpacker.decompress(packed, min(CHUNK, most))
            if piece or not packed:
                return piece
        return b""


def read_mat(path: str | Path, limits: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Read the arrays of the names in `limits`, each of at most so many bytes.

    Returns those that are there, of the shape in the file, in Fortran's order, with
    the type in which the file stores the numbers. Arrays of other names are passed
    over. Raises `DataError`, naming the file, when it is missing, damaged or another
    kind of file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _arrays(file, limits)
    except (_FormatError, zlib.error) as error:
        raise damaged(path, error) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _arrays(file: BinaryIO, limits: Mapping[str, int]) -> dict[str, np.ndarray]:
    header = file.read(HEADER)
    if len(header) < HEADER or not header.endswith(VERSION_5):
        raise _FormatError("not a MATLAB file of version 5, little-endian")
    arrays = {}
    while tag := file.read(8):
        if len(tag) < 8:
            raise _FormatError("truncated")
        kind, length = struct.unpack("<II", tag)
        part = _Part(file, length)
        end = file.tell() + length
        if kind == COMPRESSED:
            part = _Unpacked(part)
            kind, _ = struct.unpack("<II", part.take(8))
        if kind != MATRIX:
            raise _FormatError(f"an element of type {kind}, not an array")
        arrays |= _array(part, limits)
        file.seek(end)
    return arrays


def _array(part: _Part | _Unpacked, limits: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The array by its name, or nothing if that was not asked for."""
    flags = _element(part, UINT32)
    dimensions = _element(part, INT32)
    name = _element(part, INT8).decode("latin1")
    if name not in limits:
        return {}
    if len(flags) != 8 or flags[0] not in NUMERIC_CLASSES or flags[1] & COMPLEX:
        raise _FormatError(f"{name} is not an array of real numbers")
    if len(dimensions) % 4:
        raise _FormatError(f"{name} has dimensions of {len(dimensions)} bytes")
    shape = struct.unpack(f"<{len(dimensions) // 4}i", dimensions)
    if min(shape, default=-1) < 0:
        raise _FormatError(f"{name} has the impossible shape {shape}")
    kind, length, content = _tag(part)
    if (
        kind not in STORED
        or length != math.prod(shape) * np.dtype(STORED[kind]).itemsize
    ):
        raise _FormatError(f"{name} of shape {shape} has {length} bytes of type {kind}")
    if length > limits[name]:
        raise _FormatError(f"{name} has {length:,} bytes, more than {limits[name]:,}")
    if content is None:
        content = part.take(length)
    part.finish()
    return {name: np.frombuffer(content, STORED[kind]).reshape(shape, order="F")}


def _tag(part: _Part | _Unpacked) -> tuple[int, int, bytes | None]:
    """Type and length of an element, and its content if the tag itself holds it."""
    first, second = struct.unpack("<II", part.take(8))
    if not first >> 16:
        return first, second, None
    length = first >> 16
    if length > 4:
        raise _FormatError(f"{length} bytes in the room of 4")
    return first & 0xFFFF, length, struct.pack("<I", second)[:length]


def _element(part: _Part | _Unpacked, expected: int) -> bytes:
    """The content of one of the short elements at the head of an array."""
    kind, length, content = _tag(part)
    if kind != expected or length > MOST_BYTES:
        raise _FormatError(f"{length} bytes of type {kind} in the head of an array")
    if content is None:
        # Elements begin at multiples of 8 bytes.
        content = part.take(length + -length % 8).tobytes()[:length]
    return content
