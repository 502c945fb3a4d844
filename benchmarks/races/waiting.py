"""What an epoch of training loses to the data that are made while it runs."""

from benchmarks.race import Benchmark, Entry, Race
from d2l_lite import PACKAGES

EPOCH = "benchmarks.contenders.epoch"
TITLE = "plain network, 32×32 mirrored and shifted, batch 64"


def against_held(framework: str) -> Race:
    ours = Entry("batches made while it trains", EPOCH, (framework, "made"), ours=True)
    held = Entry("batches held in memory", EPOCH, (framework, "held"))
    title = f"an epoch: {TITLE}"
    return Race(framework, "waiting", title, "images/s", (ours, held), goal=0.98)


def between_steps(framework: str) -> Race:
    ours = Entry("Trainer.fit", EPOCH, (framework, "gaps"), ours=True)
    title = f"time between steps: {TITLE}"
    return Race(framework, "gaps", title, "%", (ours,), goal={"at_most": 2})


BENCHMARK = Benchmark(
    races=[race(name) for name in PACKAGES for race in (against_held, between_steps)],
    rounds=5,
)
