"""Figures of images, predictions and confusion matrices."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from d2l_lite import plots
from d2l_lite.figure import FRAMEWORK_COLORS

ROOT = Path(__file__).parents[2]
CLASSES = ("cat", "dog", "owl")


def images(count, channels=1, dtype=np.uint8):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, channels, 8, 8)).astype(dtype)


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.images]


def test_confusion_matrix_by_hand():
    # Row = true class, column = predicted: of three 0s one was taken for a 2.
    labels = [0, 0, 0, 1, 2, 2]
    predictions = [0, 2, 0, 1, 1, 2]
    expected = [[2, 0, 1], [0, 1, 0], [0, 1, 1]]
    matrix = plots.confusion_matrix(labels, predictions, 3)
    assert matrix.tolist() == expected
    assert matrix.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0], r"labels \(2,\), predictions \(1,\)"),
        ([[0]], [[0]], r"labels \(1, 1\)"),
        ([0.0], [0], "labels of type float64"),
        ([3], [0], "labels from 3 to 3: expected 0 to 2"),
        ([0], [-1], "predictions from -1 to -1: expected 0 to 2"),
    ],
)
def test_confusion_matrix_refuses(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        plots.confusion_matrix(np.array(labels), np.array(predictions), 3)


def test_plot_confusion_writes_every_count():
    matrix = np.array([[2, 0, 1], [0, 1, 0], [0, 0, 0]])
    axes = plots.plot_confusion(matrix, CLASSES).axes[0]
    assert [text.get_text() for text in axes.texts] == list("201010000")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    # Shades are shares of a row; a class without examples is no division by zero.
    shares = axes.images[0].get_array().tolist()
    assert shares == [[2 / 3, 0, 1 / 3], [0, 1, 0], [0, 0, 0]]


def test_plot_confusion_refuses_other_shape():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) for 3 classes"):
        plots.plot_confusion(np.zeros((2, 3)), CLASSES)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_show_images_makes_a_grid(channels, dtype):
    figure = plots.show_images(images(5, channels, dtype), list("abcde"), columns=3)
    assert titles(figure) == list("abcde")
    boxes = [axes.get_position() for axes in figure.axes]
    lefts = [box.x0 for box in boxes]
    assert lefts[3:] == pytest.approx(lefts[:2])
    assert boxes[3].y1 < boxes[0].y0  # 3 and 4 stand in a second row


def test_float_images_in_the_unit_range_are_not_stretched():
    half = np.full((1, 1, 4, 4), 0.5)
    assert plots.show_images(half).axes[0].images[0].get_array().max() == 0.5
    # [-2, 2] goes to [0, 1].
    wide = np.linspace(-2, 2, 16).reshape(1, 1, 4, 4)
    shown = plots.show_images(wide).axes[0].images[0].get_array()
    assert (shown.min(), shown.max()) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((2, 8, 8))}, r"shape \(2, 8, 8\)"),
        ({"images": np.zeros((2, 8, 8, 3))}, r"shape \(2, 8, 8, 3\)"),
        ({"images": np.zeros((0, 1, 8, 8))}, r"shape \(0, 1, 8, 8\)"),
        ({"images": images(2), "titles": ["a"]}, "1 titles for 2 images"),
        (
            {"images": images(2), "columns": 0},
            "columns=0: must be an integer, at least",
        ),
        ({"images": images(2), "columns": 2.5}, "columns=2.5: must be an integer"),
    ],
)
def test_show_images_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.show_images(**arguments)


def test_show_predictions_marks_right_and_wrong_by_text_and_colour():
    figure = plots.show_predictions(images(2), [0, 1], np.array([0, 2]), CLASSES)
    assert titles(figure) == ["✓ cat\ntrue: cat", "✗ owl\ntrue: dog"]
    colours = [axes.title.get_color() for axes in figure.axes]
    assert colours == [plots.TEAL, plots.MAGENTA]


def test_show_predictions_refuses():
    with pytest.raises(ValueError, match="1 labels for 2 images"):
        plots.show_predictions(images(2), [0], [0], CLASSES)
    with pytest.raises(ValueError, match="predictions from 3 to 3"):
        plots.show_predictions(images(1), [0], [3], CLASSES)


def test_the_same_drawing_gives_the_same_small_png():
    first, second = (plots.show_images(images(32)).png() for _ in range(2))
    assert first == second
    assert b"Software" not in first
    assert len(first) < 60_000


@pytest.mark.filterwarnings("error")
def test_marks_are_in_the_font():
    plots.show_predictions(images(2), [0, 1], [0, 2], CLASSES).png()


def test_the_same_drawing_gives_the_same_svg():
    matrix = np.eye(3, dtype=int)
    first, second = (plots.plot_confusion(matrix, CLASSES).svg() for _ in range(2))
    assert first == second
    assert first.count("<svg") == 1 and "date" not in first


def test_frameworks_wear_the_colours_of_their_tabs_and_nothing_else_does():
    css = (ROOT / "book/site/static/book.css").read_text(encoding="utf-8")
    light = css[: css.index("}")]
    assert dict(re.findall(r"--(\w+): (#\w+);", light)) == FRAMEWORK_COLORS
    assert not set(FRAMEWORK_COLORS.values()) & set(plots.PALETTE)


def test_panels_are_figures_of_their_own_in_the_books_colours():
    left, right = plots.panels(2, 3, 2)
    assert left.figure is not right.figure
    assert left.figure.get_size_inches().tolist() == [3, 2]
    assert left.plot([1, 2])[0].get_color() == plots.PALETTE[0]
    assert plots.panels().figure.get_size_inches().tolist() == [4, 3]
    with pytest.raises(ValueError, match="count=0: must be an integer, at least"):
        plots.panels(0)


def test_pyplot_is_not_touched():
    code = (
        "import sys, numpy; from d2l_lite import plots;"
        "plots.show_images(numpy.zeros((1, 1, 4, 4))).png();"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    # An interactive backend that cannot work here must not matter.
    environment = os.environ | {"MPLBACKEND": "TkAgg", "DISPLAY": ""}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        ("plots.show_images(np.zeros((2, 1, 4, 4)))", "image/png"),
        ("plots.plot_confusion(np.eye(2, dtype=int), 'ab')", "image/svg+xml"),
    ],
)
def test_a_notebook_shows_one_image_whatever_backend_is_active(monkeypatch, draw, kind):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [
        f"import numpy as np\nfrom d2l_lite import plots\n{draw}",
        f"%matplotlib inline\nimport matplotlib.pyplot as plt\n{draw}",
        "left, right = plots.panels(2)\nplt.show()",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
    )
    NotebookClient(notebook, timeout=60).execute()
    before, after, panels = (cell.outputs for cell in notebook.cells)
    assert [output.output_type for output in before] == ["execute_result"]
    assert [output.output_type for output in after] == ["execute_result"]
    assert set(before[0].data) == {kind, "text/plain"}
    assert before[0].data == after[0].data
    assert [output.output_type for output in panels] == ["display_data"] * 2
    for output in panels:
        assert set(output.data) == {"image/svg+xml", "text/plain"}
