"""The processor's limits: how fast it multiplies, and how fast memory feeds it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.contender import Measure, Run, seconds
from benchmarks.race import THREADS
from benchmarks.workload import Workload

SIDE = 2048
BYTES = 8e9  # of a turn that copies, read and written


def matrix_product(workload: Workload, training: bool) -> Run:
    """One matrix product of as many operations as the workload's convolutions have."""
    operations = workload.images * workload.flops(training)
    return _product(max(1, round(operations / (2 * SIDE**2))))


def multiply() -> Measure:
    """A matrix product's GFLOP/s."""
    rows = 8 * SIDE
    run = _product(rows)
    run()
    return lambda: 2 * rows * SIDE**2 / seconds(run) / 1e9


def _product(rows: int) -> Run:
    """Multiplies a matrix of so many rows by a square one of side `SIDE`."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, SIDE), np.float32)
    b = rng.standard_normal((SIDE, SIDE), np.float32)
    product = np.empty_like(a)
    return lambda: np.matmul(a, b, out=product)


def copy(mib: int) -> Measure:
    """GB/s of copying arrays of so many MiB, one per thread."""
    count = mib * 2**18
    pairs = [
        (np.zeros(count, np.float32), np.ones(count, np.float32))
        for _ in range(THREADS)
    ]
    times = max(1, round(BYTES / (THREADS * 8 * count)))

    def copies(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(times):
            np.copyto(*pair)

    pool = ThreadPoolExecutor(THREADS)

    def measure() -> float:
        moved = times * THREADS * 8 * count
        return moved / seconds(lambda: list(pool.map(copies, pairs))) / 1e9

    measure()
    return measure
