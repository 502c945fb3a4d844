"""What each command takes, does and prints, and the exit status when it fails."""

import codecs
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from d2l_lite import PACKAGES, DataError, installed
from d2l_lite.command import compare
from d2l_lite.command.train import framework, processes, train
from d2l_lite.command.train_options import (
    OptionError,
    TrainOptions,
    as_typed,
    defaults,
    options_named,
)
from d2l_lite.data.image_folder import pictures_in
from d2l_lite.files import at_home
from d2l_lite.networks import checkpoints, onnx_file
from d2l_lite.networks.weights import is_trainable
from d2l_lite.training.state import TrainingDiverged

PROGRAM = "python -m d2l_lite"
# The exit statuses, beside 0 for success; 2 is tyro's for wrong options as well.
STATUSES = {OptionError: 2, TrainingDiverged: 3, Exception: 1}
INTERRUPTED = 130
# For terminals that have no others.
PLAIN = {"×": "x", "–": "-", "…": "..."}

SHOWN = tyro.conf.create_mutex_group(required=False)


@dataclass(kw_only=True)
class Train(TrainOptions):
    """Train a network on real images, by the DenseNet paper's recipe.

    Example: python -m d2l_lite train --framework jax --network densenet-bc-40-12
    --dataset cifar10 --out runs/one

    Args:
        out: folder of the run.
        resume: go on with the run in the folder, if any.
        config: TOML file of options, for defaults.
        quiet: print the result and nothing else.
        json: print epochs and result as lines of JSON.
    """

    out: Annotated[Path, arg(metavar="DIR")]
    resume: Annotated[bool, FlagCreatePairsOff] = False
    config: Annotated[Path | None, arg(metavar="FILE")] = None
    quiet: Annotated[bool, FlagCreatePairsOff, SHOWN] = False
    json: Annotated[bool, FlagCreatePairsOff, SHOWN] = False

    def __post_init__(self) -> None:
        with options_named():
            super().__post_init__()

    def run(self) -> str:
        if count := processes(self):
            from d2l_lite.devices.torchrun import launch

            raise SystemExit(launch(sys.argv[1:], count))
        progress = "none" if self.quiet else "json" if self.json else None
        result = train(self, self.out, self.resume, progress)
        if not result:  # in a process that trains along
            return ""
        if self.json:
            return json.dumps(result)
        return (
            f"{self.out}: {result['epochs']} epochs, best in epoch "
            f"{result['best_epoch']}: validation accuracy "
            f"{result['validation_accuracy']:.4f}, test accuracy "
            f"{result['test_accuracy']:.4f}"
        )


@dataclass
class Runs:
    """The folders that a command reads.

    Args:
        runs: folders of runs, at least one.
    """

    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN [RUN ...]")]

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("name the folder of a run")


@dataclass
class Plot(Runs):
    """Draw the curves of several runs in one figure.

    Example: python -m d2l_lite plot runs/* --out curves.png

    Args:
        out: file to write; its name ends in .png, .svg or .pdf.
    """

    out: Annotated[Path, arg(metavar="FILE")] = Path("curves.png")

    def run(self) -> str:
        compare.plot(self.runs, self.out)
        return f"{self.out}: curves of {', '.join(map(str, self.runs))}"


@dataclass
class Compare(Runs):
    """Print the results of several runs in a table.

    Example: python -m d2l_lite compare runs/*
    """

    def run(self) -> str:
        return "\n".join(_columns(compare.table(compare.read_all(self.runs))))


@dataclass
class Convert:
    """Turn a DenseNet checkpoint into a file that every framework loads.

    Example: python -m d2l_lite convert densenet121-a639ec97.pth densenet121.safetensors

    Args:
        source: checkpoint of torchvision, timm or a training script: a safetensors
            file or, where PyTorch is installed, one of PyTorch.
        target: safetensors file to write.
        entry: where the network is in IN, if IN holds several.
        epsilon: that of the checkpoint's batch norm.
        dropout: with which the network is trained on.
    """

    source: Annotated[Positional[Path], arg(metavar="IN")]
    target: Annotated[Positional[Path], arg(metavar="OUT")]
    entry: Annotated[str | None, arg(metavar="NAME")] = None
    epsilon: float = checkpoints.EPSILON
    dropout: Annotated[float | None, arg(metavar="RATE")] = None

    def run(self) -> str:
        with options_named():
            arrays, metadata = checkpoints.convert(**vars(self))
        found = [
            f", {key} {metadata[key]}"
            for key in ("entry", "head", "others")
            if key in metadata
        ]
        return (
            f"{self.target}: {metadata['network']}, {_trainable(arrays):,} trainable "
            f"parameters, from {self.source}{''.join(found)}\n"
            f"names as in {metadata['layout']}: {len(arrays)} arrays; "
            f"left out beside counters: {metadata.get('left', 'none')}\n"
            + checkpoints.assumed(metadata["arguments"], self.epsilon)
        )


@dataclass
class Info:
    """Print what a checkpoint holds: its network and its entries.

    Example: python -m d2l_lite info densenet121.safetensors

    Args:
        source: whatever convert reads.
        entry: where the network is in FILE, if FILE holds several.
    """

    source: Annotated[Positional[Path], arg(metavar="FILE")]
    entry: Annotated[str | None, arg(metavar="NAME")] = None

    def run(self) -> str:
        arrays, metadata = checkpoints.read(self.source, self.entry)
        arguments = metadata["arguments"].items()
        total = sum(array.size for array in arrays.values())
        facts = metadata | {
            "arguments": ", ".join(f"{name}={value!r}" for name, value in arguments),
            "parameters": f"{_trainable(arrays):,} trainable, {total:,} numbers in all",
        }
        entries = [
            (name, "×".join(map(str, array.shape)), array.dtype.name)
            for name, array in arrays.items()
        ]
        table = [("entry", "shape", "type"), *entries]
        return "\n".join([*_columns(facts.items()), "", *_columns(table)])


@dataclass
class Export:
    """Write a network's file as ONNX, which runs without any of the frameworks.

    Example: python -m d2l_lite export net.safetensors net.onnx

    Args:
        source: a file of `save` or `convert`.
        target: ONNX file to write.
    """

    source: Annotated[Positional[Path], arg(metavar="NET.safetensors")]
    target: Annotated[Positional[Path], arg(metavar="NET.onnx")]

    def run(self) -> str:
        about = onnx_file.export(self.source, self.target)
        facts = ", ".join(name for name in about if name != "network")
        return (
            f"{self.target}: {about['network']} from {self.source}, opset "
            f"{onnx_file.OPSET}, metadata: {facts or 'none'}"
        )


@dataclass
class Classify:
    """Say what a network takes pictures for.

    Example: python -m d2l_lite classify net.safetensors pictures

    Args:
        network: a file of `save` with the names of its classes, or one for ImageNet.
        pictures: a picture, or a folder of them.
        framework: what computes; the first that is installed if none is named.
        top: how many classes at most.
    """

    network: Annotated[Positional[Path], arg(metavar="NET.safetensors")]
    pictures: Annotated[Positional[Path], arg(metavar="PICTURE_OR_FOLDER")]
    framework: Literal[*PACKAGES] | None = None
    top: int = 3

    def run(self) -> str:
        with options_named():
            module = framework(self.framework or next(filter(installed, PACKAGES), ""))
        net, files = module.load(self.network), [self.pictures]
        if self.pictures.is_dir():
            files = pictures_in(self.pictures)
        rows = []
        for file in files:
            found = module.classify(net, file, self.top)
            name = file if file == self.pictures else file.relative_to(self.pictures)
            rows.append([name, *(f"{label} {p:.3f}" for label, p in found)])
        return "\n".join(_columns(rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status.

    Raises:
        SystemExit: by tyro, for words that no command takes, with status 2.
    """
    codecs.register_error(PROGRAM, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=PROGRAM)
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = f"{PROGRAM} {' '.join(words[:1])}"
    try:
        if text := _parsed(words).run():
            print(text, flush=True)
    except BrokenPipeError:
        # `| head` has read enough; else Python would complain of it as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, DataError, TrainingDiverged) as error:
        print(f"{name}: {_reason(error)}", file=sys.stderr)
        return next(s for kind, s in STATUSES.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _plain(error: UnicodeEncodeError) -> tuple[str, int]:
    """What is printed instead of characters that a terminal, or any text, cannot have.

    A file's name may have such ones.
    """
    found = error.object[error.start : error.end]
    escapes = (c.encode("ascii", "backslashreplace").decode() for c in found)
    return "".join(PLAIN.get(c, e) for c, e in zip(found, escapes)), error.end


def _at_home(word: str) -> str:
    """A word with the home for ``~``, which no shell sees in ``--data=~/x``."""
    option, equals, path = word.rpartition("=") if word[:2] == "--" else ("", "", word)
    return f"{option}{equals}{at_home(path)}" if path.startswith("~") else word


def _parsed(
    words: list[str],
) -> Train | Plot | Compare | Convert | Info | Export | Classify:
    words = list(map(_at_home, words))
    if words[:1] == ["train"]:
        words = ["train", *defaults(words[1:]), *words[1:]]
    try:
        return tyro.cli(
            Train | Plot | Compare | Convert | Info | Export | Classify,
            prog=PROGRAM,
            description="DenseNets in four frameworks: training, and weights that "
            "travel.",
            args=words,
        )
    except SystemExit as end:
        if end.code and "--config" in words:
            print("Options of the file of --config count, too.", file=sys.stderr)
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, TrainingDiverged):
        epochs = len(error.history)
        good = f", in another folder: this one keeps epoch {epochs}, the last good one"
        remedy = f"take a smaller --learning-rate{good if epochs else ''}"
        return f"{as_typed(error.found)}; {remedy}"
    return str(error)


def _columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows as lines, each column as wide as its widest text."""
    texts = [["".join(map(_visible, str(value))) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in texts]


def _visible(character: str) -> str:
    """A character, or its escape where a terminal would obey it."""
    return character if character.isprintable() else repr(character)[1:-1]


def _trainable(arrays: checkpoints.Arrays) -> int:
    return sum(array.size for name, array in arrays.items() if is_trainable(name))
