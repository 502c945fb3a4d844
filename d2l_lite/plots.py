"""Drawings, images, predictions and confusion matrices; none needs a display.

Explained in chapters/training.md. matplotlib is imported when something is drawn: it
takes a third of a second.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from d2l_lite.checks import check_integer

if TYPE_CHECKING:
    from d2l_lite.figure import Figure

# Told apart by colour-blind readers and in greyscale, and none a framework's.
PALETTE = ("#00695c", "#d81b78", "#8a8d00", "#5d4037", "#4db6ac", "#f48fb1", "#000000")
TEAL, MAGENTA, *_ = PALETTE


def panels(count: int = 1, width: float = 4, height: float = 3) -> Any:
    """Open drawings that `plt.show()` shows, side by side where there is room.

    Args:
        count: how many; each is a figure of its own, so that on a phone they stand
            one below the other.
        width, height: of each, in inches.

    Returns:
        the axes to draw in, or a list of them if there are several.

    Raises:
        ValueError: `count` is no integer from 1.
    """
    from matplotlib import pyplot as plt

    from d2l_lite.figure import Figure

    check_integer(count, 1, None, f"count={count!r}")
    size = (width, height)
    made = [plt.figure(figsize=size, FigureClass=Figure) for _ in range(count)]
    axes = [figure.subplots() for figure in made]
    return axes if count > 1 else axes[0]


def show_images(
    images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 8
) -> "Figure":
    """Draw images in a grid.

    Args:
        images: N×C×H×W with 1 or 3 channels; uint8, or floats, which are stretched
            together to [0, 1] where they leave it (as normalised images do).
        titles: a text above each image.
        columns: images per row.

    Raises:
        ValueError: another shape, no image, or another number of titles.
    """
    from d2l_lite.figure import Figure

    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.size == 0:
        raise ValueError(
            f"images of shape {images.shape}: expected N×C×H×W with 1 or 3 channels"
        )
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(titles)} titles for {len(images)} images")
    check_integer(columns, 1, None, f"columns={columns!r}")
    if images.dtype == np.uint8:
        images = images / 255
    elif images.min() < 0 or images.max() > 1:
        images = (images - images.min()) / (np.ptp(images) or 1)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    # All in inches: few images are not blown up, many share a page's width.
    gap, cell = 0.04, min(8 / columns, 1.35)
    image_width = cell - gap
    image_height = image_width * images.shape[2] / images.shape[3]
    lines = max(title.count("\n") + 1 for title in titles) if titles else 0
    size = 10 * min(cell / 1.35, 1)  # of titles, in points
    row_height = image_height + gap + lines * size / 48
    width, height = cell * columns, row_height * rows
    figure = Figure((width, height), layout="none", pictures=True)
    for number, image in enumerate(images.transpose(0, 2, 3, 1)):
        row, column = divmod(number, columns)
        left = (cell * column + gap / 2) / width
        bottom = (height - row_height * (row + 1) + gap / 2) / height
        axes = figure.add_axes(
            (left, bottom, image_width / width, image_height / height)
        )
        axes.set_axis_off()
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if titles:
            axes.set_title(titles[number], fontsize=size, pad=3)
    return figure


def _check_labels(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as int64 arrays of N class numbers, or raise ValueError."""
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            f"shapes labels {labels.shape}, predictions {predictions.shape}: "
            "expected one class number per example"
        )
    for name, array in (("labels", labels), ("predictions", predictions)):
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"{name} of type {array.dtype}: expected whole numbers")
        if array.size and not 0 <= array.min() <= array.max() < num_classes:
            raise ValueError(
                f"{name} from {array.min()} to {array.max()}: "
                f"expected 0 to {num_classes - 1}"
            )
    return labels.astype(np.int64), predictions.astype(np.int64)


def show_predictions(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: Sequence[str],
    columns: int = 4,
) -> "Figure":
    """Draw images with the predicted class (✓ right, ✗ wrong) over the true one.

    Args:
        images: N×C×H×W, as for `show_images`.
        labels, predictions: N class numbers each.
        classes: names of the classes.
        columns: images per row.

    Raises:
        ValueError: numbers of no class, other shapes, or what `show_images` refuses.
    """
    labels, predictions = _check_labels(labels, predictions, len(classes))
    if len(labels) != len(images):
        raise ValueError(f"{len(labels)} labels for {len(images)} images")
    marks = np.where(labels == predictions, "✓", "✗")
    titles = [
        f"{mark} {classes[prediction]}\ntrue: {classes[label]}"
        for mark, label, prediction in zip(marks, labels, predictions)
    ]
    figure = show_images(images, titles, columns)
    for axes, mark in zip(figure.axes, marks):
        axes.title.set_color(TEAL if mark == "✓" else MAGENTA)
    return figure


def confusion_matrix(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> np.ndarray:
    """Count how often each class (row) was predicted as each class (column).

    Returns:
        int64 num_classes×num_classes; the diagonal holds the right predictions.

    Raises:
        ValueError: not as many labels as predictions, or numbers of no class.
    """
    labels, predictions = _check_labels(labels, predictions, num_classes)
    counts = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def plot_confusion(matrix: np.ndarray, classes: Sequence[str]) -> "Figure":
    """Draw a confusion matrix: counts in the cells, shares of each row as shades.

    Raises:
        ValueError: not one row and one column for each class.
    """
    from d2l_lite.figure import Figure

    matrix = np.asarray(matrix)
    count = len(classes)
    if matrix.shape != (count, count):
        raise ValueError(f"matrix of shape {matrix.shape} for {count} classes")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = max(1.3 + 0.4 * count, 3.2)
    figure = Figure((size, size))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = str(matrix[row, column])
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(
        range(count), classes, rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(count), classes)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return figure
