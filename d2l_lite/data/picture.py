"""A picture of any kind that Pillow reads, in RGB; and its middle in a given size."""

import os
from contextlib import nullcontext
from math import prod
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Of a resized picture, half a gigabyte.
MOST_PIXELS = 2**27


def rgb(image: object, call: str) -> tuple[Image.Image, str]:
    """A file, picture or array in RGB, upright, and what was guessed about its white.

    `call` opens the errors, which are those of `d2l_lite.networks.imagenet.prepare`.
    """
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            found = f"shape {image.shape} and type {image.dtype}"
            raise ValueError(f"{call}: an array of {found}: must be H×W×3 of uint8")
        image = Image.fromarray(image) if image.size else Image.new("RGB", (0, 0))
    elif not isinstance(image, (str, os.PathLike, Image.Image)):
        rule = "must be a path, a picture or an array"
        raise ValueError(f"{call}: a {type(image).__name__}: {rule}")
    is_file, note = not isinstance(image, Image.Image), ""
    with Path(image).open("rb") if is_file else nullcontext() as file:
        try:
            picture = Image.open(file) if is_file else image
            deep = is_file and ";16" in str(picture.tile)
            picture.load()
            picture = ImageOps.exif_transpose(picture)
            if not picture.mode.startswith(("I", "F")):
                picture = _on_white(picture)
                # Of 16 bits of a colour Pillow has kept the upper 8.
                if deep and max(high for _, high in picture.getextrema()) < 16:
                    note = "nearly black, of 16 bits only the lower ones are used"
        # Damaged bytes make Pillow raise anything: OSError, SyntaxError, ...
        except Exception as error:
            rule = "not a picture that Pillow reads" if is_file else "unreadable"
            # Pillow would name the open file, not the path.
            known = not isinstance(error, UnidentifiedImageError)
            why = error if known else "unknown format"
            raise ValueError(f"{call}: {rule} ({why})") from None
    if not min(picture.size):
        raise ValueError(f"{call}: the picture has no pixels")
    if picture.mode != "RGB":
        picture, note = _eight_bits(picture, call)
    return picture, note


def middle(
    picture: Image.Image, cover: tuple[int, int], crop: tuple[int, int], call: str
) -> Image.Image:
    """The middle `crop` of a picture made just large enough to cover `cover`.

    Both are (height, width). As torchvision's `Resize` and `CenterCrop`: bilinear, with
    smoothing where it shrinks; the longer side is rounded down, the centre to the even
    number. Raises `ValueError`, opening with `call`, for a picture too narrow for that.
    """
    (height, width), (wide, high) = cover, picture.size
    if wide * height >= high * width:
        size = int(height * wide / high), height
    else:
        size = width, int(width * high / wide)
    if prod(size) > MOST_PIXELS:
        rule = f"too narrow: {min(cover)} pixels of its shorter side make it "
        raise ValueError(f"{call}: {rule}{size[0]}×{size[1]}")
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    top, left = (round((a - b) / 2) for a, b in zip(size[::-1], crop))
    return picture.crop((left, top, left + crop[1], top + crop[0]))


def _eight_bits(picture: Image.Image, call: str) -> tuple[Image.Image, str]:
    """Grey of more than eight bits or of floating point in RGB, and what was guessed.

    Raises:
        ValueError: values that no picture has.
    """
    values = np.asarray(picture)
    low, high = values.min(), values.max()
    tops = (1, 255, 4095, 65535)[values.dtype.kind != "f" :]
    top = next((top for top in tops if high <= top), None)
    if top is None or low < 0:
        raise ValueError(f"{call}: grey from {low} to {high}: must be from 0 to 65535")
    grey = np.floor(values * (255 / top) + 0.5).astype(np.uint8)
    grey[values == picture.info.get("transparency")] = 255
    note = f"its largest grey is {high}, so {top} is taken for white"
    return Image.fromarray(grey).convert("RGB"), note if top != 65535 else ""


def _on_white(picture: Image.Image) -> Image.Image:
    """In RGB, with white under what is transparent, as a page of paper has."""
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert(picture.mode.upper())
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture).convert("RGB")
