"""Draws the board of the first lesson: `python book/figures/board.py`."""

from pathlib import Path

LAYERS, CHANNELS, GROWTH = 4, 64, 32
SHADES = ("#5b6478", "#3f9f88", "#2c8570", "#1d6a58", "#0f4a3c")
# A channel's width, a bar's height and the way from one bar to the next, in pixels.
SCALE, BAR, STEP, TOP = 1.5, 30, 78, 96
ADDING, KEEPING, COUNT, WIDTH = 20, 270, 590, 850
INK = 'font-size="21" fill="#333a4d"'


def text(x: float, y: float, words: str, more: str = INK) -> str:
    return f'<text x="{x:g}" y="{y:g}" {more}>{words}</text>'


def bar(x: float, y: float, channels: int, shade: str) -> str:
    """Feature maps, as wide as they have channels."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{channels * SCALE:g}" height="{BAR}" '
        f'fill="{shade}" stroke="#fff" stroke-width="2"/>'
    )


def arrow(x: float, y: float, aside: float = 0) -> str:
    """From below one bar to the next."""
    return (
        f'<path d="M{x:g} {y + BAR + 4:g}L{x + aside:g} {y + STEP - 8:g}" '
        'stroke="#333a4d" stroke-width="2.2" marker-end="url(#head)"/>'
    )


def adding() -> list[str]:
    """The residual network: as many channels after every layer, and mixed."""
    parts = [text(ADDING, 32, "add"), text(ADDING, 62, "x + g(x)")]
    for layer in range(LAYERS + 1):
        y = TOP + STEP * layer
        parts.append(bar(ADDING, y, CHANNELS, "#9aa1b1"))
        parts.append(text(ADDING + 108, y + 22, str(CHANNELS)))
        if layer < LAYERS:
            parts += [arrow(ADDING + 48, y), text(ADDING + 60, y + 60, "+ g")]
    return parts


def keeping() -> list[str]:
    """The dense block: nothing is overwritten, each layer lays its maps beside."""
    parts = [text(KEEPING, 32, "concatenate"), text(KEEPING, 62, "[x, H(x)]")]
    parts.append(text(COUNT + 40, 32, "reads, adds"))
    for layer in range(LAYERS + 1):
        y, x = TOP + STEP * layer, KEEPING
        for part in range(layer + 1):
            channels = GROWTH if part else CHANNELS
            parts.append(bar(x, y, channels, SHADES[part]))
            x += channels * SCALE
        if layer < LAYERS:
            read = CHANNELS + GROWTH * layer
            parts += [arrow(x - 14, y, aside=34), text(x + 14, y + 54, f"H{layer + 1}")]
            parts.append(
                text(COUNT + 40, y + 60, f"{read} + {GROWTH} = {read + GROWTH}")
            )
    parts.append(
        text(COUNT + 40, TOP + STEP * LAYERS + 22, f"{CHANNELS} + {LAYERS}·{GROWTH}")
    )
    return parts


def svg() -> str:
    """The whole picture."""
    height = TOP + STEP * LAYERS + BAR + 16
    head = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="5" refY="5" markerWidth="6" '
        'markerHeight="6" orient="auto"><path d="M0 0L10 5L0 10z" fill="#333a4d"/>'
        "</marker></defs>"
    )
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif">'
    )
    return "\n".join([start, head, *adding(), *keeping(), "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(svg(), encoding="utf-8")
