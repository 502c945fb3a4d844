"""The benchmarks: each module here defines one, `BENCHMARK`, under its own name."""

import importlib
import pkgutil

from benchmarks.race import Benchmark


def names() -> list[str]:
    """The names of all benchmarks, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Benchmark:
    """The benchmark `name`, one of `names()`."""
    return importlib.import_module(f"{__name__}.{name}").BENCHMARK
