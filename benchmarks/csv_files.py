"""Rows of a benchmark's CSV file, each call replacing its own."""

import csv
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from d2l_lite import PACKAGES
from d2l_lite.files import replacing

FILES = Path(__file__).parents[1] / "chapters" / "files"


def package(framework: str) -> str:
    """Name and version of what was measured: `torch 2.13.0`."""
    name = PACKAGES[framework]
    return f"{name} {importlib.import_module(name).__version__}"


def record(rows: list[dict[str, Any]], path: Path, replaced: Sequence[str]) -> None:
    """Put rows in the place of old ones that are alike in the columns `replaced`.

    The file is sorted by these columns, frameworks in the book's order.
    """
    new = {tuple(row[column] for column in replaced) for row in rows}
    old: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            old = list(csv.DictReader(file))
    kept = [row for row in old if tuple(row[c] for c in replaced) not in new]
    order = {framework: str(place) for place, framework in enumerate(PACKAGES)}
    together = sorted(
        kept + rows, key=lambda row: [order.get(row[c], row[c]) for c in replaced]
    )
    with replacing(path, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(together)
