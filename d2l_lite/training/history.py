"""What training measured, one row per epoch: in memory, as CSV and as a plot."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from d2l_lite.files import read_text, replacing

if TYPE_CHECKING:
    from d2l_lite.figure import Figure


def _column() -> list:
    return field(default_factory=list)


@dataclass(repr=False)
class History:
    """Columns of equal length, one entry per finished epoch.

    Losses are mean cross-entropies in nats, errors the shares of wrong predictions
    from 0 to 1; the learning rate is that of the epoch's last step, and the seconds
    are those spent on training, without validation.

    Explained in chapters/training.md.
    """

    epoch: list[int] = _column()
    train_loss: list[float] = _column()
    train_error: list[float] = _column()
    validation_loss: list[float] = _column()
    validation_error: list[float] = _column()
    learning_rate: list[float] = _column()
    seconds: list[float] = _column()

    @property
    def train_accuracy(self) -> list[float]:
        """Shares of right predictions in training: 1 − `train_error`."""
        return [1 - error for error in self.train_error]

    @property
    def validation_accuracy(self) -> list[float]:
        """Shares of right predictions in validation: 1 − `validation_error`."""
        return [1 - error for error in self.validation_error]

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the names of the columns in order."""
        return tuple(column.name for column in fields(cls))

    def append(self, **values: float) -> None:
        """Add an epoch; every column must be given."""
        if set(values) != set(self.columns()):
            given, expected = ", ".join(values), ", ".join(self.columns())
            raise ValueError(f"append({given}): expected {expected}")
        row = {name: float(value) for name, value in values.items()}
        row["epoch"] = int(values["epoch"])
        for name, value in row.items():
            getattr(self, name).append(value)

    def rows(self) -> Iterator[tuple]:
        """Yield one tuple per epoch in the order of the columns."""
        return zip(*(getattr(self, name) for name in self.columns()))

    def __len__(self) -> int:
        return len(self.epoch)

    def __repr__(self) -> str:
        if not self.epoch:
            return "History(epochs=0)"
        return (
            f"History(epochs={len(self)}, train_loss={self.train_loss[-1]:.4f}, "
            f"validation_loss={self.validation_loss[-1]:.4f})"
        )

    def to_csv(self, path: str | Path) -> None:
        """Write the columns to a file, which is replaced whole or left as it was."""
        with replacing(path, newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns())
            writer.writerows(self.rows())

    @classmethod
    def from_csv(cls, path: str | Path) -> "History":
        """Read what `to_csv` wrote; a ValueError names the file and the wrong line."""
        try:
            header, *rows = csv.reader(read_text(path).splitlines() or [""])
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path}: not a CSV file ({error})") from None
        if tuple(header) != cls.columns():
            given, expected = ", ".join(header) or "none", ", ".join(cls.columns())
            raise ValueError(f"{path}: columns are {given}; expected {expected}")
        history = cls()
        for number, row in enumerate(rows, 2):
            try:
                history.append(**dict(zip(header, row, strict=True)))
            except ValueError:
                found = f"{','.join(row)!r} is not {len(header)} numbers"
                raise ValueError(f"{path}, line {number}: {found}") from None
            if (epoch := history.epoch[-1]) != len(history):
                raise ValueError(
                    f"{path}, line {number}: epoch {epoch} in place of {len(history)}: "
                    "a line is missing, moved or doubled; put it where it belongs"
                )
        return history

    def plot(self) -> "Figure":
        """Draw loss (left) and accuracy (right) over the epochs."""
        # Here, for matplotlib takes a third of a second to import.
        from d2l_lite.figure import Figure, epoch_axis
        from d2l_lite.plots import MAGENTA, TEAL

        figure = Figure((5.2, 2.7))
        loss, accuracy = figure.subplots(1, 2)
        for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
            for part, color, style in (
                ("train", TEAL, "--o"),
                ("validation", MAGENTA, "-s"),
            ):
                values = getattr(self, f"{part}_{name}")
                axes.plot(
                    self.epoch, values, style, color=color, label=part, markersize=4
                )
            epoch_axis(axes)
            axes.set_xlim(0.5, max(self.epoch, default=1) + 0.5)
            if not self.epoch:
                axes.set_yticks([])
            axes.grid(alpha=0.3)
            axes.legend()
        loss.set_ylabel("cross-entropy (nats)")
        accuracy.set_ylabel("accuracy (share right)")
        return figure
