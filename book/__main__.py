"""Command line of the book: `python -m book --help` lists the subcommands."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Runs a subcommand on the book in `root`; returns the exit status."""
    try:
        # Takes a second, in which Ctrl-C is no fault either.
        from book.build.commands import run_command

        return run_command(arguments, root)
    except KeyboardInterrupt:
        print("\nStopped; what is finished stays.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
