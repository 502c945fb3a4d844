"""What compilation costs and brings: the first step and the later ones, by mode."""

from benchmarks.race import Benchmark, Entry, Race

# The first is the mode of the book's Trainer.
MODES = {
    "pytorch": ("channels last", "eager", "torch.compile"),
    "tensorflow": ("tf.function", "eager", "jit_compile"),
    "jax": ("jit", "level 0"),
    "mxnet": ("static", "imperative", "hybridised"),
}


def race(framework: str, measured: str, title: str, unit: str) -> Race:
    """All modes of a framework."""
    modes, module = MODES[framework], "benchmarks.contenders.modes"
    return Race(
        framework,
        measured,
        title,
        unit,
        [
            Entry(mode, module, [framework, mode, measured], mode == modes[0])
            for mode in modes
        ],
    )


FIRST = "first", "the plain network's first step, 32×32, batch 64", "s"
RATE = "rate", "the plain network's later steps, 32×32, batch 64", "images/s"
# Two rounds: some compilers take a minute.
BENCHMARK = Benchmark(
    [race(framework, *task) for framework in MODES for task in (FIRST, RATE)], rounds=2
)
