"""Command line of the library: python -m d2l_lite convert|info."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence

from d2l_lite import checkpoints
from d2l_lite.weights import is_trainable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options), flush=True)
    except BrokenPipeError:
        # `| head` has read enough; else Python would complain of it as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError) as error:
        named = isinstance(error, OSError) and error.filename
        reason = f"{error.filename}: {error.strerror}" if named else error
        print(f"python -m d2l_lite {options.command}: {reason}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m d2l_lite", description="Weights that travel between frameworks."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(run: Callable[[argparse.Namespace], str], purpose: str, example: str):
        name = run.__name__.strip("_")
        added = commands.add_parser(
            name,
            help=purpose,
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


def _columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows as lines, each column as wide as its widest text."""
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in texts]


def _trainable(arrays: checkpoints.Arrays) -> int:
    return sum(array.size for name, array in arrays.items() if is_trainable(name))


if __name__ == "__main__":
    sys.exit(main())
