"""The book's `Trainer` as in `benchmarks.contenders.ours`, on one core.

python -m benchmarks.contenders.single_thread FRAMEWORK WAY NETWORK SIZE BATCH STEPS
"""

import os
import runpy

if __name__ == "__main__":
    # JAX takes no number of threads, but as many as there are cores for it.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"
    os.environ |= dict.fromkeys(names, "1")
    runpy.run_module("benchmarks.contenders.ours", run_name="__main__")
