"""What a second device gains where both are cores of one processor.

    python benchmarks/devices.py pytorch tensorflow jax mxnet

Trains the plain network on random images of 32×32 pixels, 64 a step, in three ways: one
device on one core, one device on two cores (more threads), and two devices on two
cores (data parallelism, with batch statistics over both; MXNet's only with statistics
apart). In the last way PyTorch's and MXNet's devices have one thread each, those of
TensorFlow and JAX share two. Prints images per second, each the best of several turns
in which the ways alternate, and their ratios to the first way. Records them as
chapters/files/many_devices/scaling.csv. Linux only; nothing else should run beside.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from statistics import median

from csv_files import FILES, package, record
from finished_step import finished_step

from d2l_lite import PACKAGES
from d2l_lite.devices import provide

FILE = FILES / "many_devices" / "scaling.csv"
# Devices, and the cores that they have together.
WAYS = ((1, 1), (1, 2), (2, 2))
BATCH_SIZE = 64


def images_per_second(framework: str, devices: int, steps: int) -> float | None:
    """Of the median step; None in a process that trains along."""
    provide(framework, devices)
    module = importlib.import_module(f"d2l_lite.{framework}")
    sync = framework != "mxnet" or devices == 1
    trainer = module.Trainer(max_epochs=1, devices=devices, sync_batch_norm=sync)
    net = module.build("densenet")
    train = finished_step(module, net, trainer, BATCH_SIZE, channels=1)
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        train()
        seconds.append(time.perf_counter() - start)
    # The first step compiles, the second may do so again.
    return BATCH_SIZE / median(seconds[2:]) if trainer.primary else None


def measured(framework: str, devices: int, cores: int, steps: int) -> tuple[str, float]:
    """Name and version of the package, and images per second, in a new process."""
    worker = [__file__, framework, "--devices", str(devices), "--steps", str(steps)]
    command = [sys.executable, *worker]
    if framework == "pytorch" and devices > 1:
        torchrun = ["-m", "torch.distributed.run", "--standalone"]
        command = [sys.executable, *torchrun, f"--nproc-per-node={devices}", *worker]
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    threads = str(cores // devices)
    finished = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": threads},
        preexec_fn=lambda: os.sched_setaffinity(0, chosen),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def main() -> None:
    """Measure the frameworks that are named, or work for one measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frameworks", nargs="+", choices=PACKAGES, metavar="FRAMEWORK")
    parser.add_argument("--turns", type=int, default=2, help="2 by default")
    parser.add_argument("--steps", type=int, default=15, help="15 by default")
    parser.add_argument("--devices", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.devices:
        (framework,) = chosen.frameworks
        found = images_per_second(framework, chosen.devices, chosen.steps)
        if found is not None:
            print(json.dumps([package(framework), found]), flush=True)
        return
    for framework in chosen.frameworks:
        best: dict[tuple[int, int], float] = {}
        for _ in range(chosen.turns):
            for way in WAYS:
                name, found = measured(framework, *way, chosen.steps)
                best[way] = max(found, best.get(way, 0))
        rows = [
            {
                "framework": framework,
                "devices": devices,
                "cores": cores,
                "images_per_second": f"{best[devices, cores]:.0f}",
                "ratio": f"{best[devices, cores] / best[WAYS[0]]:.2f}",
                "package": name,
            }
            for devices, cores in WAYS
        ]
        for row in rows:
            print(*row.values(), sep="  ", flush=True)
        FILE.parent.mkdir(exist_ok=True)
        record(rows, FILE, ("framework", "devices", "cores"))


if __name__ == "__main__":
    main()
