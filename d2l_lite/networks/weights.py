"""Weights as NumPy arrays in PyTorch's layout: named, checked, drawn from a seed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from d2l_lite.files import replacing
from d2l_lite.networks.file_kinds import other_kind

# The arrays of a layer, in the order in which a network lists them.
ARRAYS = ("weight", "bias", "running_mean", "running_var")
# What safetensors calls the types of weights, and of the counters beside them.
TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64"}
# Of the metadata of our files; others, and our older ones, have a key for each value.
KEY = "d2l_lite"
Weights = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


class WeightsError(ValueError):
    """Weights that do not fit the network they were given to."""


def is_trainable(name: str) -> bool:
    """All arrays are trained but the running statistics of batch norm."""
    return not name.endswith(("running_mean", "running_var"))


def check(weights: Weights, shapes: Shapes) -> None:
    """Raise one WeightsError that lists every missing, extra or misshapen entry."""
    problems = [
        f"{name}: missing, expected {tuple(shape)}"
        for name, shape in shapes.items()
        if name not in weights
    ]
    for name, array in weights.items():
        if name not in shapes:
            problems.append(f"{name}: not in this network, found {np.shape(array)}")
        elif np.shape(array) != tuple(shapes[name]):
            problems.append(
                f"{name}: expected {tuple(shapes[name])}, found {np.shape(array)}"
            )
    if problems:
        raise WeightsError(
            "weights do not fit the network:\n  " + "\n  ".join(problems)
        )


def check_values(weights: Weights, path: str | Path) -> None:
    """Raise a WeightsError that names a file and its first array of no weights.

    Weights are of type float and finite in float32, running variances not negative.
    """
    for name, array in weights.items():
        problem = ""
        if array.dtype.kind != "f":
            problem = f"is {array.dtype}: must be float"
        else:
            with np.errstate(over="ignore"):
                single = array.astype(np.float32, copy=False)
            if not (finite := np.isfinite(single)).all():
                wrong = array[~finite].flat[0]
                problem = f"holds {wrong:.4g}: all values must be finite in float32"
            elif name.endswith("running_var") and (single < 0).any():
                problem = f"holds {single.min():.4g}: no variance is negative"
        if problem:
            raise WeightsError(f"{path}: {name} {problem}")


def initial(shapes: Shapes, seed: int = 0) -> dict[str, np.ndarray]:
    """A network's first weights from one NumPy generator, in the order of `shapes`.

    Convolutions and the classifier: normal with variance 2 / fan-in (He et al. 2015,
    which the DenseNet paper follows in section 4.2). Biases and running means are 0;
    scales and running variances of batch norm are 1. Returns float32 arrays.
    """
    generator = np.random.default_rng(seed)
    drawn = {}
    for name, shape in shapes.items():
        array = name.rpartition(".")[2]
        if len(shape) > 1:
            deviation = np.float32(np.sqrt(2 / np.prod(shape[1:])))
            drawn[name] = generator.standard_normal(shape, dtype=np.float32) * deviation
        elif array in ("weight", "running_var"):
            drawn[name] = np.ones(shape, dtype=np.float32)
        else:
            drawn[name] = np.zeros(shape, dtype=np.float32)
    return drawn


def adapted(
    weights: Weights,
    path: str | Path,
    in_channels: int | None = None,
    num_classes: int | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """The weights of a file for images of other channels, or for other classes.

    The classifier for another number of classes is drawn from `seed`, as `initial`
    does it. One channel in place of several has the sum of their weights.

    Raises:
        WeightsError: other channels than 1 or those that there are.
    """
    new, stem = dict(weights), weights["features.conv0.weight"]
    if in_channels not in (None, stem.shape[1]):
        if in_channels != 1:
            raise WeightsError(
                f"{path}: its network takes images of {stem.shape[1]} channels; with "
                f"in_channels={in_channels} it cannot be loaded, only with 1"
            )
        new["features.conv0.weight"] = stem.sum(axis=1, keepdims=True)
    head = {name: weights[f"classifier.{name}"].shape for name in ("weight", "bias")}
    if num_classes not in (None, head["bias"][0]):
        shapes = {f"classifier.{n}": (num_classes, *s[1:]) for n, s in head.items()}
        new |= initial(shapes, seed)
    return new


def about(
    metadata: Mapping[str, Any], arguments: Mapping[str, Any], place: str
) -> dict[str, Any]:
    """What metadata say of classes and images, if it fits the network's arguments.

    All of `classes`, `mean`, `std` and `size`, or nothing.

    Raises:
        WeightsError: they do not fit; `place` opens the message.
    """
    lengths = {
        "classes": arguments["num_classes"],
        "mean": arguments["in_channels"],
        "std": arguments["in_channels"],
        "size": 2,
    }
    found = {name: metadata[name] for name in lengths if name in metadata}
    for name, value in found.items():
        kind = str if name == "classes" else (int, float)
        listed = isinstance(value, (list, tuple))
        if not listed or not all(isinstance(part, kind) for part in value):
            raise WeightsError(f"{place}: {name} is {value!r}")
        if len(value) != lengths[name]:
            rule = f"{len(value)} values of {name} for {lengths[name]}"
            raise WeightsError(f"{place}: {rule} of the network")
    return found if len(found) == len(lengths) else {}


def save(path: str | Path, weights: Weights, metadata: Mapping[str, Any]) -> None:
    """Write weights as a safetensors file, which is replaced whole or left as it was.

    Equal weights and metadata make equal bytes; the names are sorted.

    Args:
        weights: NumPy arrays under their canonical names.
        metadata: what JSON can hold; `network`, `arguments` and `framework` by custom.

    Raises:
        WeightsError: an array of a type that is no type of weights.
        OSError: the file cannot be written.
    """
    arrays = {name: np.asarray(array) for name, array in weights.items()}
    for name, array in arrays.items():
        if array.dtype.name not in TYPES.values():
            known = ", ".join(TYPES.values())
            raise WeightsError(f"{name}: {array.dtype} cannot be saved; use {known}")
    # Under one key, for the library writes several ones in another order each time.
    content = safetensors.numpy.save(arrays, {KEY: json.dumps(metadata)})
    with replacing(path, "wb") as file:
        file.write(content)


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file, in its order.

    bfloat16, which NumPy does not know, becomes float32 without loss.

    Raises:
        WeightsError: a damaged file, or one with other numbers than `save` writes.
        OSError: the file cannot be read.
    """
    return read(path)[0]


def metadata(path: str | Path) -> dict[str, Any]:
    """Read what `save` was given as metadata, or what another program wrote as such.

    Text that is not JSON stays text. Raises what `load` raises.
    """
    return read(path)[1]


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `load` and `metadata` give, of a file that is read once."""
    return parse(Path(path).read_bytes(), path)


def parse(
    content: bytes, path: str | Path
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `read` gives, of a file's content; errors name `path`."""
    try:
        entries = dict(safetensors.deserialize(content))
    except safetensors.SafetensorError as error:
        found = other_kind(content, path) or error
        raise WeightsError(f"{path}: not a safetensors file ({found})") from None
    # The library, which has checked the header, gives neither order nor metadata.
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    found = header.pop("__metadata__", None) or {}
    arrays = {name: _array(entries[name], f"{path}: {name}") for name in header}
    values = {name: _value(text) for name, text in found.items()}
    ours = values.pop(KEY, {})
    return arrays, values | (ours if isinstance(ours, dict) else {})


def _array(entry: Mapping[str, Any], place: str) -> np.ndarray:
    if entry["dtype"] == "BF16":
        # The upper half of a float32.
        halves = np.frombuffer(entry["data"], "<u2").astype(np.uint32)
        flat = (halves << 16).view(np.float32)
    elif entry["dtype"] in TYPES:
        dtype = np.dtype(TYPES[entry["dtype"]]).newbyteorder("<")
        flat = np.frombuffer(entry["data"], dtype)
    else:
        raise WeightsError(f"{place}: numbers of type {entry['dtype']} are not read")
    return flat.reshape(entry["shape"])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def known(array: np.ndarray) -> np.ndarray:
    """An array in a type that NumPy knows: bfloat16 becomes float32 without loss."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def to_channels_last(array: np.ndarray) -> np.ndarray:
    """PyTorch's layout to Keras' and Flax's: O×I×H×W to H×W×I×O, O×I to I×O."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def from_channels_last(array: np.ndarray) -> np.ndarray:
    """Keras' and Flax's layout to PyTorch's: H×W×I×O to O×I×H×W, I×O to O×I."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def canonical_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in PyTorch's layout of an array with `shape` in Keras' and Flax's."""
    return from_channels_last(np.empty(shape)).shape
