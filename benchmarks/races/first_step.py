"""From the framework's import to the end of the first training step."""

from benchmarks.contenders.tasks import Task
from benchmarks.entries import LOOPS
from benchmarks.race import Benchmark, Entry, Race

TASK = Task("densenet", size=32, batch_size=64, steps=1)
TITLES = {
    "cold": "first step of the plain network in a new process",
    "warm": "first step of the plain network in a second process",
}


def race(framework: str, start: str, seconds: float) -> Race:
    def entry(name: str, whose: str, ours: bool) -> Entry:
        words = [framework, whose, start, *TASK.words]
        return Entry(name, "benchmarks.contenders.first_step", words, ours=ours)

    return Race(
        framework,
        f"plain-32-{start}",
        TITLES[start],
        "s",
        [
            entry("Trainer", "ours", True),
            entry(LOOPS[framework], "reference", False),
        ],
        goal={"at_most": seconds},
    )


# Only JAX keeps what it has compiled for the next process.
BENCHMARK = Benchmark(
    [
        *(race(framework, "cold", 10) for framework in LOOPS),
        race("jax", "warm", 3),
    ],
    rounds=3,
    packages=["optax"],
)
