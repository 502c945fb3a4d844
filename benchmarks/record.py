"""What races have shown: written, read, compared and printed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from d2l_lite import TITLES
from d2l_lite.files import replacing

FOLDER = Path(__file__).parents[1] / "chapters" / "files" / "how_fast"
LOWER_IS_BETTER = ("s", "ms", "MiB", "%")


def rounded(value: float, digits: int = 5) -> float:
    """A number to so many significant digits."""
    return float(f"{value:.{digits}g}")


@dataclass(frozen=True)
class Ratio:
    """Ours against a peer, round by round; above 1 ours is ahead, whatever the unit."""

    median: float
    low: float
    high: float
    goal: float | None = None


@dataclass(frozen=True)
class Contender:
    """What one contender reached: a value per round, in the race's unit.

    `peak` is in bytes beyond what it held after its imports, where its work was done in
    its own process.
    """

    name: str
    ours: bool
    values: tuple[float, ...]
    peak: int | None = None
    goal: float | None = None

    @property
    def median(self) -> float:
        """The middle one of its values."""
        return median(self.values)


@dataclass(frozen=True)
class Race:
    """One task; see `benchmarks.race.Race`. `limits` are medians in its unit."""

    framework: str | None
    task: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    goal: float | Mapping[str, float] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def ours(self) -> Contender | None:
        """The one that is compared with the others: the first of the book's own."""
        return next((c for c in self.contenders if c.ours), None)

    @property
    def ratios(self) -> dict[str, Ratio]:
        """Ours against each peer by the peer's name."""
        if self.ours is None:
            return {}
        return {c.name: self._ratio(c) for c in self.contenders if not c.ours}

    def _ratio(self, peer: Contender) -> Ratio:
        pairs = zip(self.ours.values, peer.values)
        if self.unit in LOWER_IS_BETTER:
            ratios = [theirs / ours for ours, theirs in pairs]
        else:
            ratios = [ours / theirs for ours, theirs in pairs]
        found = (median(ratios), min(ratios), max(ratios))
        goal = self.goal if isinstance(self.goal, float | int) else None
        goal = goal if peer.goal is None else peer.goal
        return Ratio(*(rounded(ratio, 4) for ratio in found), goal)

    def missed(self) -> list[str]:
        """What of the goals is not reached, in words; empty if all are."""
        words = [
            f"{name}: {ratio.median:.2f} of {ratio.goal:g}"
            for name, ratio in self.ratios.items()
            if ratio.goal is not None and ratio.median < ratio.goal
        ]
        if isinstance(self.goal, Mapping) and self.ours is not None:
            reached = self.ours.median
            for kind, value in self.goal.items():
                short = reached < value if kind == "at_least" else reached > value
                if short:
                    name = kind.replace("_", " ")
                    words.append(f"{reached:g} {self.unit}, {name} {value:g}")
        return words

    def lines(self) -> list[str]:
        """The race as a table for a terminal."""
        where = f"{TITLES[self.framework]}: " if self.framework else ""
        lines = [f"{where}{self.title} ({self.unit})"]
        width = max(len(c.name) for c in self.contenders)
        compared = "this/ours" if self.unit in LOWER_IS_BETTER else "ours/this"
        for c in self.contenders:
            middle, low, high = c.median, min(c.values), max(c.values)
            line = f"  {c.name:{width}}  {middle:8.4g} [{low:.4g} … {high:.4g}]"
            if c.peak is not None:
                line += f"  peak {c.peak / 2**20:.0f} MiB"
            if ratio := self.ratios.get(c.name):
                spread = f"[{ratio.low:.2f} … {ratio.high:.2f}]"
                line += f"  {compared} {ratio.median:.2f} {spread}"
            lines.append(line)
        for name, limit in self.limits.items():
            lines.append(f"  limit, {name}: {limit:.4g}")
        return lines + [f"  goal missed, {words}" for words in self.missed()]


@dataclass(frozen=True)
class Record:
    """A benchmark that has been run: what, when, where, with which versions."""

    benchmark: str
    command: str
    date: str
    machine: Mapping[str, Any]
    packages: Mapping[str, str]
    threads: int
    rounds: int
    races: tuple[Race, ...]

    def write(self, path: Path) -> None:
        """Write it whole, as JSON with the ratios."""
        content = asdict(self)
        for race, written in zip(self.races, content["races"]):
            written["ratios"] = {n: asdict(r) for n, r in race.ratios.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
