"""How fast memory is: copies of arrays of so many MiB, one per thread, in GB/s.

python -m benchmarks.contenders.copying MIB
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.contender import serve
from benchmarks.race import THREADS

BYTES = 8e9  # of a round, read and written


def set_up():
    count = int(sys.argv[1]) * 2**18
    pairs = [
        (np.zeros(count, np.float32), np.ones(count, np.float32))
        for _ in range(THREADS)
    ]
    times = max(1, round(BYTES / (THREADS * 8 * count)))

    def copy(pair) -> None:
        for _ in range(times):
            np.copyto(*pair)

    pool = ThreadPoolExecutor(THREADS)

    def measure() -> float:
        start = time.perf_counter()
        list(pool.map(copy, pairs))
        done = times * THREADS * 8 * count
        return done / (time.perf_counter() - start) / 1e9

    measure()
    return measure


if __name__ == "__main__":
    serve(set_up)
