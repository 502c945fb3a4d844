"""The counts that are asked for: the right formulas, and the wrong ones in words."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from d2l_lite.networks import summary

Formula = Callable[..., int]


class Count(NamedTuple):
    """A function to be written.

    Attributes:
        signature: the names of its arguments.
        settings: the arguments that it is tried with.
        formula: the right one.
        mistakes: what other formulas have done, in words, and these formulas.
        noun: what is counted.
    """

    signature: tuple[str, ...]
    settings: tuple[tuple, ...]
    formula: Formula
    mistakes: Mapping[str, Formula]
    noun: str = "parameters"


NORMS = "each batch norm learns 2 numbers per channel, its scale and its shift"
STATISTICS = (
    "you count running statistics: they are kept, not learnt, and are no parameters"
)
BIASES = "the biases of the convolutions are missing, one number per output channel"
# What is counted too much for each channel of a batch norm, and for each bias.
COMMON = {
    BIASES: (0, -1),
    f"the batch norms are missing: {NORMS}": (-2, 0),
    f"a batch norm has more: {NORMS}": (-1, 0),
    STATISTICS: (2, 0),
    f"the biases and the batch norms are missing: {NORMS}": (-2, -1),
    f"{STATISTICS}; and {BIASES}": (2, -1),
}
SQUARE = "a 3×3 kernel has 9 weights for each pair of channels, not 3"
ACCUMULATED = (
    "the channels are not accumulated: each layer reads growth_rate channels more than "
    "the one before it"
)
FROM_0 = "the first layer reads no more than in_channels: nothing was added before it"
EXCHANGED = "growth_rate and in_channels are exchanged"


def _common(right: Formula, normalised: Formula, biases: Formula) -> dict[str, Formula]:
    def changed(norm: int, bias: int) -> Formula:
        return lambda *a: right(*a) + norm * normalised(*a) + bias * biases(*a)

    return {text: changed(*more) for text, more in COMMON.items()}


def _read(num_layers: int, in_channels: int, growth_rate: int) -> int:
    """The channels that a block's layers read, added up."""
    return sum(in_channels + i * growth_rate for i in range(num_layers))


def _block(num_layers: int, in_channels: int, growth_rate: int) -> int:
    stages = summary.stages(
        "densenet",
        32,
        block_config=(num_layers,),
        init_features=in_channels,
        growth_rate=growth_rate,
    )
    return next(s.parameters for s in stages if s.name == "dense block 1")


def _transition(in_channels: int, out_channels: int) -> int:
    return 2 * in_channels + in_channels * out_channels + out_channels


class Network(NamedTuple):
    """A network by its arguments, with its parameters and with parts of them."""

    block_config: tuple[int, ...]
    in_channels: int
    init_features: int
    growth_rate: int
    compression: float
    num_classes: int

    def parameters(self) -> int:
        stages = summary.stages("densenet", 224, **self._asdict())
        return sum(stage.parameters for stage in stages)

    def blocks(self, restart: bool = False) -> list[tuple[tuple[int, int, int], int]]:
        """Each block's arguments, and how many channels a transition behind it leaves.

        With `restart` each is counted as if its block read what the stem leaves.
        """
        found, read = [], self.init_features
        for layers in self.block_config:
            block = layers, read, self.growth_rate
            start = self.init_features if restart else read
            read = int((start + layers * self.growth_rate) * self.compression)
            found.append((block, read))
        return found

    def left(self, restart: bool = False) -> list[int]:
        """How many channels each block leaves."""
        return [read + n * k for (n, read, k), _ in self.blocks(restart)]

    def layers(self) -> int:
        """The channels that all dense layers read, added up."""
        return sum(_read(*block) for block, _ in self.blocks())

    def normalised(self) -> int:
        return self.init_features + self.layers() + sum(self.left())

    def biases(self) -> int:
        """Those of the convolutions."""
        made = sum(self.block_config) * self.growth_rate
        return self.init_features + made + sum(kept for _, kept in self.blocks()[:-1])

    def transitions(self, restart: bool = False) -> int:
        pairs = zip(self.left(restart)[:-1], self.blocks(restart))
        return sum(_transition(left, kept) for left, (_, kept) in pairs)

    def head(self, channels: int) -> int:
        return 2 * channels + (channels + 1) * self.num_classes

    def accumulation(self) -> int:
        """What is missing if every layer of a block reads only what the block does."""
        return sum(
            _block(n, read, k) - n * _block(1, read, k)
            for (n, read, k), _ in self.blocks()
        )

    def restarted(self) -> int:
        stem = (49 * self.in_channels + 3) * self.init_features
        blocks = sum(_block(*block) for block, _ in self.blocks(restart=True))
        head = self.head(self.left(restart=True)[-1])
        return stem + blocks + self.transitions(restart=True) + head


def _network(count: Callable[[Network], int]) -> Formula:
    return lambda *arguments: count(Network(*arguments))


NETWORK: dict[str, Callable[[Network], int]] = {
    SQUARE: lambda n: n.parameters() - 6 * n.growth_rate * n.layers(),
    "the kernel of the stem is 7×7, not 3×3": lambda n: (
        n.parameters() - 40 * n.in_channels * n.init_features
    ),
    f"the stem has a batch norm, too: {NORMS}": lambda n: (
        n.parameters() - 2 * n.init_features
    ),
    f"there is a last batch norm before the classifier: {NORMS}": lambda n: (
        n.parameters() - 2 * n.left()[-1]
    ),
    f"the batch norms of the stem and before the classifier are missing: {NORMS}": (
        lambda n: n.parameters() - 2 * (n.init_features + n.left()[-1])
    ),
    "the classifier has a bias for each class": lambda n: (
        n.parameters() - n.num_classes
    ),
    ACCUMULATED: lambda n: n.parameters() - n.accumulation(),
    "the channels are not counted through the network: after a transition the next "
    "block starts from what the transition leaves": Network.restarted,
    "the transitions are missing": lambda n: n.parameters() - n.transitions(),
    "a transition keeps only a share of the channels, the compression": lambda n: (
        n._replace(compression=1.0).parameters()
    ),
}
KEPT = (
    ("num_layers", "growth_rate", "in_channels"),
    ((1, 5, 3), (3, 4, 7), (12, 12, 16), (32, 12, 400)),
)

COUNTS = {
    "block_parameters": Count(
        ("num_layers", "in_channels", "growth_rate"),
        ((1, 3, 5), (2, 3, 10), (4, 64, 32), (12, 16, 12)),
        _block,
        {
            **_common(_block, _read, lambda n, c, k: n * k),
            SQUARE: lambda n, c, k: _block(n, c, k) - 6 * k * _read(n, c, k),
            ACCUMULATED: lambda n, c, k: n * _block(1, c, k),
            "each layer reads all before it, not only the last": lambda n, c, k: (
                _block(1, c, k) + (n - 1) * _block(1, k, k)
            ),
            FROM_0: lambda n, c, k: _block(n, c + k, k),
            "one layer is missing: there are num_layers": lambda n, c, k: (
                _block(n, c, k) - _block(1, c + (n - 1) * k, k)
            ),
            "one layer is too many: there are num_layers": lambda n, c, k: (
                _block(n + 1, c, k)
            ),
            EXCHANGED: lambda n, c, k: _block(n, k, c),
        },
    ),
    "transition_parameters": Count(
        ("in_channels", "out_channels"),
        ((7, 3), (6, 5), (192, 96)),
        _transition,
        {
            **_common(_transition, lambda c, o: c, lambda c, o: o),
            "the kernel of a transition is 1×1, not 3×3": lambda c, o: (
                _transition(c, o) + 8 * c * o
            ),
            "the batch norm stands before the convolution: it has in_channels, not "
            "out_channels": lambda c, o: 2 * o + c * o + o,
            "the bias has out_channels numbers": lambda c, o: 2 * c + c * o + c,
            "out_channels is given; it need not be half of in_channels": lambda c, o: (
                _transition(c, c // 2)
            ),
        },
    ),
    "densenet_parameters": Count(
        Network._fields,
        (
            ((2,), 1, 6, 4, 0.5, 10),
            ((2, 3), 3, 5, 4, 0.5, 7),
            ((4, 4, 4, 4), 1, 64, 32, 0.5, 10),
            ((3, 2, 4), 3, 16, 12, 0.75, 100),
        ),
        _network(Network.parameters),
        {
            **_common(
                _network(Network.parameters),
                _network(Network.normalised),
                _network(Network.biases),
            ),
            **{text: _network(count) for text, count in NETWORK.items()},
        },
    ),
    "kept_plain": Count(
        *KEPT,
        lambda n, k, c: 2 * _read(n, c, k),
        {
            "each layer keeps what it reads twice: the input of the norm and that of "
            "the convolution": lambda n, k, c: _read(n, c, k),
            "what the normalisation hands to ReLU nobody needs again: twice, not three "
            "times": lambda n, k, c: 3 * _read(n, c, k),
            FROM_0: lambda n, k, c: 2 * _read(n, c + k, k),
            "each layer reads growth_rate channels more than the one before it": (
                lambda n, k, c: 2 * n * c
            ),
            "each layer keeps a copy of its own: add up what all layers read": (
                lambda n, k, c: 2 * (c + n * k)
            ),
            "these are the features; the copies are asked for": (
                lambda n, k, c: c + n * k
            ),
            EXCHANGED: lambda n, k, c: 2 * _read(n, k, c),
        },
        "kept numbers",
    ),
    "kept_recomputed": Count(
        *KEPT,
        lambda n, k, c: c + (n - 1) * k,
        {
            "what the last layer makes no layer of the block reads: it is the next "
            "stage's to keep": lambda n, k, c: c + n * k,
            "the block's input is read, too": lambda n, k, c: (n - 1) * k,
            "the block's input is read, too, and what the last layer makes is not": (
                lambda n, k, c: n * k
            ),
            "this is what a plain block keeps": lambda n, k, c: 2 * _read(n, c, k),
            "the features are kept once, not once for each layer that reads them": (
                lambda n, k, c: _read(n, c, k)
            ),
            "the features are kept once; copies are made again": (
                lambda n, k, c: 2 * (c + (n - 1) * k)
            ),
            EXCHANGED: lambda n, k, c: k + (n - 1) * c,
        },
        "kept numbers",
    ),
}
