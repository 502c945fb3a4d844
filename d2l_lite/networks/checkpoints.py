"""Checkpoints of other projects and of training scripts as canonical weights.

The canonical names are explained in chapters/four_frameworks.md.
"""

import io
import itertools
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from d2l_lite import installation
from d2l_lite.checks import check_real
from d2l_lite.networks import weights, zoo
from d2l_lite.networks.file_kinds import PYTORCH, other_kind
from d2l_lite.networks.weights import WeightsError

Arrays = dict[str, np.ndarray]
# What wrappers of PyTorch put into names; no name of a DenseNet has it.
WRAPPERS = re.compile(
    r"(?<![^.])(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
CANONICAL = re.compile(
    r"(?:features\.(?:conv0|norm0|norm5|denseblock\d+\.denselayer\d+\.(?:norm|conv)[12]"
    r"|transition\d+\.(?:norm|conv))|classifier)\.\w+$"
)
COUNTERS = ("num_batches_tracked", "n_averaged")
AVERAGED = re.compile(r"(?:^|[._])(?:ema|swa|averaged?)(?:[._]|$)", re.IGNORECASE)
# Of the book's batch norm.
EPSILON = 1e-5


# From other names to canonical ones, each after the other; `+` before a number adds 1.
RULES = {
    # torchvision's published files, and gpleiss', are older than the names in its code.
    r"(denselayer\d+\.(?:norm|conv))\.(\d\.)": r"\1\2",
    r"(denselayer\d+\.)layers\.": r"\1",
    r"^features\.norm_final\.": "features.norm5.",
    r"^conv1\.": "features.conv0.",
    r"^(?:dense|block)(\d+)\.(?:layer\.)?(\d+)": r"features.denseblock\1.denselayer+\2",
    r"^trans(\d+)\.(bn|conv)1?\.": r"features.transition\1.\2.",
    r"^bn1?\.": "features.norm5.",
    r"\.bn(\d?\.)": r".norm\1",
}
# By a name in it, whose project a layout is; what stands before that name stands before
# all. If several fit, the last is taken.
LAYOUTS = {
    # pytorch/vision torchvision/models/densenet.py; timm and torchxrayvision follow it.
    (STEM := "features.conv0.weight"): "torchvision",
    # Project-MONAI/MONAI monai/networks/nets/densenet.py
    "features.denseblock1.denselayer1.layers.norm1.weight": "MONAI",
    # gpleiss/efficient_densenet_pytorch models/densenet.py
    "features.norm_final.weight": "efficient_densenet_pytorch",
    # andreasveit/densenet-pytorch and bamos/densenet.pytorch, densenet.py in both
    "trans1.bn1.weight": "densenet-pytorch",
    # kuangliu/pytorch-cifar models/densenet.py
    "trans1.bn.weight": (NEWEST_FIRST := "pytorch-cifar"),
    # weiaicunzai/pytorch-cifar100 models/densenet.py
    "features.transition_layer_0.down_sample.0.weight": (NO_RELU := "pytorch-cifar100"),
}


class Found(NamedTuple):
    """A network in a checkpoint: where its names are, and what stands before them."""

    place: str
    prefix: str
    entries: Mapping[str, Any]
    layout: str


def read(
    path: str | Path,
    entry: str | None = None,
) -> tuple[Arrays, dict[str, Any]]:
    """The canonical arrays in a DenseNet's checkpoint, and what is known of them.

    The content tells whether it is a safetensors file or one of PyTorch. Types stay,
    but bfloat16, which NumPy does not know, becomes float32. What is known: `network`,
    `arguments`, `framework`, and what the file says beside; `entry` where the network
    is not all of the file, `others` in it, `head` if that has a name of its own,
    `layout` (the project whose names it has), `left` (arrays that are no layer's).

    Args:
        path: the file.
        entry: the network to read if there are several; of two the averaged one if
            None.

    Raises:
        WeightsError: the file is of another kind, damaged, not a DenseNet's, or its
            metadata tell of another network than its shapes.
    """
    content, metadata = _content(path)
    found = {network.place: network for network in _networks(content)}
    averaged = [place for place in found if AVERAGED.search(place)]
    for choice in (averaged, list(found)):
        if entry is None and len(choice) == 1:
            [entry] = choice
    chosen = found.get(entry)
    if not chosen:
        known = ", ".join(map(shlex.quote, found))
        if not found:
            seen = "; ".join(_seen(content)) or "no arrays"
            problem = f"not the weights of a DenseNet: no {STEM}; found {seen}"
        elif entry is None:
            problem = f"holds several networks: choose an entry: {known}"
        else:
            problem = f"no network in entry {entry}; there is: {known}"
        raise WeightsError(f"{path}: {problem}")
    if chosen.place:
        metadata["entry"] = chosen.place
    if others := [place for place in found if place != chosen.place]:
        metadata["others"] = ", ".join(map(shlex.quote, others))
    if chosen.layout == NO_RELU:
        other = "its transitions have no ReLU: no network of the book is the same"
        raise WeightsError(f"{path}: as in {NO_RELU}, {other}")
    beside = [n.prefix for n in found.values() if n.entries is chosen.entries]
    arrays = _arrays(chosen, beside, path)
    metadata["layout"] = chosen.layout
    # Neither features nor of a layer: torchxrayvision's `op_threshs`, a loss's weights.
    beyond = [name for name in arrays if not name.startswith("features.")]
    left = [n for n in beyond if f"{n.rpartition('.')[0]}.weight" not in arrays]
    if left:
        metadata["left"] = ", ".join(left)
        arrays = {name: arrays[name] for name in arrays if name not in left}
    if beyond == left and "features.norm5.weight" in arrays:
        rule = "add classifier.weight, of shape (classes, features), to its arrays"
        beside = f" (it has {', '.join(left)})" if left else ""
        raise WeightsError(f"{path}: a DenseNet without a last layer{beside}: {rule}")
    if head := _head(arrays):
        metadata["head"] = head
    try:
        shapes = {name: array.shape for name, array in arrays.items()}
        described = zoo.describe(shapes, metadata)
    except WeightsError as error:
        strange = [name for name in arrays if not CANONICAL.match(name)]
        raise WeightsError(
            f"{path}: {error}; found {_listed(strange or arrays)}"
        ) from None
    return arrays, described | {k: metadata[k] for k in metadata if k not in described}


def convert(
    source: str | Path,
    target: str | Path,
    entry: str | None = None,
    epsilon: float = EPSILON,
    dropout: float | None = None,
) -> tuple[Arrays, dict[str, Any]]:
    """Write a checkpoint as float32 canonical weights, which `load` reads everywhere.

    Names and shapes are compared with those of the network. Returns the arrays and what
    `read` knows of them.

    Args:
        source: the checkpoint.
        target: the file to write.
        entry: as for `read`.
        epsilon: of the checkpoint's batch norm. Where it is not 1e-5 the difference is
            added to the running variances, which gives the same logits; training goes
            on with 1e-5.
        dropout: with which the network is trained on; the metadata's, or 0, if None.

    Raises:
        WeightsError: a file that `read` refuses, every entry that does not fit, or one
            that is not finite. The target stays as it was.
        ValueError: `epsilon` or `dropout` is out of its range.
    """
    check_real(epsilon, 0, np.inf, f"convert(epsilon={epsilon!r})", above=True)
    arrays, metadata = read(source, entry)
    for name, array in arrays.items():
        if not CANONICAL.match(name) or array.ndim not in (1, 2, 4):
            layer, shape = name.rpartition(".")[0], "×".join(map(str, array.shape))
            rule = f"with weights of {shape}, is no layer of the book's DenseNet"
            raise WeightsError(f"{source}: {layer}, {rule}")
    if dropout is not None:
        metadata["arguments"]["dropout"] = dropout
    shapes = zoo.shapes(zoo.checked(metadata["arguments"], "convert"))
    try:
        weights.check(arrays, shapes)
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}") from None
    weights.check_values(arrays, source)
    if metadata["layout"] == NEWEST_FIRST:
        _oldest_first(arrays, metadata["arguments"])
        metadata["layout"] += " (new features first: reordered)"
    if epsilon != EPSILON:
        for name, array in arrays.items():
            if name.endswith("running_var"):
                arrays[name] = array.astype(np.float64) + (epsilon - EPSILON)
                if (arrays[name] < 0).any():
                    low = f"{name} has variances below {EPSILON - epsilon:.4g}"
                    rule = f"with an epsilon of {epsilon:g} they cannot be converted"
                    raise WeightsError(f"{source}: {low}; {rule}")
    written = {name: arrays[name].astype(np.float32) for name in shapes}
    known = ("network", "arguments", "framework")
    weights.save(target, written, {key: metadata[key] for key in known})
    return arrays, metadata


def assumed(arguments: Mapping[str, Any], epsilon: float = EPSILON) -> str:
    """What a conversion takes for granted, for names and shapes do not tell."""
    stem = "7×7 convolution of stride 2, then 3×3 max pooling of stride 2"
    if arguments["small_inputs"]:
        stem = "3×3 convolution of stride 1, no pooling"
    dropout = arguments["dropout"]
    return (
        f"assumed, as names and shapes do not tell: stem of a {stem}; average pooling "
        "in transitions and at the end; ReLU after each batch norm, whose epsilon is "
        f"{epsilon:g} (else: --epsilon); dropout {dropout:g} (else: --dropout). The "
        "book's DenseNet has no other stem or pooling: of a network that had, the "
        "logits will differ."
    )


def _content(path: str | Path) -> tuple[Mapping[Any, Any], dict[str, Any]]:
    """What a file holds, by names, and what it says of that."""
    # Opened once: a pipe has its content only once.
    with Path(path).open("rb") as file:
        content = file.read(64)
        if content[8:9] == b"{" or content.startswith((b"PK", b"\x80")):
            content += file.read()
    if content[8:9] == b"{":
        arrays, metadata = weights.parse(content, path)
        said = "pytorch" if metadata.get("format") == "pt" else "unknown"
        return arrays, {"framework": said} | metadata
    kind = other_kind(content, path)
    if not kind.startswith(PYTORCH):
        rule = (
            "neither a safetensors nor a PyTorch file; load weights of Keras, Flax or "
            "MXNet into the book's network there, and write that with d2l.save"
        )
        raise WeightsError(f"{path}: {kind or rule}")
    try:
        import torch
    except ImportError:
        rule = f"a PyTorch file, which only PyTorch reads: {installation('pytorch')}"
        raise WeightsError(f"{path}: {rule}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    except Exception as error:
        # Damaged bytes make it raise anything: EOFError, KeyError, struct.error, ...
        reason = re.split(r"\. |\n", str(error))[0] or type(error).__name__
        if other := re.search(r"GLOBAL ([\w.]+)", str(error)):
            reason = f"{other[1]} could run any code; save the state_dict() alone"
        raise WeightsError(f"{path}: PyTorch does not read it: {reason}") from None
    if not isinstance(held, Mapping):
        raise WeightsError(f"{path}: holds a {type(held).__name__}, no weights")
    return held, {"framework": "pytorch"}


def _mappings(content: Mapping[Any, Any], place: str = "") -> Iterator[tuple]:
    """The mapping and those in it, to five levels: (names to it, mapping)."""
    yield place, content
    for name, value in content.items():
        if isinstance(value, Mapping) and place.count(".") < 4:
            yield from _mappings(value, f"{place}.{name}".lstrip("."))


def _networks(content: Mapping[Any, Any]) -> Iterator[Found]:
    for place, entries in _mappings(content):
        names = [WRAPPERS.sub("", str(name)) for name in entries]
        for known, name in itertools.product(LAYOUTS, names):
            start, mark, end = name.rpartition(known)
            if mark and not end and (not start or start.endswith(".")):
                named = ".".join(filter(None, (place, start.rstrip("."))))
                yield Found(named, start, entries, LAYOUTS[known])


def _arrays(found: Found, prefixes: list[str], path: str | Path) -> Arrays:
    """A network's arrays under canonical names; what fits none keeps its own."""
    arrays: Arrays = {}
    for key, value in found.entries.items():
        name = WRAPPERS.sub("", str(key))
        before = filter(name.startswith, prefixes)
        owner = max(before, key=len, default=found.prefix)
        is_array = hasattr(value, "dtype") and not name.endswith(COUNTERS)
        if not is_array or owner != found.prefix:
            continue
        name = name.removeprefix(found.prefix)
        for pattern, canonical in RULES.items():
            name = re.sub(pattern, canonical, name)
        name = re.sub(r"\+(\d+)", lambda number: str(int(number[1]) + 1), name)
        if name in arrays:
            raise WeightsError(f"{path}: two entries for {name}")
        try:
            arrays[name] = value if isinstance(value, np.ndarray) else _numpy(value)
        except (TypeError, RuntimeError) as error:
            raise WeightsError(f"{path}: {key}: {error}") from None
    return arrays


def _numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _head(arrays: Arrays) -> str:
    """Give the one linear layer behind the features its name; returns its old.

    Fine-tuned networks have `classifier.1`, behind a dropout, or `fc`. A bias that is
    missing is zero.
    """
    beside = [name for name in arrays if not name.startswith("features.")]
    old = beside[0].rpartition(".")[0] if beside else ""
    pair = f"{old}.weight", f"{old}.bias"
    if not set(beside) <= set(pair) or pair[0] not in beside:
        return ""
    arrays.setdefault(pair[1], np.zeros(len(arrays[pair[0]]), np.float32))
    if old != "classifier":
        for name in pair:
            arrays[f"classifier{name.removeprefix(old)}"] = arrays.pop(name)
    said = "" if old == "classifier" else old
    return said if len(beside) == 2 else f"{old} (without bias: zeros)"


def _oldest_first(arrays: Arrays, arguments: Mapping[str, Any]) -> None:
    """[newest, …, first, input] to [input, first, …, newest], where a block is read."""
    growth, config = arguments["growth_rate"], arguments["block_config"]
    for block, num_layers in enumerate(config, start=1):
        layer = f"features.denseblock{block}.denselayer"
        readers = [
            (f"{layer}{n + 1}.{x}1.", n)
            for n in range(num_layers)
            for x in ("norm", "conv")
        ]
        last = f"features.transition{block}."
        ends = (last,) if block < len(config) else ("features.norm5.", "classifier.w")
        for reader, number in [*readers, *((end, num_layers) for end in ends)]:
            for name in filter(lambda name: name.startswith(reader), arrays):
                axis = min(arrays[name].ndim - 1, 1)
                new = np.arange(number * growth).reshape(number, growth)[::-1].ravel()
                order = [*range(new.size, arrays[name].shape[axis]), *new]
                arrays[name] = arrays[name].take(order, axis)


def _seen(content: Mapping[Any, Any]) -> Iterator[str]:
    """For people, which mappings of a file hold arrays."""
    for place, entries in _mappings(content):
        names = [name for name, value in entries.items() if hasattr(value, "dtype")]
        if names:
            yield f"{place}: {_listed(names)}" if place else _listed(names)


def _listed(names: Any) -> str:
    names = list(map(str, names))
    count = "1 array" if len(names) == 1 else f"{len(names)} arrays"
    return f"{count} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
