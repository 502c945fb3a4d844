"""What a reader can set: images a batch and threads, in the book's own `Trainer`."""

from benchmarks.contenders.tasks import Task
from benchmarks.race import Benchmark, Entry, Race
from d2l_lite import PACKAGES

# Images a batch, and steps that make rounds about as long as each other.
STEPS = {8: 60, 32: 20, 64: 10, 128: 5}
OURS = 64


def race(framework: str) -> Race:
    """Batches of different sizes, and the book's own on one thread."""

    def entry(name: str, program: str, batch_size: int, ours: bool = False) -> Entry:
        task = Task("densenet", 32, batch_size, STEPS[batch_size])
        words = [framework, "train", *task.words]
        return Entry(name, f"benchmarks.contenders.{program}", words, ours)

    return Race(
        framework,
        "settings",
        "plain network, 32×32, by batch and threads",
        "images/s",
        [
            *(entry(f"batch {n}", "ours", n, n == OURS) for n in STEPS),
            entry("one thread", "single_thread", OURS),
        ],
    )


BENCHMARK = Benchmark([race(framework) for framework in PACKAGES], rounds=3)
