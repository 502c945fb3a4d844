"""Six short trainings, five of them with a fault, for the worksheet `read_the_curves`.

    python benchmarks/curves.py

Trains a small DenseNet in PyTorch on the sample of Fashion-MNIST that comes with the
package, each time from seed 0, and records loss and error of every epoch under the
letter that the worksheet gives the run. What was done to each stands in `RUNS` below
and nowhere in the file. The committed rows: two cores of an x86-64 processor.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from d2l_lite import pytorch as d2l
from d2l_lite.files import replacing
from d2l_lite.training.trainer import TrainingDiverged

FILE = Path(__file__).parents[1] / "chapters/worksheets/files/curves.csv"
COLUMNS = ("train_loss", "validation_loss", "train_error", "validation_error")
EPOCHS = 12


def few_images(data: Any) -> Any:
    """150 images are left to train on."""
    return SimpleNamespace(train=data.train.take(150), validation=data.validation)


def wrong_labels(data: Any) -> Any:
    """Half of the training images exchange their labels at random."""
    labels, rng = data.train.labels.copy(), np.random.default_rng(0)
    half = rng.permutation(len(labels))[::2]
    labels[half] = labels[rng.permutation(half)]
    train = replace(data.train, labels=labels)
    return SimpleNamespace(train=train, validation=data.validation)


def freeze_statistics(net: Any) -> None:
    """The running statistics stay what they were before the first step."""
    for module in net.modules():
        if hasattr(module, "running_mean"):
            module.momentum = 0.0


# By letter: the arguments of `Trainer`, and what is done to the data and the network.
RUNS: dict[str, dict[str, Any]] = {
    "A": {"trainer": {"learning_rate": 1e-4}},
    "B": {"data": few_images, "trainer": {"batch_size": 30}},
    "C": {"network": freeze_statistics},
    "D": {},
    "E": {"data": wrong_labels},
    "F": {"trainer": {"learning_rate": 6.0}},
}


def train(change: dict[str, Any]) -> list[tuple[float, ...]]:
    """The epochs of one run: a row of `COLUMNS` each."""
    data = d2l.FashionMNIST(scale="quick")
    if "data" in change:
        data = change["data"](data)
    net = d2l.build(
        "densenet", growth_rate=12, block_config=(2, 2, 2), init_features=16
    )
    if "network" in change:
        change["network"](net)
    options = {"learning_rate": 0.1, "schedule": "constant"} | change.get("trainer", {})
    trainer = d2l.Trainer(max_epochs=EPOCHS, progress="none", **options)
    try:
        history = trainer.fit(net, data)
    except TrainingDiverged as diverged:
        history = diverged.history
    return list(zip(*(getattr(history, column) for column in COLUMNS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args()
    with replacing(options.output, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "epoch", *COLUMNS])
        for letter, change in RUNS.items():
            for epoch, row in enumerate(train(change), start=1):
                writer.writerow([letter, epoch, *(f"{value:.3f}" for value in row)])
                print(letter, epoch, *(f"{value:.3f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
