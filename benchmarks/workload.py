"""What contenders work on: the same random images, and a network's layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2l_lite.networks import zoo
from d2l_lite.networks.summary import stages


@dataclass(frozen=True)
class Layer:
    """A layer as a network has it.

    Args:
        kind: "convolution", "normalisation", "ReLU" or "concatenation".
        inputs: the channels of each array that it reads.
        channels: how many it makes.
        pixels: of a side of what it reads.
        place: "stem", "dense layer" or "transition".
    """

    kind: str
    inputs: tuple[int, ...]
    channels: int
    pixels: int
    kernel_size: int = 1
    stride: int = 1
    bias: bool = False
    place: str = "dense layer"


@dataclass(frozen=True)
class Workload:
    """A network of the zoo, its images, and how many steps a turn has.

    Args:
        network: a name of the zoo.
        size: pixels of a side of the images.
        batch_size: images a step.
        steps: of a turn.
    """

    network: str
    size: int
    batch_size: int
    steps: int

    @property
    def images(self) -> int:
        """How many a turn has."""
        return self.batch_size * self.steps

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of `DenseNet` for the network."""
        return zoo.NETWORKS[self.network]

    def batches(self) -> tuple[np.ndarray, np.ndarray]:
        """A turn's images, steps×N×C×H×W, and labels, steps×N: drawn at random."""
        rng = np.random.default_rng(0)
        shape = (self.steps, self.batch_size)
        pixels = (self.arguments["in_channels"], self.size, self.size)
        images = rng.standard_normal((*shape, *pixels), np.float32)
        return images, rng.integers(0, self.arguments["num_classes"], shape)

    def flops(self, training: bool) -> float:
        """Floating-point operations of the network's convolutions for one image.

        Training has them three times, for the outputs, the inputs' gradients and those
        of the weights; the gradient of the images themselves nobody asks for.
        """
        *found, _ = (stage.multiply_adds for stage in stages(self.network, self.size))
        return 2.0 * (3 * sum(found) - found[0] if training else sum(found))

    def layers(self) -> Iterator[Layer]:
        """The convolutions in forward order, and all layers of the dense layers.

        The network has a large stem, a convolution of stride 2 and pooling, as those
        for ImageNet; `size` can be halved at each stage.
        """
        made = self.arguments
        channels, bias = made["init_features"], made["bias"]
        yield Layer(
            "convolution",
            (made["in_channels"],),
            channels,
            self.size,
            kernel_size=7,
            stride=2,
            bias=bias,
            place="stem",
        )
        pixels = self.size // 4
        for block, num_layers in enumerate(made["block_config"]):
            if block:
                kept = int(channels * made["compression"])
                yield Layer(
                    "convolution",
                    (channels,),
                    kept,
                    pixels,
                    bias=bias,
                    place="transition",
                )
                channels, pixels = kept, pixels // 2
            widths = [channels]
            for _ in range(num_layers):
                yield from self._dense_layer(tuple(widths), pixels)
                widths.append(made["growth_rate"])
            channels = sum(widths)

    def _dense_layer(self, widths: tuple[int, ...], pixels: int) -> Iterator[Layer]:
        """What a dense layer consists of that reads arrays of so many channels."""
        read, growth = sum(widths), self.arguments["growth_rate"]
        if len(widths) > 1:
            yield Layer("concatenation", widths, read, pixels)
        convolutions = [(growth, 3)]
        if self.arguments["bottleneck"]:
            convolutions = [(4 * growth, 1), (growth, 3)]
        for channels, kernel_size in convolutions:
            yield Layer("normalisation", (read,), read, pixels)
            yield Layer("ReLU", (read,), read, pixels)
            bias = self.arguments["bias"]
            yield Layer(
                "convolution", (read,), channels, pixels, kernel_size, bias=bias
            )
            read = channels
