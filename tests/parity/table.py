"""How far apart the frameworks are: the largest difference by quantity and pair.

`python tests/parity/table.py [FOLDER]` prints it as Markdown. What `measured.py` has
not yet written into the folder is measured first, which takes minutes.
"""

import sys
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from compare import sized_by
from measured import PRECISIONS, file, run
from networks import NETWORKS

from d2l_lite import PACKAGES, TITLES, installed


class Row(NamedTuple):
    """Of a quantity, the largest difference of two frameworks over all networks."""

    precision: str
    quantity: str
    first: str
    second: str
    absolute: float
    relative: float


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row for each precision, quantity and pair of frameworks in the folder.

    A relative difference is one in terms of the array's largest absolute value.
    """
    for precision in PRECISIONS:
        frameworks = [
            framework
            for framework in PACKAGES
            if file(folder, framework, precision, NETWORKS[0]).exists()
        ]
        largest: dict[tuple[str, str, str], np.ndarray] = {}
        for network in NETWORKS:
            found = {
                framework: dict(np.load(file(folder, framework, precision, network)))
                for framework in frameworks
            }
            for pair in combinations(frameworks, 2):
                for quantity, *both in distances(*(found[name] for name in pair)):
                    if "10 steps" in quantity and network.clear_steps < 10:
                        quantity += ", near kinks"
                    key = (quantity, *pair)
                    largest[key] = np.maximum(largest.get(key, 0), both)
        for key, differences in largest.items():
            yield Row(precision, *key, *map(float, differences))


def distances(first: dict, second: dict) -> Iterator[tuple[str, float, float]]:
    """Yield the quantity, absolute and relative difference of each array."""
    for key in first:
        absolute = np.abs(first[key] - second[key]).max()
        size = max(np.abs(found[sized_by(key)]).max() for found in (first, second))
        # Equal arrays may be zero, and so have no size.
        yield key.partition(": ")[0], absolute, absolute / size if absolute else 0


def markdown(rows: list[Row]) -> str:
    """A table for each precision, a line for each quantity, a column for each pair."""
    lines = []
    for precision in PRECISIONS:
        table = [row for row in rows if row.precision == precision]
        pairs = list(dict.fromkeys((row.first, row.second) for row in table))
        titles = [f"{TITLES[first]} – {TITLES[second]}" for first, second in pairs]
        lines += [f"Largest relative (absolute) difference in {precision}:", ""]
        lines += [
            f"| quantity | {' | '.join(titles)} |",
            "|---" * (1 + len(pairs)) + "|",
        ]
        for quantity in dict.fromkeys(row.quantity for row in table):
            cells = [
                f"{row.relative:.0e} ({row.absolute:.0e})" if row.absolute else "0"
                for row in table
                if row.quantity == quantity
            ]
            lines.append(f"| {quantity} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def measure_what_is_missing(folder: Path) -> None:
    """Run `measured.py` for what an installed framework has not written yet."""
    for precision in PRECISIONS:
        for framework in PACKAGES:
            missing = [
                network.name
                for network in NETWORKS
                if not file(folder, framework, precision, network).exists()
            ]
            if missing and installed(framework):
                arguments = framework, precision, folder, *missing
                run("measured.py", *arguments, precision=precision)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure_what_is_missing(folder)
        print(markdown(list(rows(folder))))
