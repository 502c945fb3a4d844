"""Runs side by side: their curves in one figure, their results in one table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.ticker import LogLocator, NullFormatter

from d2l_lite.command import options
from d2l_lite.command.run_folder import (
    ENVIRONMENT,
    HISTORY,
    OPTIONS,
    RESULT,
    RunError,
    best_epoch,
)
from d2l_lite.figure import Figure, epoch_axis
from d2l_lite.files import read_json, replacing
from d2l_lite.plots import PALETTE
from d2l_lite.training.history import History

HEADER = (
    "run",
    "framework",
    "network",
    "data set",
    "parameters",
    "epochs",
    "validation",
    "test",
    "s/epoch",
    "images/s",
    "MiB",
)


@dataclass(frozen=True)
class Record:
    """What a run's folder says of it; the result is empty while it trains.

    Attributes:
        name: of the folder.
        options: those of the training, all of them.
        history: the finished epochs.
        result: what `result.json` holds.
        environment: of each process that the run has had, versions and hardware.
    """

    name: str
    options: dict[str, Any]
    history: History
    result: dict[str, Any]
    environment: list[dict[str, Any]]

    def row(self) -> tuple[str, ...]:
        """Its line of the table: accuracies of the best epoch, times of the mean one.

        Seconds and images per second are those of training without validation, the
        memory is the process's largest, in MiB. What is not known yet is a dash.
        """
        values: dict[str, Any] = dict.fromkeys(HEADER, "–")
        values |= {
            "run": self.name,
            "framework": self.options["framework"],
            "network": self.options["network"],
            "data set": self.options["dataset"],
            "epochs": f"{len(self.history)}/{self.options['epochs']}",
        }
        if len(self.history):
            best = best_epoch(self.history) - 1
            seconds = sum(self.history.seconds) / len(self.history)
            values["validation"] = f"{self.history.validation_accuracy[best]:.4f}"
            values["s/epoch"] = f"{seconds:.0f}"
        if self.result:
            values["parameters"] = f"{self.result['parameters']:,}"
            values["test"] = f"{self.result['test_accuracy']:.4f}"
            values["images/s"] = f"{self.result['images_per_second']:.0f}"
            values["MiB"] = f"{self.result['peak_memory_mib']:,}"
        return tuple(map(str, values.values()))


def read(folder: str | Path) -> Record:
    """Read a run's folder.

    Raises:
        RunError: it holds no run.
        ValueError, DataError: a file in it is damaged.
    """
    folder = Path(folder)
    if not (folder / OPTIONS).is_file():
        raise RunError(f"{folder}: holds no run of `python -m d2l_lite train`")
    history = folder / HISTORY
    return Record(
        folder.resolve().name,
        options.read(folder / OPTIONS),
        History.from_csv(history) if history.is_file() else History(),
        read_json(folder / RESULT, {}),
        read_json(folder / ENVIRONMENT, []),
    )


def read_all(folders: Iterable[str | Path]) -> list[Record]:
    """Read several runs; those whose folders have one name are called by their paths.

    Raises:
        RunError, ValueError, DataError: as `read`.
    """
    records = {folder: read(folder) for folder in folders}
    names = [record.name for record in records.values()]
    return [
        replace(record, name=str(folder)) if names.count(record.name) > 1 else record
        for folder, record in records.items()
    ]


def table(records: Iterable[Record]) -> list[tuple[str, ...]]:
    """The header and a row for each run."""
    return [HEADER, *(record.row() for record in records)]


def curves(records: Sequence[Record], labels: Sequence[str] | None = None) -> Figure:
    """Draw loss (left) and error (right) of several runs over their epochs.

    Validation is drawn full, training dashed. `labels` are those of the legend, the
    names of the folders if None.
    """
    figure = Figure(8, 3.6)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "error")):
        for number, record in enumerate(records):
            color = PALETTE[number % len(PALETTE)]
            history, label = record.history, (labels or [])[number : number + 1]
            for part, style in (("validation", "-"), ("train", "--")):
                axes.plot(
                    history.epoch,
                    getattr(history, f"{part}_{name}"),
                    style,
                    color=color,
                    linewidth=1.8 if style == "-" else 1.2,
                    label=(label or [record.name])[0] if style == "-" else None,
                )
        epoch_axis(axes)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3, which="both")
    loss, error = figure.axes
    loss.set_ylabel("cross-entropy (nats)")
    error.set_ylabel("share wrong")
    error.legend(title="validation full, training dashed", title_fontsize="small")
    return figure


def plot(folders: Iterable[str | Path], target: str | Path) -> None:
    """Draw the curves of several runs as a PNG file."""
    figure = curves(read_all(folders))
    with replacing(target, "wb") as file:
        file.write(figure.png())
