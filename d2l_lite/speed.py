"""What the races of `python -m benchmarks` have shown: read, as tables and as bars."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median
from textwrap import wrap
from typing import Any

from d2l_lite import TITLES
from d2l_lite.figure import Figure
from d2l_lite.files import damaged, read_json
from d2l_lite.plots import BLUE

# As many characters as a telephone shows beside each other.
WIDTH = 42


@dataclass(frozen=True)
class Contender:
    """What one contender reached: a value per round, in the race's unit."""

    name: str
    ours: bool
    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one of its values."""
        return median(self.values)


@dataclass(frozen=True)
class Race:
    """Contenders for one task.

    `ratios` of ours to a peer are found by the peer's name, each with "median", "low"
    and "high" over the rounds; above 1 ours is ahead. `limits` are in GFLOP/s.
    """

    framework: str | None
    task: str
    title: str
    unit: str
    contenders: Sequence[Contender]
    ratios: Mapping[str, Mapping[str, float]]
    limits: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Contender:
        """The contender of a name; a KeyError names those that there are."""
        found = {contender.name: contender for contender in self.contenders}
        if name not in found:
            raise KeyError(f"no contender {name!r}; there are {', '.join(found)}")
        return found[name]

    @property
    def ours(self) -> Contender:
        """The book's own, which the others are compared with."""
        return next(contender for contender in self.contenders if contender.ours)


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
    races: Sequence[Race]

    def of(self, task: str) -> dict[str | None, Race]:
        """The races of one task, by framework."""
        return {race.framework: race for race in self.races if race.task == task}

    def __str__(self) -> str:
        machine, memory = self.machine, self.machine["memory"] / 2**30
        packages = ", ".join(f"{name} {v}" for name, v in self.packages.items())
        lines = (
            self.command,
            f"{self.date}, {self.rounds} rounds, {self.threads} threads",
            f"{machine['processor']}, {machine['cores']} cores, {memory:.0f} GiB",
            packages,
        )
        return "\n".join(part for line in lines for part in wrap(line, WIDTH))


def read(path: str | Path) -> Record:
    """Read a record that `python -m benchmarks` has written.

    Raises:
        DataError: it is none.
    """
    path = Path(path)
    try:
        content = read_json(path, {})
        races = [
            _made(Race, race, contenders=[_made(Contender, c) for c in racers])
            for race in content["races"]
            for racers in [race["contenders"]]
        ]
        return _made(Record, content, races=races)
    except (KeyError, TypeError) as error:
        raise damaged(path, f"no record of a benchmark ({error!r})") from None


def read_all(folder: str | Path) -> dict[str, Record]:
    """Read all records of a folder, by the names of their benchmarks."""
    records = map(read, sorted(Path(folder).glob("*.json")))
    return {record.benchmark: record for record in records}


def number(value: float) -> str:
    """A measured number with its first three digits, and none that mean nothing."""
    value = float(f"{value:.3g}")
    digits = sum(abs(value) < limit for limit in (1, 10, 100))
    return f"{value:,.{digits}f}"


def table(races: Iterable[Race]) -> str:
    """Medians, with ours against each peer and the spread of that, for a narrow page.

    A title that several races share stands once, above all of them.
    """
    titles: dict[str, list[Race]] = {}
    for race in races:
        titles.setdefault(race.title, []).append(race)
    parts = []
    for title, named in titles.items():
        rows = [row for race in named for row in _rows(race)]
        parts.append("\n".join([*wrap(title, WIDTH, break_on_hyphens=False), *rows]))
    return "\n\n".join(parts)


def _rows(race: Race) -> list[str]:
    head = "ours/this" if race.ratios else ""
    name = TITLES.get(race.framework, "")
    rows = [f"{name:14}{race.unit:>12}{head:>10}".rstrip()]
    for contender in race.contenders:
        label = f"  {contender.name}"
        if len(label) > 19:
            rows += wrap(label, WIDTH, break_on_hyphens=False)
            label = ""
        ratio, last = race.ratios.get(contender.name), ""
        if ratio:
            middle, low, high = (ratio[key] for key in ("median", "low", "high"))
            digits = 2 if middle < 10 else 0
            last = f"{middle:6.{digits}f} {low:.{digits}f}–{high:.{digits}f}"
        rows.append(f"{label:19}{number(contender.median):>7}{last}".rstrip())
    return rows


def bars(races: Sequence[Race]) -> Figure:
    """Draw each race's medians with their spreads; ours is dark, the x axis shared."""
    columns = min(2, len(races))
    rows = -(-len(races) // columns)
    longest = max(len(race.contenders) for race in races)
    figure = Figure(8, rows * (0.75 + 0.28 * longest))
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False).flat
    for axes, race in zip(grid, races):
        for contender in race.contenders:
            middle, values = contender.median, contender.values
            spread = [[middle - min(values)], [max(values) - middle]]
            color = BLUE if contender.ours else "0.7"
            axes.barh(contender.name, middle, xerr=spread, color=color, capsize=3)
        axes.invert_yaxis()
        axes.set_title(TITLES.get(race.framework, race.title), fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", labelbottom=True)
    for axes in list(grid)[len(races) :]:
        axes.set_axis_off()
    figure.supxlabel(races[0].unit, fontsize="medium")
    return figure


def _made(kind: type, content: Mapping[str, Any], **replaced: Any) -> Any:
    """A record of a file's content, as far as `kind` knows it."""
    known = {f.name: content[f.name] for f in fields(kind) if f.name in content}
    return kind(**known | replaced)
