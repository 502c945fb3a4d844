"""Seconds of imports in a fresh process.

    python -m benchmarks.contenders.importing FRAMEWORK alone|ours|beyond

`alone` imports what the framework's users import, `ours` the book's module for it, and
`beyond` times our import after theirs. Starting Python does not count.
"""

import subprocess
import sys

from benchmarks.contender import serve

# What a user of the framework imports; MXNet 1.9.1 lacks names that NumPy has dropped.
THEIRS = {
    "pytorch": "import torch",
    "tensorflow": "import tensorflow, keras",
    "jax": "import jax, flax.nnx",
    "mxnet": "import d2l_lite.numpy_aliases, mxnet",
}
TIMED = """
import sys, time
exec(sys.argv[1])
start = time.perf_counter()
exec(sys.argv[2])
print(time.perf_counter() - start)
"""


def main(framework: str, what: str) -> None:
    ours = f"import d2l_lite.{framework}"
    before, timed = {
        "alone": ("", THEIRS[framework]),
        "ours": ("", ours),
        "beyond": (THEIRS[framework], ours),
    }[what]
    command = [sys.executable, "-c", TIMED, before, timed]

    def measure() -> float:
        finished = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True
        )
        return float(finished.stdout.split()[-1])

    measure()  # from now on the files are in memory
    serve(lambda: measure)


if __name__ == "__main__":
    main(*sys.argv[1:])
