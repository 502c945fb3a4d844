"""The history of a training: columns, CSV and plot."""

import os

import pytest

from d2l_lite.figure import Figure
from d2l_lite.training.history import History

COLUMNS = (
    "epoch,train_loss,train_error,validation_loss,validation_error,"
    "learning_rate,seconds"
)


def row(epoch, **changes):
    values = {
        "epoch": epoch,
        "train_loss": 2.0 / epoch,
        "train_error": 0.1 + 0.2,  # 0.30000000000000004 must survive the CSV
        "validation_loss": 2.2 / epoch,
        "validation_error": 0.25,
        "learning_rate": 1e-7,
        "seconds": 1.5,
    }
    return values | changes


@pytest.fixture
def history():
    history = History()
    for epoch in (1, 2, 3):
        history.append(**row(epoch))
    return history


def test_columns_grow_together(history):
    assert len(history) == 3
    assert history.epoch == [1, 2, 3]
    assert history.train_loss == [2.0, 1.0, 2 / 3]
    assert ",".join(History.columns()) == COLUMNS


def test_accuracies_are_what_errors_leave(history):
    assert history.train_accuracy == 3 * [pytest.approx(0.7)]
    assert history.validation_accuracy == 3 * [0.75]


def test_repr_is_one_line_with_the_last_losses(history):
    # 2.0 / 3 and 2.2 / 3
    expected = "History(epochs=3, train_loss=0.6667, validation_loss=0.7333)"
    assert repr(history) == expected
    assert repr(History()) == "History(epochs=0)"


@pytest.mark.parametrize("values", [{"epoch": 1}, row(1, learning=0.1)])
def test_append_wants_exactly_the_columns(history, values):
    with pytest.raises(ValueError, match="expected epoch, train_loss"):
        history.append(**values)
    assert {len(getattr(history, name)) for name in History.columns()} == {3}


def test_csv_round_trip_is_exact(history, tmp_path):
    path = tmp_path / "history.csv"
    history.append(**row(4, validation_loss=float("inf")))
    history.to_csv(path)
    assert History.from_csv(path) == history
    assert path.read_text().splitlines()[:2] == [
        COLUMNS,
        "1,2.0,0.30000000000000004,2.2,0.25,1e-07,1.5",
    ]


def test_csv_from_other_editors(history, tmp_path):
    """With a mark in front and Windows' ends of lines; semicolons are refused."""
    path = tmp_path / "history.csv"
    history.to_csv(path)
    text = path.read_text()
    path.write_text(text, encoding="utf-8-sig", newline="\r\n")
    assert History.from_csv(path) == history
    path.write_text(text.replace(",", ";"))
    with pytest.raises(
        ValueError, match="columns are epoch;train_loss;.* expected epo"
    ):
        History.from_csv(path)


def test_csv_is_replaced_whole_or_not_at_all(history, tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    history.to_csv(path)
    before = path.read_text()

    def full_disk(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    history.append(**row(4))
    with pytest.raises(OSError, match="No space"):
        history.to_csv(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]  # and no temporary file is left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns are none; expected epoch, train_loss"),
        ("epoch,loss\n1,2\n", "columns are epoch, loss; expected"),
        (f"{COLUMNS}\n1,2,3,4,5,6\n", "line 2: '1,2,3,4,5,6' is not 7 numbers"),
        (f"{COLUMNS}\n1,2,3,4,5,6,7\n2,x,3,4,5,6,7\n", "line 3: '2,x,3"),
        (f"{COLUMNS}\n2,2,3,4,5,6,7\n1,2,3,4,5,6,7\n", "line 2: epoch 2 in place of 1"),
        (f"{COLUMNS}\n1,2,3,4,5,6,7\n3,2,3,4,5,6,7\n", "line 3: epoch 3 in place of 2"),
        (f"{COLUMNS}\n1,2,3,4,5,6,7\n1,2,3,4,5,6,7\n", "line 3: epoch 1 in place of 2"),
    ],
)
def test_wrong_csv_is_named(tmp_path, text, message):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        History.from_csv(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_no_text_is_named(tmp_path, history):
    path = tmp_path / "figure.png"
    path.write_bytes(history.plot().png())
    with pytest.raises(ValueError, match=r"figure\.png: not a CSV file \(.*0x89"):
        History.from_csv(path)


def test_plot_draws_loss_and_accuracy_over_whole_epochs(history):
    figure = history.plot()
    assert isinstance(figure, Figure)
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["train", "validation"]
    assert list(loss.lines[1].get_ydata()) == history.validation_loss
    assert list(accuracy.lines[0].get_ydata()) == history.train_accuracy
    assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
    assert loss.get_ylabel() == "cross-entropy (nats)"
    assert {line.get_linestyle() for line in loss.lines} == {"-", "--"}
    figure.png()
    low, high = loss.get_xlim()
    inside = [tick for tick in loss.get_xticks() if low <= tick <= high]
    assert inside == [1, 2, 3]


@pytest.mark.parametrize("epochs", [0, 1])
def test_short_histories_are_plotted_too(epochs):
    history = History()
    for epoch in range(1, epochs + 1):
        history.append(**row(epoch))
    assert history.plot().png().startswith(b"\x89PNG")
