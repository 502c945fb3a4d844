"""The IDX format of MNIST and its relatives: unsigned bytes behind a small header."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from d2l_lite.files import damaged, unreadable

UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, compressed when its name ends in ``.gz``.

    Returns a read-only uint8 array of the shape in the header. Raises `DataError`,
    naming the file, when it is missing, damaged or another kind of file.
    """
    path = Path(path)
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                content = file.read()
        else:
            content = path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(path, f"not a whole gzip file ({error})") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) < 4 or content[:2] != b"\0\0":
        found = f"0x{content[:4].hex()}"
        raise damaged(path, f"wrong magic number {found}: IDX begins with 0x0000")
    kind, dimensions = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        raise damaged(path, f"elements of type 0x{kind:02x}, not unsigned bytes (0x08)")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise damaged(path, "truncated in its header")
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    expected, found = math.prod(shape), len(content) - start
    if found != expected:
        problem = "truncated" if found < expected else "trailing bytes"
        raise damaged(
            path, f"{problem}: shape {shape} needs {expected} bytes, found {found}"
        )
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except ValueError as error:
        problem = f"impossible shape of {dimensions} dimensions ({error})"
        raise damaged(path, problem) from error


def write_idx(path: str | Path, array: np.ndarray) -> None:
    """Write a uint8 array; the same array always gives the same bytes, gzip or not."""
    path = Path(path)
    if array.dtype != np.uint8:
        raise ValueError(f"write_idx: the array must be uint8, not {array.dtype}")
    header = bytes([0, 0, UNSIGNED_BYTE, array.ndim])
    content = header + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    if path.suffix == ".gz":
        content = gzip.compress(content, compresslevel=9, mtime=0)
    path.write_bytes(content)
