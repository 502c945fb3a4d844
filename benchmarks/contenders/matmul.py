"""The processor's limit: a plain matrix product, in GFLOP/s."""

import time

import numpy as np

from benchmarks.contender import serve

SIDE, TIMES = 2048, 8


def set_up():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, SIDE, SIDE), np.float32)
    product = np.empty_like(a)

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(TIMES):
            np.matmul(a, b, out=product)
        return TIMES * 2 * SIDE**3 / (time.perf_counter() - start) / 1e9

    measure()
    return measure


if __name__ == "__main__":
    serve(set_up)
