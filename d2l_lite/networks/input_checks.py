"""Images and labels that fit a network, checked before a framework sees them."""

import math
from collections.abc import Callable

import numpy as np

from d2l_lite.networks.weights import Shapes


def check_pixels(
    height: int, width: int, transitions: int, pools: bool, call: str
) -> None:
    """Raise `ValueError`, opening with `call`, if no pixel of an image would be left.

    Each of the `transitions` halves height and width and rounds down; a stem that
    `pools` quarters them before and rounds up.
    """
    smallest = 2**transitions * (4 if pools else 1) - (3 if pools else 0)
    if min(height, width) < smallest:
        needs = "transition needs" if transitions == 1 else "transitions need"
        rule = f"{transitions} {needs} at least {smallest}×{smallest}"
        raise ValueError(f"{call}: images of {height}×{width} pixels: {rule}")


def batch_check(
    shapes: Shapes, dtype: np.dtype, call: str, training: bool = False
) -> Callable[..., tuple]:
    """A function that checks N×C×H×W images and, if there are any, N labels.

    It is for a network, or a part of one, with weights of these shapes and type. It
    returns both, images in that type and labels as int64, and raises ValueError,
    opening with `call`, for what some framework would take in silence: in `training`
    also for a batch in which a batch norm has one value per channel, and no variance.
    """
    first = next(iter(shapes.values()), ())
    channels = first[1:2] if len(first) == 4 else first[:1]
    heads = [shape for name, shape in shapes.items() if name.startswith("classifier.")]
    classes = heads[-1][0] if heads else 0
    # A transition alone has names without the number that a network gives it.
    ends = [name.rpartition("transition")[2].lstrip("0123456789.") for name in shapes]
    transitions = ends.count("conv.weight")
    norms = [i for i, name in enumerate(shapes) if "norm" in name]
    # As often the map that the last norm reads has been halved.
    halved = ends[: norms[-1]].count("conv.weight") if norms else None
    pools = "features.norm0.weight" in shapes

    def check(images: np.ndarray, labels: np.ndarray | None = None) -> tuple:
        images = np.asarray(images)
        if images.ndim != 4 or not len(images):
            rule = "must be N×C×H×W with N at least 1"
            raise ValueError(f"{call}: images of shape {images.shape}: {rule}")
        _, found, height, width = images.shape
        if channels and found != channels[0]:
            reads = f"{found} channels: the model reads {channels[0]}"
            raise ValueError(f"{call}: images of {reads}")
        check_pixels(height, width, transitions, pools, call)
        if training and halved is not None:
            sides = ((-(-side // 4) if pools else side) for side in (height, width))
            if len(images) * math.prod(side >> halved for side in sides) == 1:
                found = f"one image of {height}×{width} pixels"
                rule = "more than one value per channel: take more, or larger ones"
                raise ValueError(
                    f"{call}: {found}: batch norm in training needs {rule}"
                )
        if labels is None:
            return images.astype(dtype, copy=False), None
        labels = np.asarray(labels)
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            found = f"labels of shape {labels.shape} and type {labels.dtype}"
            rule = f"must be {len(images)} integers, one per image"
            raise ValueError(f"{call}: {found}: {rule}")
        if classes:
            low, high = np.min(labels), np.max(labels)
            if low < 0 or high >= classes:
                has = f"the network has {classes} classes, 0 to {classes - 1}"
                raise ValueError(f"{call}: labels from {low} to {high}: {has}")
        return images.astype(dtype, copy=False), labels.astype(np.int64, copy=False)

    return check
