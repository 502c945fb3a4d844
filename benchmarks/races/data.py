"""Reading the full Fashion-MNIST in shuffled order, 64 images at a time."""

from benchmarks.race import Benchmark, Entry, Race

READING = "benchmarks.contenders.reading"
SIZE = 96
TITLE = f"full Fashion-MNIST, shuffled, 28×28 → {SIZE}×{SIZE}"


def ours(*arguments: str) -> Entry:
    return Entry("ImageSet.batches", READING, arguments, ours=True)


def resized(framework: str, goal: float, *peers: Entry) -> Race:
    """Ours, as tensors of a framework, against what its users write."""
    entry = ours("--framework", framework, "--size", str(SIZE))
    return Race(framework, "data-96", TITLE, "images/s", (entry, *peers), goal)


def loader(framework: str, name: str, workers: int) -> Entry:
    module = f"{READING}_{framework}"
    return Entry(f"{name}, {workers} workers", module, (str(SIZE), str(workers)))


def alone(task: str, title: str, goal: dict[str, float], *arguments: str) -> Race:
    """Ours, as NumPy arrays, against a number."""
    unit = "MiB" if "--memory" in arguments else "images/s"
    return Race(None, task, title, unit, (ours(*arguments),), goal)


SHUFFLED = "full Fashion-MNIST, shuffled, 32×32"
BENCHMARK = Benchmark(
    races=(
        resized(
            "pytorch",
            10,
            loader("pytorch", "DataLoader with Pillow", 0),
            loader("pytorch", "DataLoader with Pillow", 2),
        ),
        resized(
            "tensorflow", 1, Entry("tf.data", f"{READING}_tensorflow", (str(SIZE),))
        ),
        resized(
            "mxnet",
            1,
            loader("mxnet", "Gluon's DataLoader", 0),
            loader("mxnet", "Gluon's DataLoader", 2),
        ),
        alone("data-32", SHUFFLED, {"at_least": 100_000}),
        alone(
            "data-32-augmented",
            f"{SHUFFLED}, mirrored and shifted",
            {"at_least": 40_000},
            "--augment",
        ),
        alone(
            "data-96-memory",
            f"memory beyond the imports: {TITLE}",
            {"at_most": 300e6 / 2**20},
            *("--size", str(SIZE), "--memory"),
        ),
    ),
    rounds=3,
    packages=("pillow", "torchvision"),
)
