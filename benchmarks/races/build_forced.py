"""How long it takes to execute every notebook of the book and to build it."""

from benchmarks.race import Benchmark
from benchmarks.races.build import race

BENCHMARK = Benchmark(
    races=(race("forced", "the book, all notebooks executed", 20 * 60),),
    rounds=1,
    packages=("jupyter-book", "sphinx", "myst-nb"),
    everyday=False,
)
