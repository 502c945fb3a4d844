"""Checkpoints of torchvision, timm and training scripts as canonical weights.

The canonical names are explained in chapters/four_frameworks.md.
"""

import importlib
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from d2l_lite import PACKAGES, installed
from d2l_lite.networks import weights, zoo
from d2l_lite.networks.weights import WeightsError

Arrays = dict[str, np.ndarray]
# Where training scripts keep the weights; averaged ones first, as timm reads them.
ENTRIES = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
# What DataParallel, Lightning and torch.compile put before each name.
PREFIX = re.compile(r"^(?:(?:module|model|_orig_mod)\.)+")
# torchvision's published files are older than the names in its code.
OLD_STYLE = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
COUNTERS = ("num_batches_tracked", "n_averaged")


def read(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """The canonical arrays in a DenseNet's checkpoint, and what is known of them.

    The content tells whether it is a safetensors file or one of PyTorch. Types stay,
    but bfloat16, which NumPy does not know, becomes float32. What is known: `network`,
    `arguments`, `framework`, and what the file says beside.

    Raises:
        WeightsError: the file is of another kind, damaged, or not a DenseNet's.
    """
    with Path(path).open("rb") as file:
        start = file.read(9)
    # safetensors is JSON behind eight bytes; PyTorch writes zip, before 1.6 pickles.
    if start[8:] == b"{":
        found, metadata = weights.read(path)
        said = "pytorch" if metadata.get("format") == "pt" else "unknown"
        metadata = {"framework": said} | metadata
    elif start.startswith((b"PK", b"\x80")):
        found, metadata = _read_pytorch(path)
    else:
        raise WeightsError(f"{path}: neither a safetensors nor a PyTorch file")
    arrays: Arrays = {}
    for name, array in found.items():
        name = OLD_STYLE.sub(r"\1\2", PREFIX.sub("", name))
        if name in arrays:
            raise WeightsError(f"{path}: two entries for {name}")
        if not name.endswith(COUNTERS):
            arrays[name] = array
    try:
        described = zoo.describe({name: a.shape for name, a in arrays.items()})
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    described["arguments"]["dropout"] = zoo.noted_dropout(metadata)
    return arrays, described | {k: metadata[k] for k in metadata if k not in described}


def convert(source: str | Path, target: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """Write a checkpoint as float32 canonical weights, which `load` reads everywhere.

    Names and shapes are compared with the network, built in an installed framework.
    Returns what `read` found.

    Raises:
        WeightsError: a file that `read` refuses, or every entry that does not fit. The
            target stays as it was.
    """
    arrays, metadata = read(source)
    try:
        shapes = _network_shapes(metadata["arguments"])
        weights.check(arrays, shapes)
        weights.check_real(arrays)
    except ValueError as error:
        raise WeightsError(f"{source}: {error}") from None
    weights.save(
        target,
        {name: arrays[name].astype(np.float32) for name in shapes},
        {key: metadata[key] for key in ("network", "arguments", "framework")},
    )
    return arrays, metadata


def _network_shapes(arguments: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    # One that this process has imported, if any: two of them may not get along.
    ready = sorted(PACKAGES, key=lambda name: f"d2l_lite.{name}" not in sys.modules)
    framework = next(filter(installed, ready), None)
    if not framework:
        raise WeightsError("needs a framework to check names and shapes: install torch")
    module = importlib.import_module(f"d2l_lite.{framework}")
    network = module.build("densenet", **arguments)
    return {name: array.shape for name, array in module.get_weights(network).items()}


def _read_pytorch(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    try:
        import torch
    except ImportError:
        raise WeightsError(
            f"{path}: a PyTorch file, which only PyTorch reads: pip install torch"
        ) from None
    try:
        # Given a path, it would go by the suffix.
        with Path(path).open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged bytes make it raise anything: EOFError, KeyError, struct.error, ...
        reason = re.split(r"\. |\n", str(error))[0] or type(error).__name__
        if other := re.search(r"GLOBAL ([\w.]+)", str(error)):
            reason = f"{other[1]} could run any code; save the state_dict() alone"
        raise WeightsError(f"{path}: PyTorch does not read it: {reason}") from None
    metadata = {"framework": "pytorch"}
    for entry in ENTRIES:
        if isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
            content, metadata["entry"] = content[entry], entry
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, no weights")
    arrays = {}
    for name, tensor in content.items():
        if isinstance(tensor, torch.Tensor):
            tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
            try:
                arrays[str(name)] = tensor.detach().numpy()
            except (TypeError, RuntimeError) as error:
                raise WeightsError(f"{path}: {name}: {error}") from None
    return arrays, metadata
