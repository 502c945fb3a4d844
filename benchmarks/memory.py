"""What recomputation does to the memory and the time of a training step.

    for framework in pytorch tensorflow mxnet jax; do
        python benchmarks/memory.py $framework 40 70 100
    done

Trains DenseNet-L-12 (three equal blocks, no bottleneck, no compression) on random
images of 32×32 pixels, with `memory_efficient` and without, and records in the file
that the chapter "Memory" reads

- `peak_mib`: the highest resident memory of a process during its second step, less what
  it held before the first one, when the network was there already. Compilers are not
  counted: with JAX and TensorFlow it is less what the process held between the steps.
  glibc gives arrays back as soon as they are free: by default it keeps and splits what
  it has, and the peak is higher by what is lost that way. MXNet keeps less working
  memory of its convolutions than by default;
- `seconds`: the median time of a step;
- `time`: that time as a ratio to the plain network's, the median over turns of
  two further processes that wait for each other, so whatever else the machine does hits
  both. glibc and MXNet are as they are by default, for giving back takes time.

On a GPU (not MXNet) `peak_mib` is what the framework itself has counted there after two
steps, less what it had before them. These rows have a file of their own, which names
the GPU and its driver.

Each call replaces the rows of its framework and depths. JAX compiles for minutes. Linux
only. The committed rows: two cores of an x86-64 processor, no accelerator, the
environment of `python -m book env`, so one thread; `package` has the versions.
"""

import argparse
import ctypes
import importlib
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from csv_files import FILES, package, record
from finished_step import finished_step
from machine import gpu
from resident import forget, resident

from d2l_lite import PACKAGES
from d2l_lite.command.environment import SHARED_GPU

FOLDER = FILES / "memory"
GIVE_BACK = {
    # From so many bytes on, glibc asks the system for memory and gives it back at once.
    "MALLOC_MMAP_THRESHOLD_": "32768",
    # MXNet keeps one convolution's working memory instead of that of all.
    "MXNET_MKLDNN_CACHE_NUM": "1",
}


def held() -> float:
    """What the process holds, in MiB, without memory that is free already."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident("VmRSS") / 2**20


def training_step(
    framework: str, depth: int, efficient: int, batch_size: int
) -> Callable[[], None]:
    """A training step of DenseNet-`depth`-12 that returns when it is done."""
    module = importlib.import_module(f"d2l_lite.{framework}")
    net = module.build(
        "densenet-40-12",
        block_config=((depth - 4) // 3,) * 3,
        memory_efficient=bool(efficient),
    )
    return finished_step(module, net, module.Trainer(max_epochs=1), batch_size)


def send_peak(pipe: Connection, framework: str, *network: Any) -> None:
    train = training_step(framework, *network)
    if gpu():
        backend = importlib.import_module(f"d2l_lite.{framework}").backend
        before = backend.peak_memory()
        train()
        train()
        pipe.send((backend.peak_memory() - before) / 2**20)
        return
    before = held()
    train()
    if framework in ("jax", "tensorflow"):  # which wrote a program in the first step
        before = held()
    forget()
    train()
    pipe.send(resident("VmHWM") / 2**20 - before)


def send_times(pipe: Connection, framework: str, *network: Any) -> None:
    """Sends the version, then the seconds of a step whenever something arrives."""
    train = training_step(framework, *network)
    train()
    pipe.send(package(framework))
    while pipe.recv():
        start = time.perf_counter()
        train()
        pipe.send(time.perf_counter() - start)


def started(target: Callable[..., None], *arguments: Any) -> Connection:
    """The pipe to a new process that runs `target`."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    spawn.Process(target=target, args=(theirs, *arguments), daemon=True).start()
    theirs.close()
    return ours


def measure(framework: str, depth: int, batch_size: int, turns: int) -> list[dict]:
    """The rows of the plain network and of the one that recomputes."""
    networks = [(framework, depth, efficient, batch_size) for efficient in (0, 1)]
    settings = dict(os.environ)
    os.environ |= GIVE_BACK
    pipes = (started(send_peak, *network) for network in networks)
    if gpu():  # where each counts its own, and JAX compiles for long
        pipes = list(pipes)
    peaks = [pipe.recv() for pipe in pipes]
    for name in GIVE_BACK:
        del os.environ[name]
    os.environ |= settings
    pipes = [started(send_times, *network) for network in networks]
    (version, _) = [pipe.recv() for pipe in pipes]
    seconds: list[list[float]] = [[], []]
    for turn in range(turns):
        # Now one goes first, now the other.
        for efficient in (0, 1)[:: (-1) ** turn]:
            pipes[efficient].send(True)
            seconds[efficient].append(pipes[efficient].recv())
    ratio = median(again / once for once, again in zip(*seconds))
    for pipe in pipes:
        pipe.send(False)
    return [
        {
            "framework": framework,
            "package": version,
            "depth": str(depth),
            "efficient": str(efficient),
            "batch": batch_size,
            "peak_mib": f"{peak:.0f}",
            "time": f"{(1, ratio)[efficient]:.2f}",
            "seconds": f"{median(seconds[efficient]):.3g}",
            **gpu(),
        }
        for efficient, peak in enumerate(peaks)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    frameworks = [name for name in PACKAGES if name != "mxnet" or not gpu()]
    parser.add_argument("framework", choices=frameworks)
    parser.add_argument("depths", type=int, nargs="+", help="such as 40 70 100")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--turns", type=int, default=3)
    name = "peak-gpu.csv" if gpu() else "peak.csv"
    parser.add_argument("--output", type=Path, default=FOLDER / name)
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as cache:
        # What JAX has compiled for the peak it need not compile again for the time.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = cache
        os.environ |= SHARED_GPU
        for depth in options.depths:
            rows = measure(options.framework, depth, options.batch_size, options.turns)
            record(rows, options.output, replaced=["framework", "depth", "efficient"])
            for row in rows:
                print(*row.values(), sep=",", flush=True)


if __name__ == "__main__":
    main()
