"""ImageNet: published weights, pictures as the networks want them, names of classes.

Explained in chapters/densenet_zoo.md.
"""

import os
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from d2l_lite import installed
from d2l_lite.checks import check_choice, check_integer
from d2l_lite.data.download import cache_folder, fetch
from d2l_lite.networks import checkpoints
from d2l_lite.networks.weights import Shapes, WeightsError

# torchvision's, "ported from LuaTorch". Its code is under the BSD 3-Clause licence; of
# weights it says that the terms of the data they were trained on may hold. Each name
# ends with the first digits of the file's SHA-256.
SOURCE = "https://download.pytorch.org/models"
FILES = {
    "densenet121": "densenet121-a639ec97.pth",
    "densenet161": "densenet161-8d451a50.pth",
    "densenet169": "densenet169-b2777c0a.pth",
    "densenet201": "densenet201-c1103571.pth",
}
# Of red, green and blue in the training images, as parts of 1.
MEAN = np.float32([0.485, 0.456, 0.406])
DEVIATION = np.float32([0.229, 0.224, 0.225])
SHORTER_SIDE, CROP = 256, 224


@cache
def classes() -> tuple[str, ...]:
    """The 1,000 names in the order of the labels."""
    file = resources.files("d2l_lite.networks") / "imagenet_classes.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def checkpoint(name: str) -> Path:
    """A file with a network's published weights for `load`, downloaded only once.

    Raises:
        ValueError: an unknown name.
        WeightsError: there is no PyTorch, which alone reads the published file.
        DataError: the file cannot be had or kept.
    """
    check_choice(name, FILES, f"pretrained({name!r})")
    file, folder = FILES[name], cache_folder() / "imagenet"
    target = folder / f"{Path(file).stem}.safetensors"
    if target.is_file():
        return target
    url = f"{SOURCE}/{file}"
    by_hand = f"`python -m d2l_lite convert {file} {name}.safetensors`"
    if not installed("pytorch"):
        rule = f"pip install torch, or run {by_hand} where it is, and load the result"
        raise WeightsError(f"pretrained({name!r}): only PyTorch reads {url}: {rule}")
    remedy = f"Download it by other means, then run {by_hand} and load the result."
    digits = Path(file).stem.rpartition("-")[2]
    source = fetch(file, [url], digits, folder, remedy)
    try:
        checkpoints.convert(source, target)
    except FileNotFoundError:
        # Another process was faster, and has removed the source.
        if not target.is_file():
            raise
    source.unlink(missing_ok=True)
    return target


def prepare(image: str | os.PathLike | Image.Image | np.ndarray) -> np.ndarray:
    """A picture as torchvision's networks for ImageNet want it: 1×3×224×224, float32.

    Its shorter side is resized to 256 pixels, the middle 224×224 are cut out, and each
    colour is normalised with the mean and deviation of ImageNet.

    Args:
        image: a file, a picture of Pillow, or an H×W×3 array of uint8. Grey and indexed
            colours become RGB, transparency is dropped, and a photograph is turned
            upright as its camera noted.

    Raises:
        ValueError: no picture, or one without pixels.
        OSError: the file cannot be read.
    """
    picture = _rgb(_opened(image))
    # Rounded as in torchvision.transforms: resize down, centre to the even number.
    short = min(picture.size)
    size = tuple(int(SHORTER_SIDE * length / short) for length in picture.size)
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = (round((length - CROP) / 2) for length in size)
    pixels = np.asarray(picture.crop((left, top, left + CROP, top + CROP)))
    normalised = (np.float32(pixels) / np.float32(255) - MEAN) / DEVIATION
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def check(shapes: Shapes, top: int) -> None:
    """Raise `ValueError` unless a network is for ImageNet and has `top` classes."""
    check_integer(top, 1, len(classes()), f"classify(top={top!r})")
    found = shapes.get("classifier.bias", (0,))[0]
    channels = shapes.get("features.conv0.weight", (0, 0))[1]
    if (found, channels) != (len(classes()), 3):
        needs = "needs a network of 1000 classes for images of 3 channels"
        raise ValueError(f"classify: {needs}; this has {found} for {channels}")


def ranked(logits: np.ndarray, top: int) -> list[tuple[str, float]]:
    """The `top` likeliest classes of 1,000 logits and their probabilities."""
    if not np.isfinite(logits).all():
        raise ValueError("classify: the network's logits are not all finite numbers")
    powers = np.exp(np.float64(logits) - np.max(logits))
    probabilities = powers / powers.sum()
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(classes()[label], float(probabilities[label])) for label in order]


def _opened(image: object) -> Image.Image:
    if isinstance(image, Image.Image):
        picture = image
    elif isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            found = f"shape {image.shape} and type {image.dtype}"
            raise ValueError(f"prepare: an array of {found}: must be H×W×3 of uint8")
        picture = Image.fromarray(image) if image.size else Image.new("RGB", (0, 0))
    elif isinstance(image, (str, os.PathLike)):
        with Path(image).open("rb") as file:
            try:
                picture = Image.open(file)
                picture.load()
            except Exception as error:
                # Damaged bytes make Pillow raise anything: OSError, SyntaxError, ...
                rule = "not a picture that Pillow reads"
                raise ValueError(f"prepare: {image}: {rule} ({error})") from None
    else:
        rule = "must be a path, a picture or an array"
        raise ValueError(f"prepare: a {type(image).__name__}: {rule}")
    if not min(picture.size):
        raise ValueError("prepare: the picture has no pixels")
    return picture


def _rgb(picture: Image.Image) -> Image.Image:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        # Grey of 16 bits or of 8 in 32, which Pillow would cut off at 255.
        pixels = np.asarray(picture).astype(np.int64)
        scale = 257 if picture.mode != "I" or pixels.max() > 255 else 1
        picture = Image.fromarray((pixels // scale).clip(0, 255).astype(np.uint8))
    if "transparency" in picture.info:
        # Straight to RGB, Pillow warns that an index of colours may have more to say.
        picture = picture.convert("RGBA")
    return picture.convert("RGB")
