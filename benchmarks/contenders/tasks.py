"""What contenders work on: the same random images, and the networks' convolutions."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.contender import serve
from d2l_lite.networks import zoo


@dataclass(frozen=True)
class Task:
    """A network, its images and how many steps a round has.

    Args:
        network: a name of the zoo.
        size: pixels of a side of the images.
        batch_size: images a step.
        steps: of a round.
    """

    network: str
    size: int
    batch_size: int
    steps: int

    @classmethod
    def parse(cls, words: list[str]) -> "Task":
        """From a command line: the network's name and three numbers."""
        network, *numbers = words
        return cls(network, *map(int, numbers))

    @property
    def words(self) -> tuple[str, ...]:
        """What `parse` takes."""
        return tuple(map(str, (self.network, self.size, self.batch_size, self.steps)))

    @property
    def images(self) -> int:
        """How many a round has."""
        return self.batch_size * self.steps

    @property
    def channels(self) -> int:
        return zoo.NETWORKS[self.network]["in_channels"]

    @property
    def classes(self) -> int:
        return zoo.NETWORKS[self.network]["num_classes"]

    def batches(self) -> tuple[np.ndarray, np.ndarray]:
        """A round's images, steps×N×C×H×W, and labels, steps×N: drawn at random."""
        rng = np.random.default_rng(0)
        shape = (self.steps, self.batch_size)
        pixels = (self.channels, self.size, self.size)
        images = rng.standard_normal((*shape, *pixels), np.float32)
        return images, rng.integers(0, self.classes, shape)

    def timed(self, run: Callable[[], object]) -> Callable[[], float]:
        """What measures a round, a call of `run`, in images/s; it has run once then."""
        run()

        def measure() -> float:
            start = time.perf_counter()
            run()
            return self.images / (time.perf_counter() - start)

        return measure

    def timed_flops(
        self, run: Callable[[], object], training: bool
    ) -> Callable[[], float]:
        """The same in GFLOP/s, where a round is the convolutions of all its images."""
        measure, operations = self.timed(run), flops(self, training)
        return lambda: measure() * operations / 1e9


@dataclass(frozen=True)
class Convolution:
    """A convolution as a network has it, for inputs of `pixels` a side."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    pixels: int

    @property
    def multiply_adds(self) -> int:
        """For one image."""
        weights = self.in_channels * self.out_channels * self.kernel_size**2
        return weights * (self.pixels // self.stride) ** 2


def convolutions(network: str, size: int) -> list[Convolution]:
    """All convolutions of a network of the zoo, in forward order.

    Args:
        network: with a large stem: a convolution of stride 2, and pooling.
        size: pixels of a side of the images, a multiple of 2 to the number of halvings.
    """
    made = zoo.NETWORKS[network]
    growth, channels, pixels = made["growth_rate"], made["init_features"], size // 4
    found = [Convolution(made["in_channels"], channels, 7, 2, size)]
    for block, num_layers in enumerate(made["block_config"]):
        if block:
            kept = int(channels * made["compression"])
            found.append(Convolution(channels, kept, 1, 1, pixels))
            channels, pixels = kept, pixels // 2
        for _ in range(num_layers):
            entering = channels
            if made["bottleneck"]:
                found.append(Convolution(channels, 4 * growth, 1, 1, pixels))
                entering = 4 * growth
            found.append(Convolution(entering, growth, 3, 1, pixels))
            channels += growth
    return found


def flops(task: Task, training: bool) -> float:
    """Floating-point operations of the convolutions for one image.

    Training has them three times, for the outputs, the inputs' gradients and those of
    the weights; the gradient of the images themselves nobody asks for.
    """
    found = convolutions(task.network, task.size)
    forward = sum(convolution.multiply_adds for convolution in found)
    if not training:
        return 2.0 * forward
    return 2.0 * (3 * forward - found[0].multiply_adds)


SetUp = Callable[[Task], Callable[[], float]]


def take_part(alone: Callable[..., Callable[[], float]], **ways: SetUp) -> None:
    """Serve as the command line says: WAY NETWORK SIZE BATCH STEPS.

    Args:
        alone: sets up the convolutions by themselves, forward and backward if its first
            argument says so: "training-convolutions" and "inference-convolutions".
        ways: what sets up the others, by their names.
    """
    ways["training-convolutions"] = partial(alone, True)
    ways["inference-convolutions"] = partial(alone, False)
    way, *words = sys.argv[1:]
    serve(partial(ways[way], Task.parse(words)))
