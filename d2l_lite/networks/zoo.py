"""Networks by name: the arguments of `DenseNet` that make each of them.

Explained in chapters/densenet_zoo.md.
"""

import difflib
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from d2l_lite.checks import check_integer, check_real, check_switch
from d2l_lite.networks.weights import ARRAYS, WeightsError

# What DenseNet's arguments are where a network does not say otherwise.
DEFAULTS: dict[str, Any] = {
    "in_channels": 1,
    "num_classes": 10,
    "growth_rate": 32,
    "block_config": (4, 4, 4, 4),
    "init_features": 64,
    "bottleneck": False,
    "compression": 0.5,
    "dropout": 0.0,
    "small_inputs": False,
    "bias": True,
    "memory_efficient": False,
}


def _imagenet(growth_rate: int, init_features: int, *block_config: int) -> dict:
    """A DenseNet-BC of Table 1 in Huang et al., "Densely Connected ..." (CVPR 2017)."""
    return DEFAULTS | {
        "in_channels": 3,
        "num_classes": 1000,
        "growth_rate": growth_rate,
        "block_config": block_config,
        "init_features": init_features,
        "bottleneck": True,
        "bias": False,
    }


def _cifar(depth: int, growth_rate: int, bottleneck: bool) -> dict:
    """A network of Table 2 there: three equal blocks; section 4.2 has their sizes."""
    # Depth counts the stem, two transitions, the classifier and every convolution.
    num_layers = (depth - 4) // (6 if bottleneck else 3)
    return DEFAULTS | {
        "in_channels": 3,
        "growth_rate": growth_rate,
        "block_config": (num_layers,) * 3,
        "init_features": 2 * growth_rate if bottleneck else 16,
        "bottleneck": bottleneck,
        "compression": 0.5 if bottleneck else 1.0,
        "small_inputs": True,
        "bias": False,
    }


def _small(growth_rate: int) -> dict:
    """A network with most layers where positions are few, without bottlenecks."""
    return DEFAULTS | {
        "growth_rate": growth_rate,
        "block_config": (2, 4, 6),
        "init_features": growth_rate,
        "small_inputs": True,
        "bias": False,
    }


NETWORKS: dict[str, dict[str, Any]] = {
    # The plain network: 758,226 parameters for one channel and ten classes.
    "densenet": DEFAULTS,
    # For small pictures on a laptop, chosen by measurement: see chapters/results.md.
    "densenet-small": _small(16),
    "densenet-small-32": _small(32),
    "densenet121": _imagenet(32, 64, 6, 12, 24, 16),
    "densenet161": _imagenet(48, 96, 6, 12, 36, 24),
    "densenet169": _imagenet(32, 64, 6, 12, 32, 32),
    "densenet201": _imagenet(32, 64, 6, 12, 48, 32),
    "densenet264": _imagenet(32, 64, 6, 12, 64, 48),
    "densenet-40-12": _cifar(40, 12, False),
    "densenet-100-12": _cifar(100, 12, False),
    "densenet-100-24": _cifar(100, 24, False),
    "densenet-bc-40-12": _cifar(40, 12, True),
    "densenet-bc-100-12": _cifar(100, 12, True),
    "densenet-bc-250-24": _cifar(250, 24, True),
    "densenet-bc-190-40": _cifar(190, 40, True),
}


def arguments(name: str, call: str = "build", /, **changes: Any) -> dict[str, Any]:
    """The arguments of a network, some of them changed.

    Raises:
        ValueError: an unknown name, with the nearest ones, or a wrong argument.
    """
    if not isinstance(name, str) or name not in NETWORKS:
        near = difflib.get_close_matches(str(name), NETWORKS, cutoff=0.3)
        raise ValueError(
            f"{call}({name!r}): unknown network; nearest names: "
            f"{', '.join(near or NETWORKS)}"
        )
    return checked(NETWORKS[name] | changes, call)


def checked(arguments: Mapping[str, Any], call: str) -> dict[str, Any]:
    """The arguments, if each is known and in its range; else ValueError."""
    at_least_1 = partial(check_integer, low=1, high=None)
    rules = {
        "in_channels": at_least_1,
        "num_classes": at_least_1,
        "growth_rate": at_least_1,
        "init_features": at_least_1,
        "bottleneck": check_switch,
        "compression": partial(check_real, low=0, high=1, above=True, closed=True),
        "dropout": partial(check_real, low=0, high=1),
        "small_inputs": check_switch,
        "bias": check_switch,
        "memory_efficient": check_switch,
    }
    for name, value in arguments.items():
        if name not in DEFAULTS:
            known = ", ".join(DEFAULTS)
            raise ValueError(f"{call}({name}={value!r}): unknown; choose from {known}")
        if name in rules:
            rules[name](value, call=f"{call}({name}={value!r})")
    config = arguments["block_config"]
    if not isinstance(config, (tuple, list)) or not config:
        raise ValueError(
            f"{call}(block_config={config!r}): must be a tuple of the number of layers "
            "in each block, at least one block"
        )
    for num_layers in config:
        at_least_1(num_layers, call=f"{call}(block_config={config!r}), each number")
    channels = arguments["init_features"]
    for number, num_layers in enumerate(config[:-1], start=1):
        grown = channels + num_layers * arguments["growth_rate"]
        channels = int(grown * arguments["compression"])
        if channels < 1:
            none = f"transition {number} would keep none of {grown} channels"
            raise ValueError(f"{call}(compression={arguments['compression']}): {none}")
    return dict(arguments) | {"block_config": tuple(config)}


def describe(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The network that has weights of these shapes: its `network` and `arguments`.

    `network` is a name of the zoo, "DenseNet" for one that has none there. Dropout
    leaves no trace in weights and is that of the metadata of their file, else 0;
    `memory_efficient` is left out.

    Raises:
        WeightsError: no DenseNet has such weights, or the metadata say otherwise.
    """
    layers: dict[int, set[str]] = {}
    for name in shapes:
        if match := re.match(r"features\.denseblock(\d+)\.denselayer(\d+)\.", name):
            layers.setdefault(int(match[1]), set()).add(match[2])
    first = "features.denseblock1.denselayer1.conv{}.weight"
    bottleneck = first.format(2) in shapes
    stem, growth, head = needed = [
        "features.conv0.weight",
        first.format(2 if bottleneck else 1),
        "classifier.weight",
    ]
    between = [f"features.transition{i}.conv.weight" for i in range(1, len(layers))]
    wrong = [
        name
        for name in (*needed, *between)
        if len(shapes.get(name, ())) < 2 or 0 in shapes[name]
    ]
    if wrong:
        raise WeightsError(f"not the weights of a DenseNet: no {', '.join(wrong)}")
    channels = [shapes[name][:2] for name in between]
    found = DEFAULTS | {
        "in_channels": shapes[stem][1],
        "num_classes": shapes[head][0],
        "growth_rate": shapes[growth][0],
        "block_config": tuple(len(layers[block]) for block in sorted(layers)),
        "init_features": shapes[stem][0],
        "bottleneck": bottleneck,
        "compression": _compression(channels),
        "small_inputs": "features.norm0.weight" not in shapes,
        "bias": "features.conv0.bias" in shapes,
    }
    # How it computes is no property of a network's weights.
    del found["memory_efficient"]
    data = ("in_channels", "num_classes")
    names = [
        name
        for name, known in NETWORKS.items()
        if all(found[key] == known[key] for key in found if key not in data)
    ]
    metadata = metadata or {}
    noted = metadata.get("arguments")
    noted = dict(noted) if isinstance(noted, dict) else {}
    noted.pop("memory_efficient", None)
    found["dropout"] = noted.pop("dropout", found["dropout"])
    # Several numbers may keep the same channels; ours is the shortest.
    if _keeps(noted.get("compression"), channels):
        noted["compression"] = found["compression"]
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in noted.items()}
    other = [key for key, value in plain.items() if found.get(key) != value]
    said = [f"{key}={plain[key]!r}" for key in other]
    if (name := metadata.get("network")) in list(NETWORKS) and name not in names:
        said.append(name)
    if said:
        shown = ", ".join(f"{key}={found[key]!r}" for key in other if key in found)
        rule = f"its metadata say {', '.join(said)}, its shapes {shown or 'otherwise'}"
        raise WeightsError(rule)
    return {"network": names[0] if names else "DenseNet", "arguments": found}


def _keeps(compression: object, transitions: list[tuple[int, ...]]) -> bool:
    """Whether transitions of (kept, channels) have this compression."""
    return (
        isinstance(compression, (int, float))
        and 0 < compression <= 1
        and all(int(channels * compression) == kept for kept, channels in transitions)
    )


def _compression(transitions: list[tuple[int, ...]]) -> float:
    """The number of fewest digits that turns each pair's channels into those kept."""
    ratios = [Fraction(kept, channels) for kept, channels in transitions]
    low = max(ratios, default=Fraction(DEFAULTS["compression"]))
    for digits in range(1, 17):
        lowest = math.ceil(low * 10**digits)
        # The next one as well: 0.29 · 100 is 28.999999999999996 to the processor.
        for found in (lowest / 10**digits, (lowest + 1) / 10**digits):
            if _keeps(found, transitions):
                return found
    pairs = ", ".join(f"{channels} to {kept}" for kept, channels in transitions)
    raise WeightsError(f"not the weights of a DenseNet: transitions from {pairs}")


def shapes(arguments: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights of a network with these arguments, in forward order."""
    found: dict[str, tuple[int, ...]] = {}

    def norm(name, channels):
        found.update({f"{name}.{array}": (channels,) for array in ARRAYS})

    def conv(name, channels, read, size):
        found[f"{name}.weight"] = channels, read, size, size
        if arguments["bias"]:
            found[f"{name}.bias"] = (channels,)

    growth, channels = arguments["growth_rate"], arguments["init_features"]
    small, config = arguments["small_inputs"], arguments["block_config"]
    conv("features.conv0", channels, arguments["in_channels"], 3 if small else 7)
    if not small:
        norm("features.norm0", channels)
    for block, num_layers in enumerate(config, start=1):
        for number in range(1, num_layers + 1):
            layer, read = f"features.denseblock{block}.denselayer{number}", channels
            norm(f"{layer}.norm1", read)
            if arguments["bottleneck"]:
                conv(f"{layer}.conv1", 4 * growth, read, 1)
                read = 4 * growth
                norm(f"{layer}.norm2", read)
            last = 2 if arguments["bottleneck"] else 1
            conv(f"{layer}.conv{last}", growth, read, 3)
            channels += growth
        if block < len(config):
            kept = int(channels * arguments["compression"])
            norm(f"features.transition{block}.norm", channels)
            conv(f"features.transition{block}.conv", kept, channels, 1)
            channels = kept
    norm("features.norm5", channels)
    found["classifier.weight"] = arguments["num_classes"], channels
    found["classifier.bias"] = (arguments["num_classes"],)
    return found
