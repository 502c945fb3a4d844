"""What bottleneck and compression do to the time: four variants of DenseNet-40-12.

    for framework in pytorch tensorflow jax mxnet; do
        python benchmarks/variants.py $framework
    done

Times a training step and a prediction of each variant and prints them as ratios to the
plain one's; the chapter "Bottleneck and Compression" names some. The variants take
turns, and a ratio is the median over all turns, each time divided by that of the plain
network in the same turn: so whatever else the machine does hits all variants alike. It
should do nothing else all the same, for threads that wait for each other suffer more,
the more layers there are. JAX compiles for some minutes first. The chapter's numbers
are from two cores of an x86-64 processor without accelerator, the frameworks' own
settings of threads, PyTorch 2.13.0, TensorFlow 2.21.0, JAX 0.7.1 and MXNet 1.9.1.
"""

import argparse
import importlib
import time
from collections.abc import Callable
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
from csv_files import package
from finished_step import finished_step

from d2l_lite import PACKAGES

NETWORK = "densenet-40-12"
VARIANTS = {
    "plain": {"bottleneck": False, "compression": 1.0},
    "C": {"bottleneck": False, "compression": 0.5},
    "B": {"bottleneck": True, "compression": 1.0},
    "BC": {"bottleneck": True, "compression": 0.5},
}
KINDS = ("training", "inference")
Call = Callable[[], Any]


def calls(
    module: ModuleType, images: np.ndarray, changes: dict[str, Any]
) -> dict[str, Call]:
    """A variant's training step and prediction; each returns when it is done."""
    net = module.build(NETWORK, **changes)
    train = finished_step(module, net, module.Trainer(max_epochs=1), len(images))
    return {"training": train, "inference": lambda: module.predict(net, images)}


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(framework: str, batch_size: int, repeats: int) -> list[dict[str, Any]]:
    """A row for each variant: its times as shares of the plain network's."""
    module = importlib.import_module(f"d2l_lite.{framework}")
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch_size, 3, 32, 32), np.float32)
    networks = {
        variant: calls(module, images, changes) for variant, changes in VARIANTS.items()
    }
    turns = []
    for _ in range(1 + repeats):
        times = {
            (variant, kind): seconds(networks[variant][kind])
            for kind in KINDS
            for variant in VARIANTS
        }
        turns.append({key: t / times["plain", key[1]] for key, t in times.items()})
    del turns[0]  # compiles, plans memory
    fixed = {"framework": framework, "package": package(framework)}
    rows = []
    for variant in VARIANTS:
        ratios = {
            kind: f"{median(turn[variant, kind] for turn in turns):.3f}"
            for kind in KINDS
        }
        rows.append(fixed | {"variant": variant} | ratios)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=PACKAGES)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    rows = measure(options.framework, options.batch_size, options.repeats)
    for row in rows:
        print(*row.values(), sep=",")


if __name__ == "__main__":
    main()
