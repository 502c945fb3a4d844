"""The counts that are asked for: the right formulas, and the wrong ones in words."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from d2l_classroom import arithmetic

Formula = Callable[..., int]


class Count(NamedTuple):
    """A function to be written.

    Attributes:
        signature: the names of its arguments.
        settings: the arguments that it is tried with.
        formula: the right one.
        mistakes: other formulas, with what they have done in words.
        noun: what is counted.
    """

    signature: tuple[str, ...]
    settings: tuple[tuple, ...]
    formula: Formula
    mistakes: Sequence[tuple[Formula, str]]
    noun: str = "parameters"


def _with(formula: Formula, **changes: Any) -> Formula:
    return lambda *arguments: formula(*arguments, **changes)


NORMS = "each batch norm learns 2 numbers per channel, its scale and its shift"
STATISTICS = (
    "you count running statistics: they are kept, not learnt, and are no parameters"
)
BIASES = "the biases of the convolutions are missing, one number per output channel"


def _common(formula: Formula) -> list[tuple[Formula, str]]:
    return [
        (_with(formula, bias=0), BIASES),
        (_with(formula, norm=0), f"the batch norms are missing: {NORMS}"),
        (_with(formula, norm=1), f"a batch norm has more: {NORMS}"),
        (_with(formula, norm=4), STATISTICS),
        (
            _with(formula, norm=0, bias=0),
            f"the biases and the batch norms are missing: {NORMS}",
        ),
        (_with(formula, norm=4, bias=0), f"{STATISTICS}; and {BIASES}"),
    ]


LAYERS_OF_A_BLOCK = [
    (
        _with(arithmetic.block, square=False),
        "a 3×3 kernel has 9 weights for each pair of channels, not 3",
    ),
    (
        _with(arithmetic.block, accumulate=False),
        "the channels are not accumulated: layer i reads in_channels + i * "
        "growth_rate, i counted from 0",
    ),
    (
        _with(arithmetic.block, last=True),
        "each layer reads all before it, not only the last",
    ),
    (
        _with(arithmetic.block, first=1),
        "the first layer reads in_channels: count i from 0, not from 1",
    ),
    (
        lambda n, c, k: arithmetic.block(n - 1, c, k),
        "one layer is missing: there are num_layers",
    ),
    (
        lambda n, c, k: arithmetic.block(n + 1, c, k),
        "one layer is too many: there are num_layers",
    ),
    (
        lambda n, c, k: arithmetic.block(n, k, c),
        "in_channels and growth_rate are exchanged",
    ),
]

COUNTS = {
    "block_parameters": Count(
        ("num_layers", "in_channels", "growth_rate"),
        ((1, 3, 5), (2, 3, 10), (4, 64, 32), (12, 16, 12)),
        arithmetic.block,
        [*_common(arithmetic.block), *LAYERS_OF_A_BLOCK],
    ),
    "transition_parameters": Count(
        ("in_channels", "out_channels"),
        ((7, 3), (6, 5), (192, 96)),
        arithmetic.transition,
        [
            *_common(arithmetic.transition),
            (
                _with(arithmetic.transition, kernel=3),
                "the kernel of a transition is 1×1, not 3×3",
            ),
            (
                lambda c, o: 2 * o + c * o + o,
                "the batch norm stands before the convolution: it has in_channels, not "
                "out_channels",
            ),
            (lambda c, o: 2 * c + c * o + c, "the bias has out_channels numbers"),
            (
                lambda c, o: 2 * c + c * (c // 2) + c // 2,
                "out_channels is given; it need not be half of in_channels",
            ),
        ],
    ),
    "densenet_parameters": Count(
        (
            "block_config",
            "in_channels",
            "init_features",
            "growth_rate",
            "compression",
            "num_classes",
        ),
        (
            ((2,), 1, 6, 4, 0.5, 10),
            ((2, 3), 3, 5, 4, 0.5, 7),
            ((4, 4, 4, 4), 1, 64, 32, 0.5, 10),
            ((3, 2, 4), 3, 16, 12, 0.75, 100),
        ),
        arithmetic.densenet,
        [
            *_common(arithmetic.densenet),
            (_with(arithmetic.densenet, square=False), LAYERS_OF_A_BLOCK[0][1]),
            (
                _with(arithmetic.densenet, stem_kernel=3),
                "the kernel of the stem is 7×7, not 3×3",
            ),
            (
                _with(arithmetic.densenet, stem_norm=0),
                f"the stem has a batch norm, too: {NORMS}",
            ),
            (
                _with(arithmetic.densenet, head_norm=0),
                f"there is a last batch norm before the classifier: {NORMS}",
            ),
            (
                _with(arithmetic.densenet, head_norm=0, stem_norm=0),
                f"the batch norms of the stem and before the classifier are missing: "
                f"{NORMS}",
            ),
            (
                _with(arithmetic.densenet, head_bias=0),
                "the classifier has a bias for each class",
            ),
            (_with(arithmetic.densenet, accumulate=False), LAYERS_OF_A_BLOCK[1][1]),
            (
                _with(arithmetic.densenet, restart=True),
                "the channels are not counted through the network: after a transition "
                "the next block starts from what the transition leaves",
            ),
            (
                _with(arithmetic.densenet, transitions_after_all=True),
                "there is no transition after the last block",
            ),
            (
                _with(arithmetic.densenet, transition=False),
                "the transitions are missing",
            ),
            (
                _with(arithmetic.densenet, compress=False),
                "a transition leaves int(compression * channels)",
            ),
        ],
    ),
    "kept_plain": Count(
        ("num_layers", "growth_rate", "in_channels"),
        ((1, 5, 3), (3, 4, 7), (12, 12, 16), (32, 12, 400)),
        lambda n, k, c: sum(2 * (c + i * k) for i in range(n)),
        [
            (
                lambda n, k, c: sum(c + i * k for i in range(n)),
                "each layer keeps what it reads twice: the input of the norm and "
                "that of the convolution",
            ),
            (
                lambda n, k, c: sum(3 * (c + i * k) for i in range(n)),
                "what the normalisation hands to ReLU nobody needs again: twice, not "
                "three times",
            ),
            (
                lambda n, k, c: sum(2 * (c + i * k) for i in range(1, n + 1)),
                "the first layer reads in_channels: count i from 0, not from 1",
            ),
            (
                lambda n, k, c: 2 * n * c,
                "layer i reads in_channels + i * growth_rate: all that came before",
            ),
            (
                lambda n, k, c: 2 * (c + n * k),
                "each layer keeps a copy of its own: add up what all layers read",
            ),
            (
                lambda n, k, c: c + n * k,
                "these are the features; the copies are asked for",
            ),
            (
                lambda n, k, c: sum(2 * (k + i * c) for i in range(n)),
                "growth_rate and in_channels are exchanged",
            ),
        ],
        "kept numbers",
    ),
    "kept_recomputed": Count(
        ("num_layers", "growth_rate", "in_channels"),
        ((1, 5, 3), (3, 4, 7), (12, 12, 16), (32, 12, 400)),
        lambda n, k, c: c + (n - 1) * k,
        [
            (
                lambda n, k, c: c + n * k,
                "what the last layer makes no layer of the block reads: it is the next "
                "stage's to keep",
            ),
            (lambda n, k, c: (n - 1) * k, "the block's input is read, too"),
            (lambda n, k, c: n * k, "the block's input is read, too"),
            (
                lambda n, k, c: sum(2 * (c + i * k) for i in range(n)),
                "this is what a plain block keeps",
            ),
            (
                lambda n, k, c: sum(c + i * k for i in range(n)),
                "the features are kept once, not once for each layer that reads them",
            ),
            (
                lambda n, k, c: 2 * (c + (n - 1) * k),
                "the features are kept once; copies are made again",
            ),
            (
                lambda n, k, c: k + (n - 1) * c,
                "growth_rate and in_channels are exchanged",
            ),
        ],
        "kept numbers",
    ),
}
