"""The IDX format of MNIST and its relatives: unsigned bytes behind a small header."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from d2l_lite.files import damaged

# Two zeros and the type of the elements, unsigned bytes; then how many dimensions.
MAGIC = b"\0\0\x08"


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, compressed when its name ends in ``.gz``.

    Returns a read-only uint8 array of the shape in the header. Raises `DataError`,
    naming the file, when it is missing, damaged or another kind of file.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, f"cannot be read ({error})") from error
    dimensions = content[3] if len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if not content.startswith(MAGIC) or len(content) < start:
        found = content[:4].hex()
        raise damaged(path, f"not an IDX file of bytes: it begins with 0x{found}")
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    expected, found = math.prod(shape), len(content) - start
    if found != expected:
        raise damaged(path, f"shape {shape} needs {expected:,} bytes, found {found:,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
