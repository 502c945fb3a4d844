"""Recomputation in the backward pass, ours against torchvision's: time and memory."""

from benchmarks.race import Benchmark, Entry, Race

RECOMPUTING = "benchmarks.contenders.recomputing"
TITLE = "DenseNet-121, 64×64, batch 32, memory_efficient=True"
# glibc gives memory back at once, so that a peak is what a step needs.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "32768"}


def race(
    what: str,
    unit: str,
    title: str,
    goal: float | None = None,
    environment: dict[str, str] | None = None,
) -> Race:
    def entry(name: str, *arguments: str, **options: object) -> Entry:
        words = (*arguments, what)
        return Entry(name, RECOMPUTING, words, environment=environment or {}, **options)

    return Race(
        "pytorch",
        f"memory-efficient-{what}",
        f"{title}: {TITLE}",
        unit,
        (
            entry("d2l, memory_efficient=True", "ours", "efficient", ours=True),
            entry("d2l, plain", "ours", "plain", ours=True),
            entry(
                "torchvision, memory_efficient=True",
                *("torchvision", "efficient"),
                goal=goal,
            ),
            entry("torchvision, plain", "torchvision", "plain"),
        ),
    )


BENCHMARK = Benchmark(
    races=(
        race("seconds", "s", "time of a step", goal=1.0),
        race("peak", "MiB", "memory of a step", environment=GIVE_BACK),
    ),
    rounds=7,
    packages=("torchvision",),
)
