"""Parameters by arithmetic, with a switch for each mistake that is easily made."""

from collections.abc import Sequence
from typing import Any


def layer(
    read: int, made: int, kernel: int, bias: int = 1, norm: int = 2, square: bool = True
) -> int:
    """Normalisation and convolution."""
    return norm * read + read * made * (kernel**2 if square else kernel) + bias * made


def block(
    num_layers: int,
    in_channels: int,
    growth_rate: int,
    first: int = 0,
    accumulate: bool = True,
    last: bool = False,
    **changes: Any,
) -> int:
    total = 0
    for i in range(first, num_layers + first):
        read = in_channels + i * growth_rate * accumulate
        if last and i > 0:
            read = growth_rate
        total += layer(read, growth_rate, 3, **changes)
    return total


def transition(in_channels: int, out_channels: int, **changes: Any) -> int:
    kernel = changes.pop("kernel", 1)
    return layer(in_channels, out_channels, kernel, **changes)


def densenet(
    block_config: Sequence[int],
    in_channels: int,
    init_features: int,
    growth_rate: int,
    compression: float,
    num_classes: int,
    stem_kernel: int = 7,
    stem_norm: int = 2,
    head_norm: int = 2,
    head_bias: int = 1,
    restart: bool = False,
    transitions_after_all: bool = False,
    transition: bool = True,
    compress: bool = True,
    **changes: Any,
) -> int:
    bias, norm = changes.get("bias", 1), changes.get("norm", 2)
    channels = init_features
    total = in_channels * channels * stem_kernel**2 + bias * channels
    total += min(stem_norm, norm) * channels
    for number, num_layers in enumerate(block_config, start=1):
        total += block(num_layers, channels, growth_rate, **changes)
        grown = (init_features if restart else channels) + num_layers * growth_rate
        ends = number == len(block_config)
        if ends and not transitions_after_all:
            channels += num_layers * growth_rate
            break
        kept = int(grown * compression) if compress else grown
        if transition:
            total += layer(channels + num_layers * growth_rate, kept, 1, bias, norm)
        channels = kept
    total += min(head_norm, norm) * channels
    return total + (channels + head_bias) * num_classes
