"""Where the time of a step goes: its dense layers' parts, each kind alone."""

from benchmarks.contenders.tasks import Task
from benchmarks.race import Benchmark, Entry, Race
from d2l_lite import PACKAGES

TASK = Task("densenet", size=32, batch_size=64, steps=10)
PARTS = ("convolution", "concatenation", "normalisation", "ReLU")


def race(framework: str) -> Race:
    """All parts of a framework."""
    module = "benchmarks.contenders.parts"
    return Race(
        framework,
        "parts",
        "the dense layers' parts alone, milliseconds for one step",
        "ms",
        [Entry(part, module, [framework, part, *TASK.words]) for part in PARTS],
    )


BENCHMARK = Benchmark([race(framework) for framework in PACKAGES], rounds=3)
