"""What the checked blocks compute: a list of steps each, with its layers' shapes."""

from collections.abc import Mapping
from typing import NamedTuple

from d2l_lite.networks.weights import Shapes

INPUT = "x"
LAYERS = ("norm", "conv", "linear")


class Step(NamedTuple):
    """One operation.

    Attributes:
        op: "norm", "conv", "linear", "relu", "concat", "average", "maximum", "mean".
        name: of what it makes; for a layer with weights its canonical name.
        reads: the names of what it reads; "x" is the block's input.
        channels: how many a layer reads.
        made: how many a convolution or a linear layer makes.
        kernel: pixels of a side of a convolution's kernel.
        stride: of a convolution.
    """

    op: str
    name: str
    reads: tuple[str, ...]
    channels: int = 0
    made: int = 0
    kernel: int = 1
    stride: int = 1

    @property
    def shapes(self) -> Shapes:
        """The shapes of a layer's arrays, by their ends."""
        if self.op == "norm":
            ends = ("weight", "bias", "running_mean", "running_var")
            return dict.fromkeys(ends, (self.channels,))
        weight = (self.made, self.channels)
        if self.op == "conv":
            weight += (self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.made,)}


class Program(NamedTuple):
    """A block for some arguments, and the input with which it is tried.

    Attributes:
        task: its name in `check`.
        noun: what to call it in a sentence.
        arguments: by the names of the book's signature, in its order.
        keywords: whether they are given by name.
        images: N×C×H×W of the input.
        steps: the last one makes the output.
    """

    task: str
    noun: str
    arguments: Mapping[str, object]
    keywords: bool
    images: tuple[int, int, int, int]
    steps: tuple[Step, ...]

    @property
    def layers(self) -> list[Step]:
        """The steps with weights, in forward order."""
        return [step for step in self.steps if step.op in LAYERS]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all arrays under their canonical names."""
        return {
            f"{step.name}.{end}": shape
            for step in self.layers
            for end, shape in step.shapes.items()
        }


def _unit(
    prefix: str, number: str, read: str, channels: int, made: int, kernel: int
) -> list[Step]:
    """Normalisation, ReLU, convolution."""
    norm, relu, conv = (f"{prefix}{part}{number}" for part in ("norm", "relu", "conv"))
    return [
        Step("norm", norm, (read,), channels),
        Step("relu", relu, (norm,)),
        Step("conv", conv, (relu,), channels, made, kernel),
    ]


def _dense(
    prefix: str, read: str, num_layers: int, channels: int, growth_rate: int
) -> list[Step]:
    """The layers of a dense block, and at its end the concatenation of all."""
    steps, features = [], [read]
    for number in range(1, num_layers + 1):
        layer = f"{prefix}denselayer{number}."
        if number > 1:
            steps.append(Step("concat", f"{layer}input", tuple(features)))
            read = steps[-1].name
        steps += _unit(layer, "1", read, channels, growth_rate, 3)
        features.append(steps[-1].name)
        channels += growth_rate
    return [*steps, Step("concat", f"{prefix}output", tuple(features))]


def conv_block(in_channels: int = 3, growth_rate: int = 4) -> Program:
    arguments = {"in_channels": in_channels, "growth_rate": growth_rate}
    steps = _unit("", "1", INPUT, in_channels, growth_rate, 3)
    images = (2, in_channels, 6, 10)
    return Program("conv_block", "block", arguments, False, images, tuple(steps))


def bottleneck_block(in_channels: int = 3, growth_rate: int = 4) -> Program:
    inner = 4 * growth_rate
    steps = _unit("", "1", INPUT, in_channels, inner, 1)
    steps += _unit("", "2", "conv1", inner, growth_rate, 3)
    plain = conv_block(in_channels, growth_rate)
    return plain._replace(task="bottleneck_block", steps=tuple(steps))


def transition_block(in_channels: int = 6, out_channels: int = 4) -> Program:
    arguments = {"in_channels": in_channels, "out_channels": out_channels}
    steps = _unit("", "", INPUT, in_channels, out_channels, 1)
    steps.append(Step("average", "pool", ("conv",)))
    # An odd width, whose last column the pooling drops.
    images = (2, in_channels, 8, 9)
    return Program("transition_block", "block", arguments, False, images, tuple(steps))


def dense_block(
    num_layers: int = 3, in_channels: int = 3, growth_rate: int = 4
) -> Program:
    arguments = {
        "num_layers": num_layers,
        "in_channels": in_channels,
        "growth_rate": growth_rate,
    }
    steps = _dense("", INPUT, num_layers, in_channels, growth_rate)
    images = (2, in_channels, 6, 10)
    return Program("dense_block", "block", arguments, False, images, tuple(steps))


def memory_efficient_block() -> Program:
    return dense_block()._replace(task="memory_efficient_block")


def densenet() -> Program:
    channels, growth_rate, config = 5, 4, (2, 1, 2)
    arguments = {
        "in_channels": 1,
        "num_classes": 3,
        "growth_rate": growth_rate,
        "block_config": config,
        "init_features": channels,
    }
    steps = [
        Step("conv", "conv0", (INPUT,), 1, channels, 7, 2),
        Step("norm", "norm0", ("conv0",), channels),
        Step("relu", "relu0", ("norm0",)),
        Step("maximum", "pool0", ("relu0",)),
    ]
    for number, num_layers in enumerate(config, start=1):
        read = steps[-1].name
        if number > 1:
            prefix, kept = f"transition{number - 1}.", channels // 2
            steps += _unit(prefix, "", read, channels, kept, 1)
            read, channels = f"{prefix}pool", kept
            steps.append(Step("average", read, (f"{prefix}conv",)))
        prefix = f"denseblock{number}."
        steps += _dense(prefix, read, num_layers, channels, growth_rate)
        channels += num_layers * growth_rate
    steps += [
        Step("norm", "norm5", (steps[-1].name,), channels),
        Step("relu", "relu5", ("norm5",)),
        Step("mean", "pool5", ("relu5",)),
        Step("linear", "classifier", ("pool5",), channels, 3),
    ]
    images = (2, 1, 32, 32)
    return Program("densenet", "network", arguments, True, images, tuple(steps))


PROGRAMS = {
    build.__name__: build
    for build in (
        conv_block,
        dense_block,
        transition_block,
        bottleneck_block,
        densenet,
        memory_efficient_block,
    )
}
