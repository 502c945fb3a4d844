"""Training steps of DenseNet-121 in PyTorch, plain and with recomputation.

    python -m benchmarks.contenders.recomputing ours|torchvision plain|efficient
        seconds|peak

Images of 64×64 pixels, 32 a step. A round is a step; it gives its seconds, or the most
memory, in MiB, that the process has held in it beyond what it held before.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.contender import FORGET, resident, serve
from benchmarks.vision import torchvision
from d2l_lite import pytorch as d2l

BATCH_SIZE, SIZE = 32, 64


def ours(efficient: bool) -> Callable[[np.ndarray, np.ndarray], float]:
    net = d2l.build("densenet121", memory_efficient=efficient)
    step = d2l.Trainer(max_epochs=1).prepare(net)
    return lambda images, labels: float(step(images, labels, 0.1)[0])


def theirs(efficient: bool) -> Callable[[np.ndarray, np.ndarray], float]:
    net = torchvision.models.densenet121(memory_efficient=efficient)
    optimizer = torch.optim.SGD(
        net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
    )

    def step(images: np.ndarray, labels: np.ndarray) -> float:
        loss = F.cross_entropy(net(torch.from_numpy(images)), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main(whose: str, how: str, what: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH_SIZE, 3, SIZE, SIZE), np.float32)
    labels = rng.integers(0, 1000, BATCH_SIZE)
    maker = {"ours": ours, "torchvision": theirs}[whose]

    def set_up() -> Callable[[], float]:
        step = maker(how == "efficient")
        step(images, labels)

        def seconds() -> float:
            start = time.perf_counter()
            step(images, labels)
            return time.perf_counter() - start

        def peak() -> float:
            before = resident("VmRSS")
            FORGET.write_text("5")
            step(images, labels)
            return (resident("VmHWM") - before) / 2**20

        return {"seconds": seconds, "peak": peak}[what]

    serve(set_up)


if __name__ == "__main__":
    main(*sys.argv[1:])
