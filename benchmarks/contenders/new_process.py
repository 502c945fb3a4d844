"""The first training step of a new process, in seconds."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.contender import Measure, arguments, find


def first_step(
    contender: str, options: dict[str, Any], imports: Sequence[str], warm: bool = False
) -> Measure:
    """From the framework's import to the end of a contender's first turn.

    Each turn of the race is a process of its own. A cold one has every cache empty; a
    warm one finds what those before have kept, such as compiled programs.

    Args:
        contender: MODULE.FUNCTION, with `options`; its turn is one step.
        imports: what the framework's users import, whoever's network it is.
        warm: whether all processes have one folder of caches.
    """
    kept = tempfile.TemporaryDirectory()
    words = [contender, json.dumps(options), *imports]
    command = [sys.executable, "-m", __name__, *words]

    def measure() -> float:
        with tempfile.TemporaryDirectory() as empty:
            folder = kept.name if warm else empty
            environment = os.environ | {
                "D2L_LITE_CACHE": folder,
                "TORCHINDUCTOR_CACHE_DIR": folder,
            }
            environment.pop("JAX_COMPILATION_CACHE_DIR", None)
            finished = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
        return float(finished.stdout.splitlines()[-1])

    if warm:
        measure()
    return measure


if __name__ == "__main__":
    contender, options, *imports = sys.argv[1:]
    for package in imports:
        importlib.import_module(package)
    function = find(contender)
    start = time.perf_counter()
    function(**arguments(options))()
    print(time.perf_counter() - start)
