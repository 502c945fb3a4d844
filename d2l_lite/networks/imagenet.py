"""ImageNet: published weights, pictures as the networks want them, names of classes.

Explained in chapters/densenet_zoo.md.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from d2l_lite import installation, installed
from d2l_lite.checks import check_choice
from d2l_lite.data.download import cache_folder, fetch
from d2l_lite.data.picture import middle, rgb
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
        rule = f"run {by_hand} where it is, and load the result"
        needs = f"only PyTorch reads {url}: {installation('pytorch')}, or {rule}"
        raise WeightsError(f"pretrained({name!r}): {needs}")
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


def prepare(
    image: str | os.PathLike | Image.Image | np.ndarray,
    about: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """A picture as torchvision's networks for ImageNet want it: 1×3×224×224, float32.

    Its shorter side is resized to 256 pixels, the middle 224×224 are cut out, and each
    colour is normalised with the mean and deviation of ImageNet. For a network of one's
    own, `about` has `size`, `mean` and `std`: as by `ImageFolder` the picture just
    covers (height, width), and is grey where there is one mean.

    Args:
        image: a file, a picture of Pillow, or an H×W×3 array of uint8. Grey and indexed
            colours become RGB, what is transparent is laid on white, a photograph is
            turned upright as its camera noted, and an animation is its first picture.
            Grey of more than 8 bits counts as 8, 12 or 16 bits, the first that holds
            its largest value, of floating point up to 1 as well; a warning says so
            where it is a guess.

    Raises:
        ValueError: no picture, a damaged one, or one without pixels.
        OSError: the file cannot be read.
    """
    call = _call(image)
    picture, note = rgb(image, call)
    if note:
        rule = "if that is wrong, hand over an H×W×3 array of uint8"
        warnings.warn(f"{call}: {note}; {rule}", stacklevel=2)
    covered, cut = (SHORTER_SIDE,) * 2, (CROP,) * 2
    mean, deviation = MEAN, DEVIATION
    if about and about["size"]:
        covered = cut = about["size"]
        mean, deviation = np.float32(about["mean"]), np.float32(about["std"])
        picture = picture.convert("L" if len(mean) == 1 else "RGB")
    pixels = np.asarray(middle(picture, covered, cut, call), np.float32)
    pixels = pixels.reshape(*cut, len(mean))
    normalised = (pixels / np.float32(255) - mean) / deviation
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def about(shapes: Shapes) -> dict[str, Any]:
    """What `classify` has to know of a network for ImageNet.

    Raises `ValueError` for another network.
    """
    found = shapes.get("classifier.bias", (0,))[0]
    channels = shapes.get("features.conv0.weight", (0, 0))[1]
    if (found, channels) != (len(classes()), 3):
        needs = "1000 classes for images of 3 channels, or a file with its classes"
        rule = "save(net, path, data=...) writes one"
        raise ValueError(
            f"classify: needs a network of {needs} ({rule}); this has {found} for "
            f"{channels}"
        )
    return {"classes": classes(), "mean": MEAN, "std": DEVIATION, "size": None}


def ranked(
    logits: np.ndarray, classes: Sequence[str], top: int
) -> list[tuple[str, float]]:
    """The `top` likeliest classes of a picture's logits and their probabilities."""
    if not np.isfinite(logits).all():
        raise ValueError("classify: the network's logits are not all finite numbers")
    powers = np.exp(np.float64(logits) - np.max(logits))
    probabilities = powers / powers.sum()
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(classes[label], float(probabilities[label])) for label in order]


def _call(image: object) -> str:
    """How errors open that are about a picture."""
    return f"prepare: {image}" if isinstance(image, (str, os.PathLike)) else "prepare"
