"""The book's kind of figure, and an axis that counts epochs."""

import io
from typing import Any

import matplotlib.figure
from matplotlib.ticker import MaxNLocator

from d2l_lite.notebook import kernel_shell


class Figure(matplotlib.figure.Figure):
    """A white figure that a notebook shows as PNG whichever backend is active.

    pyplot never hears of it, so that it is shown once and needs no closing.
    """

    def __init__(self, width: float, height: float, layout: str = "compressed") -> None:
        """Make an empty figure; width and height in inches of 110 pixels."""
        super().__init__((width, height), dpi=110, facecolor="white", layout=layout)
        if shell := kernel_shell():
            # matplotlib's has no PNG before pyplot, and one with its version after.
            png = shell.display_formatter.formatters["image/png"]
            png.for_type(Figure, Figure.png)

    def png(self) -> bytes:
        """Return the figure as PNG; the same drawing gives the same bytes."""
        buffer = io.BytesIO()
        # Without "Software" the bytes do not name matplotlib's version.
        self.savefig(buffer, format="png", dpi="figure", metadata={"Software": None})
        return buffer.getvalue()


def epoch_axis(axes: Any) -> None:
    """Have the x axis count epochs, in whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
