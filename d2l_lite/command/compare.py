"""Runs side by side: their curves in one figure, their results in one table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from d2l_lite import DataError
from d2l_lite.command import train_options
from d2l_lite.command.run_folder import (
    HISTORY,
    RESULT,
    RunError,
    best_epoch,
    read_environment,
    read_result,
    remade,
)
from d2l_lite.command.train_options import OptionError
from d2l_lite.files import replacing
from d2l_lite.training.history import History

if TYPE_CHECKING:
    from d2l_lite.figure import Figure


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

    def row(self) -> dict[str, str]:
        """Its line of the table: accuracies of the best epoch, times of the mean one.

        Seconds and images per second are those of training without validation, the
        memory is the process's largest, in MiB. What is not known yet is a dash.
        """
        accuracy = seconds = None
        if len(self.history):
            accuracy = self.history.validation_accuracy[best_epoch(self.history) - 1]
            seconds = np.mean(self.history.seconds)
        return {
            "run": self.name,
            "framework": self.options["framework"],
            "network": self.options["network"],
            "data set": self.options["dataset"],
            "parameters": _shown(self.result.get("parameters"), ","),
            "epochs": f"{len(self.history)}/{self.options['epochs']}",
            "validation": _shown(accuracy, ".4f"),
            "test": _shown(self.result.get("test_accuracy"), ".4f"),
            "s/epoch": _shown(seconds, ".0f"),
            "images/s": _shown(self.result.get("images_per_second"), ".0f"),
            # Windows does not tell it.
            "MiB": _shown(self.result.get("peak_memory_mib") or None, ","),
        }


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def read(folder: str | Path) -> Record:
    """Read a run's folder.

    Raises:
        RunError: it holds no run.
        DataError: a file in it is damaged.
    """
    folder = Path(folder)
    options = train_options.of_run(folder)
    if not options:
        raise RunError(f"{folder}: holds no run of `python -m d2l_lite train`")
    return Record(
        folder.resolve().name,
        options,
        *_measured(folder),
        read_environment(folder),
    )


def _measured(folder: Path) -> tuple[History, dict[str, Any]]:
    """The finished epochs, and the result of all of them, empty while it trains."""
    path, result = folder / HISTORY, read_result(folder)
    with remade(path):
        history = History.from_csv(path) if path.is_file() else History()
    # A run to which epochs are added has the result that it had before.
    if not result or result["epochs"] < len(history):
        return history, {}
    if result["epochs"] == len(history) > 0:
        best = best_epoch(history)
        accuracy = history.validation_accuracy[best - 1]
        if (best, accuracy) == (result["best_epoch"], result["validation_accuracy"]):
            return history, result
    raise DataError(
        f"{path}: its {len(history)} epochs are not those of {RESULT}; remove both: "
        "with the state, `train --resume` makes them anew"
    )


def read_all(folders: Iterable[str | Path]) -> list[Record]:
    """Read several runs; if two folders have one name, paths are the runs' names.

    Raises:
        RunError, DataError: as `read`.
    """
    records = {str(folder): read(folder) for folder in folders}
    if len({record.name for record in records.values()}) < len(records):
        return [replace(record, name=path) for path, record in records.items()]
    return list(records.values())


def table(records: Iterable[Record]) -> list[tuple[str, ...]]:
    """The header and a row for each run."""
    rows = [record.row() for record in records]
    return [tuple(rows[0]), *(tuple(row.values()) for row in rows)]


def curves(records: Sequence[Record]) -> "Figure":
    """Draw loss (left) and error (right) of several runs over their epochs.

    Validation is drawn full, training dashed; frameworks wear their colours if no two
    runs share one.
    """
    # Here, for matplotlib takes a third of a second to import.
    from matplotlib.ticker import LogLocator, NullFormatter

    from d2l_lite.figure import FRAMEWORK_COLORS, Figure, epoch_axis
    from d2l_lite.plots import PALETTE

    frameworks = [record.options["framework"] for record in records]
    colors = [PALETTE[number % len(PALETTE)] for number in range(len(records))]
    if len(set(frameworks)) == len(records) > 1:
        colors = [FRAMEWORK_COLORS[framework] for framework in frameworks]
    figure = Figure((5.2, 3.6))
    loss, error = figure.subplots(1, 2)
    for axes, name in ((loss, "loss"), (error, "error")):
        for record, color in zip(records, colors):
            epochs = record.history.epoch
            validation = getattr(record.history, f"validation_{name}")
            train = getattr(record.history, f"train_{name}")
            # One point makes no line.
            style = {"color": color, "marker": "o" if len(epochs) == 1 else None}
            axes.plot(
                epochs, validation, "-", linewidth=1.8, label=record.name, **style
            )
            axes.plot(epochs, train, "--", linewidth=1.2, **style)
        epoch_axis(axes)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3, which="both")
    loss.set_ylabel("cross-entropy (nats)")
    error.set_ylabel("share wrong")
    handles = error.get_legend_handles_labels()
    title = "validation full, training dashed"
    figure.legend(*handles, loc="outside lower center", ncols=2, title=title)
    return figure


def plot(folders: Iterable[str | Path], target: str | Path) -> None:
    """Draw the curves of several runs as a file, whose suffix says of which kind.

    Raises:
        OptionError: a suffix of none of `FORMATS`.
        RunError, DataError: as `read`; or no run has finished an epoch.
    """
    from d2l_lite.figure import FORMATS

    kind = Path(target).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise OptionError(f"--out {target}: end its name in .{', .'.join(FORMATS)}")
    records = read_all(folders)
    if not any(len(record.history) for record in records):
        raise RunError("no run has finished an epoch yet; there is nothing to draw")
    with replacing(target, "wb") as file:
        file.write(curves(records).drawn(kind))
