"""What races have shown: written, read, compared and printed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from d2l_lite import TITLES, speed
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
class Contender(speed.Contender):
    """What one contender reached, and what no page reads.

    `peak` is in bytes beyond what it held after its imports, `limit` the share of the
    processor's rate in a matrix product that it reached.
    """

    peak: int | None = None
    limit: float | None = None
    goal: float | None = None


@dataclass(frozen=True)
class Race:
    """One task; see `benchmarks.race.Race`. `limits` are in GFLOP/s."""

    framework: str | None
    task: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    goal: float | Mapping[str, float] | None = None
    flops: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        product = self.limits.get("matmul")
        if product and self.flops:
            shares = [
                rounded(c.median * self.flops / (product * 1e9), 3)
                for c in self.contenders
            ]
            contenders = [
                Contender(**vars(c) | {"limit": share})
                for c, share in zip(self.contenders, shares)
            ]
            object.__setattr__(self, "contenders", tuple(contenders))

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
        for c in self.contenders:
            middle, low, high = c.median, min(c.values), max(c.values)
            line = f"  {c.name:{width}}  {middle:8.4g} [{low:.4g} … {high:.4g}]"
            if c.peak is not None:
                line += f"  peak {c.peak / 2**20:.0f} MiB"
            if c.limit is not None:
                line += f"  {c.limit:.0%} of the limit"
            if ratio := self.ratios.get(c.name):
                spread = f"[{ratio.low:.2f} … {ratio.high:.2f}]"
                line += f"  ours/this {ratio.median:.2f} {spread}"
            lines.append(line)
        return lines + [f"  goal missed, {words}" for words in self.missed()]


@dataclass(frozen=True)
class Record(speed.Record):
    """A benchmark that has been run, to be written."""

    @property
    def limits(self) -> dict[str, float]:
        """GFLOP/s: the median matrix product, and each framework's convolutions."""
        found: dict[str, list[float]] = {}
        for race in self.races:
            for name, rate in race.limits.items():
                key = name if name == "matmul" else f"{race.framework} {name}"
                found.setdefault(key, []).append(rate)
        return {name: rounded(median(rates), 4) for name, rates in found.items()}

    def write(self, path: Path) -> None:
        """Write it whole, as JSON with the ratios."""
        content = asdict(self)
        for race, written in zip(self.races, content["races"]):
            written["ratios"] = {n: asdict(r) for n, r in race.ratios.items()}
        content["limits"] = self.limits
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Record":
        """What `write` has written."""
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["limits"]
        races = []
        for race in content.pop("races"):
            del race["ratios"]
            contenders = [
                Contender(**c | {"values": tuple(c["values"])})
                for c in race.pop("contenders")
            ]
            races.append(Race(contenders=tuple(contenders), **race))
        return cls(races=tuple(races), **content)
