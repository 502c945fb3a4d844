"""The first training step of a new process, in seconds without importing the framework.

    python -m benchmarks.contenders.first_step FRAMEWORK ours|reference cold|warm \
        NETWORK SIZE BATCH 1

Each round is a process of its own. In a cold one nothing is left of those before; a
warm one finds what they have kept, such as compiled programs.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

from benchmarks.contender import serve
from benchmarks.contenders.tasks import Task

# What a user of the framework imports, whoever's network it is.
IMPORTS = {
    "pytorch": ["torch"],
    "tensorflow": ["tensorflow", "keras"],
    "jax": ["jax", "flax.nnx", "optax"],
    "mxnet": ["d2l_lite.numpy_aliases", "mxnet"],
}


def once(framework: str, whose: str, task: Task) -> float:
    """Seconds from the framework's import to the end of the first step."""
    for package in IMPORTS[framework]:
        importlib.import_module(package)
    start = time.perf_counter()
    if whose == "ours":
        from benchmarks.contenders import ours

        ours.train(importlib.import_module(f"d2l_lite.{framework}"), task)
    else:
        contender = f"benchmarks.contenders.{framework}"
        importlib.import_module(contender).reference(task)
    return time.perf_counter() - start


def set_up(framework: str, whose: str, start: str, *words: str) -> Callable[[], float]:
    kept = tempfile.TemporaryDirectory()
    command = [sys.executable, "-m", __spec__.name, "once", framework, whose, *words]

    def measure() -> float:
        with tempfile.TemporaryDirectory() as empty:
            cache = kept.name if start == "warm" else empty
            environment = os.environ | {"D2L_LITE_CACHE": cache}
            environment.pop("JAX_COMPILATION_CACHE_DIR", None)
            finished = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
        return float(finished.stdout.splitlines()[-1])

    if start == "warm":
        measure()
    return measure


if __name__ == "__main__":
    if sys.argv[1] == "once":
        framework, whose, *words = sys.argv[2:]
        print(once(framework, whose, Task.parse(words)))
    else:
        serve(partial(set_up, *sys.argv[1:]), peak=False)
