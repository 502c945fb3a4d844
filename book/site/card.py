"""Draws the picture that stands beside a link to the book where links are shown."""

from collections.abc import Mapping
from io import BytesIO
from itertools import combinations
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from d2l_lite import TITLES

CARD = "card.png"
WIDTH, HEIGHT = 1200, 630
# Drawn larger, then made smaller, so that edges are smooth.
SCALE = 2
PAPER, INK, MUTED, ARC = "#14182b", "#ffffff", "#b9c0da", "#6c738c"
FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"


def draw_card(title: str, colours: Mapping[str, str]) -> bytes:
    """The card as a PNG: four layers, each joined to all later ones, and the title.

    `colours` are the frameworks' on a dark ground, six digits each.
    """
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
    pen = ImageDraw.Draw(image)
    base, radius = 300, 34
    places = [
        (150 + 300 * i, base, f"#{colours[name]}") for i, name in enumerate(TITLES)
    ]
    for (left, _, _), (right, _, _) in combinations(places, 2):
        height = 0.26 * (right - left)
        box = (left, base - height, right, base + height)
        pen.arc(scaled(*box), 180, 360, fill=ARC, width=5 * SCALE)
    for x, y, color in places:
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(scaled(*box), fill=color, outline=PAPER, width=6 * SCALE)
    for (x, y, color), name in zip(places, TITLES.values()):
        write(pen, (x, y + 66), name, 32, color)
    write(pen, (WIDTH / 2, 458), title, 62, INK)
    line = "An executable book: one function, four times"
    write(pen, (WIDTH / 2, 548), line, 34, MUTED)
    buffer = BytesIO()
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    small.quantize(128).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def scaled(*numbers: float) -> tuple[float, ...]:
    """The numbers in pixels of the large drawing."""
    return tuple(SCALE * number for number in numbers)


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    fill: str,
) -> None:
    """Writes a line of text, centred."""
    bold = "DejaVuSans-Bold.ttf" if fill != MUTED else "DejaVuSans.ttf"
    font = ImageFont.truetype(str(FONTS / bold), size * SCALE)
    pen.text(scaled(*place), text, font=font, fill=fill, anchor="mm")
