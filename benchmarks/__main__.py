"""Run benchmarks: `python -m benchmarks [NAME …]`; `--list` names them."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import figure, machine
from benchmarks.race import ROOT, Benchmark, RaceError, run
from benchmarks.races import BENCHMARKS
from benchmarks.record import FOLDER, Race, Record
from d2l_lite import PACKAGES, TITLES, installed

FIGURES = ROOT / "_build" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is named, or all; returns the exit status."""
    options = _options(arguments)
    failed = 0
    for name in options.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        if options.list:
            print(f"{name}: {len(benchmark.races)} races")
            continue
        if benchmark.gpu and not (machine.gpu() or machine.dry_run()):
            print(f"{name}: no GPU here, nvidia-smi names none")
            continue
        try:
            _measure(name, benchmark, options)
        except RaceError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
    return failed


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures ours against what readers would use instead.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all without one")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument(
        "--framework",
        action="append",
        choices=PACKAGES,
        help="only its races (may be repeated); they are printed, not recorded",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER,
        help="the folder of the records (default: the chapter's)",
    )
    parser.add_argument("--list", action="store_true", help="name the benchmarks")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in BENCHMARKS:
            known = ", ".join(BENCHMARKS)
            parser.error(f"there is no benchmark {name!r}; choose from {known}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    return options


def _measure(name: str, benchmark: Benchmark, options: argparse.Namespace) -> None:
    """Run the races of a benchmark, print and record them."""
    rounds, reached = options.rounds or benchmark.rounds, []
    for race in benchmark.races:
        if race.framework and not installed(race.framework):
            print(f"{TITLES[race.framework]} is not installed: no race {race.task}")
        elif not options.framework or race.framework in options.framework:
            reached.append(run(race, rounds))
            print(*reached[-1].lines(), sep="\n", flush=True)
    if options.framework:
        return
    record = _record(name, benchmark, rounds, reached)
    record.write(options.output / f"{name}.json")
    figure.draw(record, FIGURES / f"{name}.svg")


def _record(
    name: str, benchmark: Benchmark, rounds: int, reached: list[Race]
) -> Record:
    frameworks = [f for f in PACKAGES if f in {race.framework for race in reached}]
    command = f"python -m benchmarks {name}"
    if rounds != benchmark.rounds:
        command += f" --rounds {rounds}"
    return Record(
        benchmark=name,
        command=command,
        date=time.strftime("%Y-%m-%d"),
        machine=machine.describe() | (machine.gpu() if benchmark.gpu else {}),
        packages=machine.versions(frameworks, benchmark.packages),
        threads=max(e.threads for race in benchmark.races for e in race.entries),
        rounds=rounds,
        races=tuple(reached),
    )


if __name__ == "__main__":
    sys.exit(main())
