"""The book's kind of figure, its colours, and an axis that counts epochs."""

import io
from typing import Any

import matplotlib
import matplotlib.figure
from cycler import cycler
from matplotlib.ticker import MaxNLocator

from d2l_lite.notebook import kernel_shell
from d2l_lite.plots import PALETTE

# Those of the tabs (book/site/static/book.css): nothing but a framework wears them.
FRAMEWORK_COLORS = {
    "pytorch": "#d9472b",
    "tensorflow": "#e08a00",
    "jax": "#7b4fd6",
    "mxnet": "#1a7fb8",
}
# The kinds of file, and what in each names matplotlib's version or the time.
FORMATS = {
    "png": ("Software",),
    "svg": ("Creator", "Date"),
    "pdf": ("Creator", "Producer", "CreationDate"),
}
STYLE = {
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    # Names within an SVG are made from what they name and from this.
    "svg.hashsalt": "d2l-lite",
}


class Figure(matplotlib.figure.Figure):
    """A white figure that a notebook shows as SVG, or as PNG if it is of pictures.

    It looks the same whichever backend is active, and need not be one of pyplot's.
    """

    def __init__(
        self,
        figsize: tuple[float, float],
        layout: str = "compressed",
        pictures: bool = False,
        **others: Any,
    ) -> None:
        """Make an empty figure; width and height in inches of 110 pixels."""
        others |= {"dpi": 110, "facecolor": "white"}
        super().__init__(figsize, layout=layout, **others)
        self.pictures = pictures
        if shell := kernel_shell():
            # matplotlib's has no PNG before pyplot, and one with its version after.
            formatters = shell.display_formatter.formatters
            formatters["image/png"].for_type(Figure, Figure._shown_png)
            formatters["image/svg+xml"].for_type(Figure, Figure._shown_svg)

    def drawn(self, kind: str) -> bytes:
        """Return the figure as one of `FORMATS`; equal drawings give equal bytes."""
        buffer, unsigned = io.BytesIO(), dict.fromkeys(FORMATS[kind])
        with matplotlib.rc_context(STYLE):
            self.savefig(buffer, format=kind, dpi="figure", metadata=unsigned)
        return buffer.getvalue()

    def png(self) -> bytes:
        """Return the figure as PNG."""
        return self.drawn("png")

    def svg(self) -> str:
        """Return the figure as SVG."""
        return self.drawn("svg").decode()

    def _shown_png(self) -> bytes | None:
        return self.png() if self.pictures else None

    def _shown_svg(self) -> str | None:
        return None if self.pictures else self.svg()

    def subplots(self, *args: Any, **kwargs: Any) -> Any:
        """Add axes as matplotlib does, in the book's colours."""
        with matplotlib.rc_context(STYLE):
            return super().subplots(*args, **kwargs)


def epoch_axis(axes: Any) -> None:
    """Have the x axis count epochs, in whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
