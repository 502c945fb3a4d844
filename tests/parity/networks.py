"""The table of networks on which the four frameworks must agree, and their batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Network:
    """A row of the table: a network, and the images it is measured with.

    Args:
        name: of the row.
        why: what this row shows that no other does.
        build: the network's name for `build`.
        changes: arguments for `build`. Narrow networks have the same parts and cost
            less, and fewer inputs of ReLU lie near zero: see `kinks.py`.
        size: height and width of the images in pixels.
        batch: number of images.
        seed: of the images; `python tests/parity/kinks.py` finds one.
        clear_steps: number of steps whose batches keep clear of kinks.
        nesterov: whether the steps of SGD look ahead.
        trained: False if only evaluation mode is compared.
    """

    name: str
    why: str
    build: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    size: int = 32
    batch: int = 8
    seed: int = 0
    clear_steps: int = 1
    nesterov: bool = True
    trained: bool = True


NARROW = {"growth_rate": 4, "init_features": 8}
BC_FOR_SMALL_IMAGES = NARROW | {"block_config": (2, 2, 2)}
PLAIN_FOR_SMALL_IMAGES = NARROW | {"block_config": (2, 2, 2)}
BC_FOR_IMAGENET = NARROW | {"block_config": (1, 2, 3, 1), "num_classes": 10}

NETWORKS = (
    Network(
        "small",
        "each part of the plain network once or twice: cheap enough to plant traps in",
        "densenet",
        # 12 + 2·8 channels are halved to 14, 14 + 2·8 to 15; who does not accumulate
        # the channels gets 14 twice.
        {"block_config": (2, 2, 2), "growth_rate": 8, "init_features": 12},
        seed=159,
        clear_steps=10,
    ),
    Network(
        "plain",
        "the network of the first chapters, whole: 758,226 parameters, 1 channel",
        "densenet",
        seed=1563,
    ),
    Network(
        "plain 3×96×96",
        "3 channels, more positions in every stage, momentum without Nesterov",
        "densenet",
        NARROW | {"in_channels": 3, "block_config": (2, 2, 2, 2)},
        size=96,
        batch=4,
        seed=58,
        nesterov=False,
    ),
    Network(
        "BC for small images",
        "bottlenecks, no biases, a stem of one 3×3 convolution without batch norm",
        "densenet-bc-40-12",
        BC_FOR_SMALL_IMAGES,
        batch=4,
        seed=19,
    ),
    Network(
        # On the same images, for the logits are the same.
        "BC for small images, dropout off",
        "in evaluation mode, dropout leaves no trace; what it does in training mode is "
        "random, and the subject of test_dropout.py",
        "densenet-bc-40-12",
        BC_FOR_SMALL_IMAGES | {"dropout": 0.2},
        batch=4,
        seed=19,
        trained=False,
    ),
    Network(
        "BC for small images, memory-efficient",
        "the first half of each layer computed twice, the second half once",
        "densenet-bc-40-12",
        BC_FOR_SMALL_IMAGES | {"memory_efficient": True},
        batch=4,
        seed=19,
    ),
    Network(
        "plain for small images",
        "transitions that keep all channels (compression 1), no bottlenecks, no biases",
        "densenet-40-12",
        PLAIN_FOR_SMALL_IMAGES,
        batch=4,
        seed=9,
    ),
    Network(
        "plain for small images, memory-efficient",
        "layers, biases included, computed twice; running statistics moved once",
        "densenet-40-12",
        PLAIN_FOR_SMALL_IMAGES | {"memory_efficient": True, "bias": True},
        batch=4,
        seed=9,
    ),
    Network(
        "BC for ImageNet 3×224×224",
        "bottlenecks behind the strided stem, unequal blocks, 7×7 positions at the end",
        "densenet121",
        BC_FOR_IMAGENET,
        size=224,
        batch=1,
        seed=924,
    ),
    Network(
        "BC for ImageNet 1×96×96",
        "the same on 1 channel; 3×3 positions at the end",
        "densenet121",
        BC_FOR_IMAGENET | {"in_channels": 1},
        size=96,
        batch=4,
        seed=47,
    ),
)
BY_NAME = {network.name: network for network in NETWORKS}


def batch(network: Network, channels: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """N×C×H×W float32 images and N labels of ten classes for a step, 0 the first."""
    rng = np.random.default_rng((network.seed, step))
    shape = (network.batch, channels, network.size, network.size)
    return rng.standard_normal(shape, np.float32), rng.integers(0, 10, network.batch)


def perturbed(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights with all vectors moved away from 0 and 1, so that each matters.

    A running mean of 0 can be forgotten, and a scale of 1, without a trace.
    """
    rng = np.random.default_rng(0)
    moved = dict(weights)
    for name, array in weights.items():
        if array.ndim == 1 and array.any():
            moved[name] = array * rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
        elif array.ndim == 1:
            moved[name] = array + 0.1 * rng.standard_normal(array.shape, np.float32)
    return moved
