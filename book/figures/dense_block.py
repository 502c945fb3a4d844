"""Draws the dense block of the landing page: `python book/figures/dense_block.py`."""

from pathlib import Path

LAYERS, CHANNELS, GROWTH = 4, 64, 32
# The input, then one shade for each layer; the frameworks' colours stay theirs.
COLOURS = ("#5b6478", "#3f9f88", "#2c8570", "#1d6a58", "#0f4a3c")
STEP, BOX, TOP, WIDTH, HEIGHT = 146, 60, 246, 850, 350


def centre(node: int) -> float:
    """The middle of a box, in pixels from the left; 0 is the input."""
    return 50 + STEP * node


def arrow(source: int, target: int) -> str:
    """An arc from the top of one box to the top of a later one.

    Where several begin or end at one box they keep 10 pixels apart, the longer ones
    outside of the shorter ones, so that no two cross there.
    """
    start = centre(source) + 24 - 10 * (target - source - 1)
    end = centre(target) - 24 + 10 * (target - source - 1)
    radius = (end - start) / 2
    colour = COLOURS[source]
    return (
        f'<path d="M{start} {TOP}A{radius} {0.62 * radius:.0f} 0 0 1 {end} {TOP - 3}" '
        f'fill="none" stroke="{colour}" stroke-width="2.2" '
        f'marker-end="url(#to-{source})"/>'
    )


def head(source: int) -> str:
    """The arrowhead in a box's colour."""
    return (
        f'<marker id="to-{source}" viewBox="0 0 10 10" refX="9" refY="5" '
        'markerWidth="4.5" markerHeight="4.5" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{COLOURS[source]}"/></marker>'
    )


def box(node: int) -> str:
    """A box with its name in it and the number of channels so far below it."""
    x, channels = centre(node), CHANNELS + GROWTH * min(node, LAYERS)
    fill, outline, ink = COLOURS[min(node, LAYERS)], "none", "#fff"
    letter = "x" if node == 0 else "H"
    name = f'<tspan font-style="italic">{letter}</tspan>'
    name += f'<tspan dy="6" font-size="17">{node}</tspan>'
    below = f"+ {GROWTH} = {channels}" if 0 < node <= LAYERS else f"{channels}"
    if node > LAYERS:
        fill, outline, ink, name = "#fff", COLOURS[0], "#333a4d", "out"
    return (
        f'<rect x="{x - BOX / 2:g}" y="{TOP}" width="{BOX}" height="52" rx="9" '
        f'fill="{fill}" stroke="{outline}" stroke-width="2.2"/>'
        f'<text x="{x}" y="{TOP + 33}" font-size="25" fill="{ink}" '
        f'text-anchor="middle">{name}</text>'
        f'<text x="{x}" y="{TOP + 86}" font-size="22" fill="#333a4d" '
        f'text-anchor="middle">{below}</text>'
    )


def svg() -> str:
    """The whole picture."""
    nodes = range(LAYERS + 2)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, sans-serif">',
        "<defs>",
        *map(head, range(LAYERS + 1)),
        "</defs>",
        *(arrow(source, target) for source in nodes for target in nodes[source + 1 :]),
        *map(box, nodes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(svg())
