"""A place where a block leaves the reference, and when two arrays are the same."""

from typing import NamedTuple

import numpy as np

Array = np.ndarray
# Relative to the largest value, for a single step in float32.
TOLERANCE = 1e-5


class Finding(NamedTuple):
    """A place where a block does something else than the reference.

    Attributes:
        text: what it does, without the place.
        kind: the same without the reader, alike for all readers.
        why: why it matters, or where the book explains it; may be empty.
        op: the operation that is another.
        place: the layer, or "the output".
    """

    text: str
    kind: str
    why: str
    op: str
    place: str


def close(found: Array, expected: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays are the same up to rounding; NaN is never."""
    if found.shape != expected.shape:
        return False
    size = max(abs(expected).max(initial=0), 1e-6)
    return bool(abs(found - expected).max(initial=0) <= tolerance * size)
