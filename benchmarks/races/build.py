"""How long `make book` takes, against a plain Jupyter Book of a quarter of it."""

from benchmarks.race import Benchmark, Entry, Race

BUILDING = "benchmarks.contenders.building"


def race(how: str, title: str, seconds: float) -> Race:
    ours = Entry("make book", BUILDING, ("ours", how), ours=True)
    plain = "jupyter-book build, PyTorch's notebooks alone"
    peer = Entry(plain, BUILDING, ("jupyter-book", how))
    return Race(None, f"build-{how}", title, "s", (ours, peer), {"at_most": seconds})


BENCHMARK = Benchmark(
    races=(
        race("unchanged", "the book, nothing changed", 10),
        race("edited", "the book, one word edited", 45),
    ),
    rounds=3,
    packages=("jupyter-book", "sphinx", "myst-nb"),
)
