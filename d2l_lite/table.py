"""A table as a notebook shows it, and the same as plain text."""

from collections.abc import Iterable, Sequence
from html import escape
from numbers import Integral


class Table:
    """Rows under a header; columns of numbers are aligned on the right.

    Args:
        header: the name of each column.
        rows: as many cells each. Whole numbers get commas (`758,226`), others four
            digits; texts stay as they are.

    Raises:
        ValueError: a row has another number of cells than the header.
    """

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence]) -> None:
        self.rows = [[_text(cell) for cell in row] for row in (header, *rows)]
        for row in self.rows:
            if len(row) != len(header):
                raise ValueError(f"{len(header)} names of columns for the row {row}")
        columns = list(zip(*self.rows))
        self.widths = [max(map(len, column)) for column in columns]
        self.sides = [
            ">" if all(cell[:1] in "0123456789-–" for cell in column[1:]) else "<"
            for column in columns
        ]

    def __repr__(self) -> str:
        lines = [
            "  ".join(f"{c:{side}{width}}" for c, side, width in cells).rstrip()
            for cells in (zip(row, self.sides, self.widths) for row in self.rows)
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def line(row: Sequence[str], tag: str) -> str:
            align = {"<": "left", ">": "right"}
            cells = (
                f'<{tag} style="text-align: {align[side]}">{escape(cell)}</{tag[:2]}>'
                for cell, side in zip(row, self.sides)
            )
            return f"<tr>{''.join(cells)}</tr>"

        head, *body = self.rows
        body = "\n".join(line(row, "td") for row in body)
        return f'<table class="table">\n{line(head, "th scope=col")}\n{body}\n</table>'


def _text(cell: object) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, Integral) else f"{cell:,.4g}"
