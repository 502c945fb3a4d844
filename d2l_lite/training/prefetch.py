"""Batches that are made while the one before is trained on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

DEPTH = 2
_END = object()


def ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Yield what an iterator yields, which a thread asks for up to `DEPTH` items ahead.

    An exception of the iterator comes in its place, after all items before it. The
    thread ends with this iterator: close it, if not all of it is read.
    """
    # One thread, so that the iterator is never asked twice at a time: NumPy copies
    # without Python's lock, and the frameworks compute without it.
    with ThreadPoolExecutor(1, "d2l_lite.training.prefetch") as thread:
        coming = deque(thread.submit(next, items, _END) for _ in range(DEPTH))
        while (item := coming.popleft().result()) is not _END:
            coming.append(thread.submit(next, items, _END))
            yield item
