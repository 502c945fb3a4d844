"""The processor's two limits: how fast it multiplies, and how fast memory feeds it."""

from benchmarks.race import Benchmark, Entry, Race

COPYING, MATMUL = "benchmarks.contenders.copying", "benchmarks.contenders.matmul"
BENCHMARK = Benchmark(
    [
        Race(
            None,
            "arithmetic",
            "multiplying matrices",
            "GFLOP/s",
            [Entry("2048×2048", MATMUL)],
        ),
        Race(
            None,
            "bandwidth",
            "copying arrays",
            "GB/s",
            [
                Entry("256 MiB, memory", COPYING, ["256"]),
                Entry("1 MiB, cache", COPYING, ["1"]),
            ],
        ),
    ],
    rounds=5,
)
