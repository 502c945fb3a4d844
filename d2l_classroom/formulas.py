"""The counts that are asked for: the right formulas, and the wrong ones in words."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import NamedTuple

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
SQUARE = "a 3×3 kernel has 9 weights for each pair of channels, not 3"
ACCUMULATED = (
    "the channels are not accumulated: each layer reads growth_rate channels more than "
    "the one before it"
)
FROM_0 = "the first layer reads no more than in_channels: nothing was added before it"
EXCHANGED = "growth_rate and in_channels are exchanged"
# Mistakes are other arguments of the right functions: `norm` numbers per channel of a
# batch norm, `bias` per output channel of a convolution, `kernel` weights of a 3×3.
COMMON = {
    BIASES: {"bias": 0},
    f"the batch norms are missing: {NORMS}": {"norm": 0},
    f"a batch norm has more: {NORMS}": {"norm": 1},
    STATISTICS: {"norm": 4},
    f"the biases and the batch norms are missing: {NORMS}": {"norm": 0, "bias": 0},
    f"{STATISTICS}; and {BIASES}": {"norm": 4, "bias": 0},
}


def _read(num_layers: int, in_channels: int, growth_rate: int) -> int:
    """The channels that a block's layers read, added up."""
    return sum(in_channels + i * growth_rate for i in range(num_layers))


def _block(
    num_layers: int,
    in_channels: int,
    growth_rate: int,
    norm: int = 2,
    bias: int = 1,
    kernel: int = 9,
    accumulate: int = 1,
) -> int:
    read = _read(num_layers, in_channels, accumulate * growth_rate)
    return (norm + kernel * growth_rate) * read + bias * num_layers * growth_rate


def _transition(
    in_channels: int, out_channels: int, norm: int = 2, bias: int = 1
) -> int:
    return norm * in_channels + (in_channels + bias) * out_channels


def _network(
    block_config: tuple[int, ...],
    in_channels: int,
    init_features: int,
    growth_rate: int,
    compression: float,
    num_classes: int,
    norm: int = 2,
    bias: int = 1,
    stem: int = 49,
    first: int = 1,
    last: int = 1,
    head: int = 1,
    transitions: int = 1,
    keep: Callable[[int, float], int] = lambda channels, share: int(channels * share),
    restart: bool = False,
    **layer: int,
) -> int:
    channels = init_features
    total = (stem * in_channels + bias + first * norm) * channels
    for number, num_layers in enumerate(block_config):
        if number:
            kept = keep(channels, compression)
            total += transitions * _transition(channels, kept, norm, bias)
            channels = init_features if restart else kept
        total += _block(num_layers, channels, growth_rate, norm, bias, **layer)
        channels += num_layers * growth_rate
    return total + (last * norm + num_classes) * channels + head * num_classes


def _changed(formula: Formula, changes: Mapping[str, dict]) -> dict[str, Formula]:
    return {text: partial(formula, **change) for text, change in changes.items()}


NETWORK = {
    SQUARE: {"kernel": 3},
    "the kernel of the stem is 7×7, not 3×3": {"stem": 9},
    f"the stem has a batch norm, too: {NORMS}": {"first": 0},
    f"there is a last batch norm before the classifier: {NORMS}": {"last": 0},
    f"the batch norms of the stem and before the classifier are missing: {NORMS}": {
        "first": 0,
        "last": 0,
    },
    "the classifier has a bias for each class": {"head": 0},
    ACCUMULATED: {"accumulate": 0},
    "the channels are not counted through the network: after a transition the next "
    "block starts from what the transition leaves": {"restart": True},
    "the transitions are missing": {"transitions": 0},
    "a transition keeps only a share of the channels, the compression": {
        "keep": lambda channels, share: channels
    },
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
            **_changed(_block, COMMON),
            **_changed(_block, {SQUARE: {"kernel": 3}, ACCUMULATED: {"accumulate": 0}}),
            "each layer reads all before it, not only the last": lambda n, c, k: (
                _block(1, c, k) + (n - 1) * _block(1, k, k)
            ),
            FROM_0: lambda n, c, k: _block(n, c + k, k),
            "one layer is missing: there are num_layers": lambda n, c, k: (
                _block(n - 1, c, k)
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
            **_changed(_transition, COMMON),
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
        tuple(signature(_network).parameters)[:6],
        (
            ((2,), 1, 6, 4, 0.5, 10),
            ((2, 3), 3, 5, 4, 0.5, 7),
            ((4, 4, 4, 4), 1, 64, 32, 0.5, 10),
            ((3, 2, 4), 3, 16, 12, 0.75, 100),
        ),
        _network,
        _changed(_network, COMMON | NETWORK),
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
