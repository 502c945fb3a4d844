"""A record as a figure: each race with a bar for each contender's median."""

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.record import LOWER_IS_BETTER, Record
from d2l_lite import TITLES

OURS, PEER = "#00695c", "#9a9a9a"


def draw(record: Record, path: Path) -> None:
    """Write a figure of all races, one below the other, in the format of its suffix."""
    heights = [len(race.contenders) + 1.5 for race in record.races]
    figure = Figure((7, 0.4 * sum(heights)), layout="constrained")
    rows = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    for axes, race in zip(rows[:, 0], record.races):
        middles = [c.median for c in race.contenders]
        spread = [
            [middle - min(c.values) for middle, c in zip(middles, race.contenders)],
            [max(c.values) - middle for middle, c in zip(middles, race.contenders)],
        ]
        names = [c.name for c in race.contenders]
        colours = [OURS if c.ours else PEER for c in race.contenders]
        axes.barh(names, middles, xerr=spread, color=colours, capsize=3)
        axes.invert_yaxis()
        where = f"{TITLES[race.framework]}: " if race.framework else ""
        less = ", less is better" if race.unit in LOWER_IS_BETTER else ""
        axes.set_title(f"{where}{race.title} ({race.unit}{less})", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
