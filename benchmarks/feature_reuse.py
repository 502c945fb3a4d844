"""Which earlier layers does a layer read? A network trained for the question, and cut.

    python benchmarks/feature_reuse.py train
    python benchmarks/feature_reuse.py cut

`train` trains a DenseNet of three blocks of eight layers on the real Fashion-MNIST and
leaves its weights and what came of them; `cut` takes away one connection of it at a
time, and one layer's features at a time, and records what the network then makes of the
10,000 test images. The chapter "What a Layer Reads" reads all three files. The
committed ones took 23 and 14 minutes in PyTorch, on one thread of an x86-64 processor
that had other work as well; record.csv has the version.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from csv_files import FILES, package, record

from d2l_lite import pytorch as d2l
from d2l_lite.pytorch import DenseBlock
from d2l_lite.training.trainer import loss_and_accuracy

FOLDER = FILES / "feature_reuse"
TRAINED = FOLDER / "trained.safetensors"
NUM_LAYERS, GROWTH_RATE = (8, 8, 8), 8
NETWORK: dict[str, Any] = {
    "in_channels": 1,
    "num_classes": 10,
    "growth_rate": GROWTH_RATE,
    "block_config": NUM_LAYERS,
    "init_features": 16,
    "compression": 1.0,
    "bias": False,
}
TRAINING: dict[str, Any] = {
    "max_epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.1,
    # Five times the paper's, for a fraction of its steps: enough to forget the first
    # weights, which the chapter's map would show otherwise.
    "weight_decay": 5e-4,
    "augment": True,
}
Weights = dict[str, np.ndarray]


class Trainer(d2l.Trainer):
    """Saves the weights whenever it evaluates: a run that is stopped is not lost."""

    def evaluate(self, model: Any, image_set: Any) -> tuple[float, float]:
        d2l.save(model, TRAINED)
        return super().evaluate(model, image_set)


def train(seed: int) -> None:
    data = d2l.FashionMNIST(scale="full")
    net = d2l.build("densenet", seed=seed, **NETWORK)
    trainer = Trainer(seed=seed, **TRAINING)
    history = trainer.fit(net, data)
    row = {
        "package": package("pytorch"),
        "seed": seed,
        "parameters": d2l.count_parameters(net),
        "training_images": len(data.train),
        **TRAINING,
        "validation_accuracy": f"{history.validation_accuracy[-1]:.4f}",
        "test_accuracy": f"{trainer.evaluate(net, data.test)[1]:.4f}",
    }
    record([row], FOLDER / "record.csv", replaced=())
    print(row)


def reader(block: int, number: int) -> tuple[str, str]:
    """The normalisation and the weights with which a block's reader begins.

    Numbers from 1: the layers, then what stands behind the block.
    """
    if number <= NUM_LAYERS[block - 1]:
        layer = f"features.denseblock{block}.denselayer{number}"
        return f"{layer}.norm1.weight", f"{layer}.conv1.weight"
    if block < len(NUM_LAYERS):
        transition = f"features.transition{block}"
        return f"{transition}.norm.weight", f"{transition}.conv.weight"
    return "features.norm5.weight", "classifier.weight"


def without(
    weights: Weights, block: int, source: int, numbers: list[int], how: str
) -> Weights:
    """The weights of a network whose readers `numbers` do not read `source`.

    Source 0 is what enters the block, source s its layer s. "zero": they read zeros in
    its place; "mean": each of its maps is everywhere as it is on average, in training.
    """
    first = weights[reader(block, 1)[1]].shape[1]
    stop = first + source * GROWTH_RATE
    channels = slice(stop - GROWTH_RATE if source else 0, stop)
    changed = dict(weights)
    for number in numbers:
        scale, weight = reader(block, number)
        name = weight if how == "zero" else scale
        changed[name] = weights[name].copy()
        if how == "zero":
            changed[name][:, channels] = 0
        else:
            # Scale 0 makes the normalised map constant, as a map at its mean does.
            changed[name][channels] = 0
    return changed


def cuts() -> Iterator[tuple[int, int, int | str, list[int]]]:
    """Block, source, and the readers it is taken from: together, then each alone."""
    for block, num_layers in enumerate(NUM_LAYERS, start=1):
        for source in range(num_layers + 1):
            numbers = list(range(source + 1, num_layers + 2))
            yield block, source, "all", numbers
            for number in numbers:
                yield block, source, number, [number]


@torch.no_grad()
def cut() -> None:
    test = d2l.FashionMNIST(scale="full").test
    sample = d2l.FashionMNIST(scale="quick").test
    places = {image.tobytes(): place for place, image in enumerate(test.images)}
    in_sample = [places[image.tobytes()] for image in sample.images]
    images, labels = next(test.batches(len(test)))
    net = d2l.load(TRAINED).eval()
    weights = d2l.get_weights(net)
    blocks = [n for n, part in enumerate(net.features) if isinstance(part, DenseBlock)]

    def through(maps: torch.Tensor, first: int, stop: int | None) -> torch.Tensor:
        parts = net.features[first:stop]
        return torch.cat([parts(batch) for batch in maps.split(500)])

    # What enters each block: a cut changes nothing before its own.
    entering, before = [d2l.to_tensor(images)], 0
    for place in blocks:
        entering.append(through(entering[-1], before, place))
        before = place

    def row(changed: Weights, block: int, **what: Any) -> dict[str, Any]:
        d2l.set_weights(net, changed)
        features = through(entering[block], blocks[block - 1], None)
        logits = d2l.to_numpy(net.classifier(features))
        loss, accuracy = loss_and_accuracy(logits, labels)
        _, of_sample = loss_and_accuracy(logits[in_sample], labels[in_sample])
        found = {"block": block, **what} | {
            "loss": f"{loss:.5f}",
            "accuracy": f"{accuracy:.4f}",
            "sample_accuracy": f"{of_sample:.3f}",
        }
        print(*found.values(), sep=",", flush=True)
        return found

    rows = [row(weights, 1, source="", reader="", how="whole")]
    for block, source, name, numbers in cuts():
        for how in ("zero", "mean"):
            changed = without(weights, block, source, numbers, how)
            rows.append(row(changed, block, source=source, reader=name, how=how))
    record(rows, FOLDER / "ablation.csv", replaced=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "cut"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "train":
        train(options.seed)
    else:
        cut()


if __name__ == "__main__":
    main()
