"""A training step of the plain network: the book's, bare code, and the reference."""

from dataclasses import replace

from benchmarks.contenders.tasks import Task, flops
from benchmarks.entries import LOOPS, limits, ours, peer
from benchmarks.race import Benchmark, Race

TASK = Task("densenet", size=32, batch_size=64, steps=16)


def race(framework: str, loop: str) -> Race:
    return Race(
        framework,
        "plain-32",
        "training the plain network, 32×32, batch 64",
        "images/s",
        [
            ours("Trainer", framework, "train", TASK),
            peer("bare loop", framework, "bare", TASK, goal=0.98),
            peer(loop, framework, "reference", TASK, goal=1.0),
            *limits(framework, "training", replace(TASK, steps=5)),
        ],
        flops=flops(TASK, training=True),
    )


BENCHMARK = Benchmark(
    [race(framework, loop) for framework, loop in LOOPS.items()],
    rounds=10,
    packages=["optax"],
)
