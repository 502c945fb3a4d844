"""Command line: python -m d2l_lite train|plot|compare|convert|info."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from d2l_lite import DataError
from d2l_lite.command import compare, options, train
from d2l_lite.networks import checkpoints
from d2l_lite.networks.weights import is_trainable
from d2l_lite.training.state import TrainingDiverged

# The exit statuses, beside 0 and argparse's 2 for wrong options.
FAILED, WRONG_OPTION, DIVERGED, INTERRUPTED = 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    chosen = _parser().parse_args(words, argparse.Namespace(words=words))
    try:
        if text := chosen.run(chosen):
            print(text, flush=True)
    except BrokenPipeError:
        # `| head` has read enough; else Python would complain of it as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, DataError, TrainingDiverged) as error:
        named = isinstance(error, OSError) and error.filename
        reason = f"{error.filename}: {error.strerror}" if named else error
        if isinstance(error, TrainingDiverged):
            reason = f"{error}, in another folder: this one keeps the last good state"
        print(f"python -m d2l_lite {chosen.command}: {reason}", file=sys.stderr)
        kinds = {options.OptionError: WRONG_OPTION, TrainingDiverged: DIVERGED}
        return next((s for k, s in kinds.items() if isinstance(error, k)), FAILED)
    except KeyboardInterrupt:
        print(f"python -m d2l_lite {chosen.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m d2l_lite",
        allow_abbrev=False,
        description="DenseNets in four frameworks: training, and weights that travel.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(run: Callable[[argparse.Namespace], str], purpose: str, example: str):
        name = run.__name__.strip("_")
        added = commands.add_parser(
            name,
            help=purpose,
            allow_abbrev=False,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"example: {parser.prog} {name} {example}",
        )
        added.set_defaults(run=run)
        return added

    convert = command(
        _convert,
        "turn a DenseNet checkpoint into a file that every framework loads",
        "densenet121-a639ec97.pth densenet121.safetensors",
    )
    convert.add_argument(
        "source",
        metavar="IN",
        help="checkpoint of torchvision, timm or a training script: a safetensors file "
        "or, where PyTorch is installed, one of PyTorch",
    )
    convert.add_argument("target", metavar="OUT", help="safetensors file to write")
    info = command(
        _info,
        "print what a checkpoint holds: its network and its entries",
        "densenet121.safetensors",
    )
    info.add_argument("source", metavar="FILE", help="whatever convert reads")
    training = command(
        _train,
        "train a network on real images, by the DenseNet paper's recipe",
        "--framework jax --network densenet-bc-40-12 --dataset cifar10 --out runs/one",
    )
    training.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder of the run"
    )
    training.add_argument(
        "--resume", action="store_true", help="go on with the run in the folder, if any"
    )
    training.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML file of options, for defaults"
    )
    shown = training.add_mutually_exclusive_group()
    shown.add_argument(
        "--quiet", action="store_true", help="print the result and nothing else"
    )
    shown.add_argument(
        "--json", action="store_true", help="print epochs and result as lines of JSON"
    )
    options.add_to(training)
    plot = command(
        _plot,
        "draw the curves of several runs in one figure",
        "runs/* --out curves.png",
    )
    plot.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run")
    plot.add_argument(
        "--out", metavar="FILE", default="curves.png", help="PNG file to write"
    )
    table = command(_compare, "print the results of several runs in a table", "runs/*")
    table.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run")
    return parser


def _convert(options: argparse.Namespace) -> str:
    arrays, metadata = checkpoints.convert(options.source, options.target)
    entry = f", entry {metadata['entry']}" if "entry" in metadata else ""
    return (
        f"{options.target}: {metadata['network']}, {_trainable(arrays):,} trainable "
        f"parameters, from {options.source}{entry}"
    )


def _info(options: argparse.Namespace) -> str:
    arrays, metadata = checkpoints.read(options.source)
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


def _train(chosen: argparse.Namespace) -> str:
    given = options.read(chosen.config) if chosen.config else {}
    given |= {
        name: value for name, value in vars(chosen).items() if name in options.OPTIONS
    }
    if count := train.processes(given, chosen.out, chosen.resume):
        from d2l_lite.devices.torchrun import launch

        raise SystemExit(launch(chosen.words, count))
    progress = "none" if chosen.quiet else "json" if chosen.json else None
    result = train.train(given, chosen.out, chosen.resume, progress)
    if not result:  # in a process that trains along
        return ""
    if chosen.json:
        return json.dumps(result)
    return (
        f"{chosen.out}: {result['epochs']} epochs, best in epoch "
        f"{result['best_epoch']}: validation accuracy "
        f"{result['validation_accuracy']:.4f}, test accuracy "
        f"{result['test_accuracy']:.4f}"
    )


def _plot(chosen: argparse.Namespace) -> str:
    compare.plot(chosen.runs, chosen.out)
    return f"{chosen.out}: curves of {', '.join(chosen.runs)}"


def _compare(chosen: argparse.Namespace) -> str:
    return "\n".join(_columns(compare.table(compare.read_all(chosen.runs))))


def _columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows as lines, each column as wide as its widest text."""
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in texts]


def _trainable(arrays: checkpoints.Arrays) -> int:
    return sum(array.size for name, array in arrays.items() if is_trainable(name))


if __name__ == "__main__":
    sys.exit(main())
