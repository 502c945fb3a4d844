"""The neutral training loop, driven by softmax regression in NumPy."""

import json
import math
import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from toy import SoftmaxTrainer, ToySet, toy_data, toy_model

from d2l_lite.training.history import History
from d2l_lite.training.schedules import constant, one_cycle, step_down
from d2l_lite.training.state import Step
from d2l_lite.training.trainer import Trainer, TrainingDiverged, loss_and_accuracy

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def train(data=None, **options):
    trainer = SoftmaxTrainer(**{"max_epochs": 2, "batch_size": 32} | options)
    model = toy_model()
    history = trainer.fit(model, data or toy_data())
    return trainer, model, history


# --- losses and schedules ---------------------------------------------------------


def test_loss_and_accuracy_by_hand():
    # Softmax of (0, ln 3) is (1/4, 3/4); of (5, 5) it is (1/2, 1/2), argmax 0.
    logits = np.array([[0, math.log(3)], [5, 5]])
    loss, accuracy = loss_and_accuracy(logits, [1, 1])
    assert loss == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-15)
    assert accuracy == 0.5


@pytest.mark.filterwarnings("error")
def test_loss_does_not_overflow():
    # exp(1000) has no float64; the loss is 1000 + log(1 + exp(-1000)) = 1000.
    assert loss_and_accuracy([[1000, 0], [0, 1000]], [1, 1])[0] == 500


def test_constant_schedule():
    assert [constant(step, 10) for step in range(10)] == [1] * 10


def test_one_cycle_by_hand():
    # 10 steps: peak at step 3; 1/4, 2/4, 3/4 before it, then 6/7 … 1/7.
    expected = [1 / 4, 2 / 4, 3 / 4, 1] + [k / 7 for k in (6, 5, 4, 3, 2, 1)]
    assert [one_cycle(step, 10) for step in range(10)] == expected


def test_the_papers_schedule_by_hand():
    # Divided by 10 at 50 % and at 75 %: steps 0 to 4, 5 to 7, 8 and 9 of ten.
    expected = 5 * [1] + 3 * [0.1] + 2 * [0.01]
    assert [step_down(step, 10) for step in range(10)] == pytest.approx(expected)
    # 300 epochs of 3 steps: epoch 151 is the first with a tenth, 226 with a hundredth.
    factors = [step_down(step, 900) for step in range(900)]
    assert factors.index(0.1) == 150 * 3
    assert [f < 0.05 for f in factors].index(True) == 225 * 3


@pytest.mark.parametrize(
    ("schedule", "before", "after", "finished", "same"),
    [
        ("constant", 2, 3, 2, True),
        ("one-cycle", 2, 3, 1, False),
        # Of 8 steps an epoch: the rate falls at step 16 of 4 epochs, at 24 of 6.
        ("step", 4, 6, 2, True),
        ("step", 4, 6, 3, False),
        # At step 20 of 5: within the third epoch, which ends with equal rates.
        ("step", 4, 5, 3, False),
        ("step", 4, 4, 4, True),
    ],
)
def test_epochs_that_another_number_would_not_have_changed(
    schedule, before, after, finished, same
):
    trainer = SoftmaxTrainer(max_epochs=after, batch_size=8, schedule=schedule)
    assert trainer.same_rates(toy_data().train, before, finished) is same


@pytest.mark.parametrize("total", [1, 2, 3, 7, 1000])
def test_one_cycle_stays_in_range(total):
    factors = [one_cycle(step, total) for step in range(total)]
    assert min(factors) > 0
    assert max(factors) == factors[int(0.3 * total)] == 1
    assert factors[-1] == 1 / (total - int(0.3 * total))


# --- fit --------------------------------------------------------------------------


def test_training_learns_and_is_recorded():
    _, _, history = train(max_epochs=5)
    assert history.epoch == [1, 2, 3, 4, 5]
    assert history.validation_accuracy[-1] > 0.9
    assert history.train_loss[-1] < history.train_loss[0]
    assert all(seconds > 0 for seconds in history.seconds)


def test_every_step_has_its_own_learning_rate():
    # 70 images in batches of 32: two full batches an epoch, four steps in all,
    # peak at step int(0.3 * 4) = 1: 1/2, 1, 2/3, 1/3.
    trainer, _, history = train(learning_rate=0.6)
    rates = [rate for _, _, rate in trainer.steps()]
    assert rates == pytest.approx([0.3, 0.6, 0.4, 0.2])
    assert history.learning_rate == pytest.approx([0.6, 0.2])  # of the last steps


def test_incomplete_last_batch_is_left_out_of_training_only():
    trainer, _, _ = train(max_epochs=1)
    assert [len(first) for _, first, _ in trainer.steps()] == [32, 32]
    # 30 validation images fit into one batch of at most 4 × 32.
    assert [entry for entry in trainer.log if entry[0] == "predict"] == [
        ("predict", (30, 3, 1, 1))
    ]


def test_a_set_smaller_than_a_batch_is_one_batch():
    trainer, _, _ = train(data=toy_data(train=5), max_epochs=3)
    assert [len(first) for _, first, _ in trainer.steps()] == [5, 5, 5]


def test_epoch_means_are_weighted_by_batch_size():
    class Uneven(ToySet):
        def batches(self, batch_size, **options):
            images, labels = next(super().batches(4))
            yield images[:3], labels[:3]
            yield images[3:], labels[3:]

    class Fixed(SoftmaxTrainer):
        def prepare(self, model):
            results = iter([(1.0, 3), (2.0, 0)])
            return Step(lambda *batch: next(results), dict, dict)

    data = toy_data(train=4)
    data.train = Uneven(data.train.inputs, data.train.labels)
    history = Fixed(max_epochs=1, batch_size=3).fit(toy_model(), data)
    # (3 × 1.0 + 1 × 2.0) / 4 and (3 + 0) / 4, not the means of the two batches.
    assert history.train_loss == [1.25]
    assert history.train_accuracy == [0.75]


def test_lazy_values_are_read_only_when_the_epoch_ends():
    trainer, _, _ = train(batch_size=16, max_epochs=2)
    kinds = [entry if entry == "float" else entry[0] for entry in trainer.log]
    # Four batches of 16, then a loss and a count of each, then one evaluation.
    assert kinds == 2 * (4 * ["step"] + 8 * ["float"] + ["predict"])


def test_a_seed_means_one_order_of_examples():
    def order(**options):
        return [first for _, first, _ in train(augment=True, **options)[0].steps()]

    assert order(seed=3) == order(seed=3)
    assert order(seed=3) != order(seed=4)
    first, second = order(seed=3)[:2], order(seed=3)[2:]
    assert first != second  # another order in the second epoch


def test_two_runs_give_the_same_weights_and_history():
    _, first, history = train()
    _, second, again = train()
    assert np.array_equal(first["weight"], second["weight"])
    again.seconds = history.seconds
    assert history == again


def test_divergence_stops_with_the_history_so_far():
    class Exploding(SoftmaxTrainer):
        def prepare(self, model):
            step = super().prepare(model)

            def exploding(*batch):
                loss, correct = step(*batch)
                return (math.nan if len(self.steps()) > 5 else loss), correct

            return replace(step, train=exploding)

    trainer = Exploding(max_epochs=9, batch_size=32, learning_rate=0.5)
    # Two steps an epoch: the sixth is the second of the third.
    message = r"diverged at step 6, in epoch 3: the loss is nan with learning_rate=0.5"
    with pytest.raises(TrainingDiverged, match=message) as error:
        trainer.fit(toy_model(), toy_data())
    assert len(error.value.history) == 2


def test_weights_that_are_no_numbers_any_more_are_not_kept():
    class Last(SoftmaxTrainer):
        """Its last step leaves a finite loss, and weights without one."""

        def prepare(self, model):
            step = super().prepare(model)

            def spoiling(*batch):
                result = step(*batch)
                if len(self.steps()) == 2:
                    model["weight"][:] = math.nan
                return result

            return replace(step, train=spoiling)

    message = "diverged at step 2, the end of epoch 1: the loss is nan"
    with pytest.raises(TrainingDiverged, match=message):
        Last(max_epochs=1, batch_size=32).fit(toy_model(), toy_data())


@pytest.mark.parametrize("part", ["train", "validation"])
def test_empty_sets_are_refused(part):
    with pytest.raises(ValueError, match=rf"data\.{part} holds no images"):
        train(data=toy_data(**{part: 0}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_epochs": 0}, r"Trainer\(max_epochs=0\): must be an integer, at least"),
        ({"max_epochs": 2.5}, r"max_epochs=2.5\): must be an integer, at least 1"),
        ({"max_epochs": True}, r"max_epochs=True\): must be an integer, at least 1"),
        ({"batch_size": -1}, r"batch_size=-1\): must be an integer, at least 1"),
        ({"batch_size": "64"}, r"batch_size='64'\): must be an integer, at least"),
        ({"learning_rate": 0}, r"learning_rate=0\): must be a number, above 0"),
        ({"learning_rate": math.nan}, r"learning_rate=nan\): must be a number, above"),
        ({"learning_rate": math.inf}, r"learning_rate=inf\): .* finite"),
        ({"learning_rate": "0.1"}, r"learning_rate='0.1'\): must be a number, above"),
        ({"learning_rate": None}, r"learning_rate=None\): must be a number"),
        ({"learning_rate": True}, r"learning_rate=True\): must be a number"),
        ({"schedule": ["constant"]}, r"schedule=\['constant'\]\): choose from"),
        ({"schedule": "steps"}, r"schedule='steps'\): choose from constant, one-"),
        ({"devices": 0}, r"devices=0\): must be an integer, at least 1"),
        (
            {"devices": 3},
            r"devices=3\): a batch of 64 images cannot be shared",
        ),
        ({"sync_batch_norm": 1}, r"sync_batch_norm=1\): choose from False, True"),
        ({"precision": "half"}, r"precision='half'\): choose from float32, bfloat16"),
        ({"compile": "yes"}, r"compile='yes'\): choose from False, True"),
        ({"momentum": 1}, r"momentum=1\): .* at least 0 and below 1"),
        ({"momentum": -0.1}, r"momentum=-0.1\): .* at least 0 and below 1"),
        ({"momentum": "x"}, r"momentum='x'\): must be a number, at least 0"),
        ({"weight_decay": -1e-4}, r"weight_decay=-0.0001\): .* at least 0"),
        ({"seed": -1}, r"seed=-1\): must be an integer, at least 0"),
        ({"progress": "loud"}, r"progress='loud'\): choose from None, auto, bar"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        Trainer(**{"max_epochs": 1} | options)


def test_numbers_of_numpy_are_numbers():
    trainer = Trainer(np.int64(1), learning_rate=np.float32(0.5), momentum=0)
    assert (trainer.max_epochs, trainer.learning_rate) == (1, 0.5)


# --- evaluation -------------------------------------------------------------------


def test_evaluation_is_exact_and_in_batches_of_one_shape():
    trainer = SoftmaxTrainer(max_epochs=1, batch_size=4)
    data = toy_data(validation=37).validation
    model = {"weight": np.arange(6.0).reshape(3, 2)}
    logits = trainer.logits(model, data)
    # 37 = 16 + 16 + 5, the last batch padded to 4 × 4 and cut again.
    assert trainer.log == 3 * [("predict", (16, 3, 1, 1))]
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, data.inputs @ model["weight"], rtol=1e-5)
    loss, accuracy = trainer.evaluate(model, data)
    assert (loss, accuracy) == loss_and_accuracy(logits, data.labels)


def test_evaluation_of_nothing_is_refused():
    with pytest.raises(ValueError, match="holds no images"):
        SoftmaxTrainer(max_epochs=1).evaluate(
            toy_model(), toy_data(validation=0).validation
        )


# --- progress ---------------------------------------------------------------------


def test_without_a_terminal_a_line_per_epoch(capsys, monkeypatch):
    monkeypatch.delenv("D2L_LITE_PROGRESS", raising=False)
    _, _, history = train()
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "training on the processor"
    assert out.splitlines()[2] == (
        f"epoch 2/2  train loss {history.train_loss[1]:.4f} "
        f"accuracy {history.train_accuracy[1]:.4f}  "
        f"validation loss {history.validation_loss[1]:.4f} "
        f"accuracy {history.validation_accuracy[1]:.4f}"
    )
    assert len(out.splitlines()) == 3
    assert err == ""


@pytest.mark.parametrize("devices, place", [(1, "T4"), (2, "2 devices (T4)")])
def test_the_first_line_names_the_devices(capsys, devices, place):
    train(progress="plain", accelerator="T4", devices=devices)
    assert capsys.readouterr().out.splitlines()[0] == f"training on {place}"


def test_bar_on_stderr_lines_on_stdout(capsys, monkeypatch):
    monkeypatch.setenv("D2L_LITE_PROGRESS", "bar")
    train()
    out, err = capsys.readouterr()
    lines = [line for line in out.replace("\r", "\n").splitlines() if line.strip()]
    assert [line[:9] for line in lines] == ["training ", "epoch 1/2", "epoch 2/2"]
    assert "epoch 1/2:" in err
    assert "images/s" in err
    assert "/128 [" in err  # two epochs of two batches of 32


def test_json_lines_for_programs(capsys):
    _, _, history = train(progress="json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(row) for row in rows] == 2 * [list(History.columns())]
    assert [tuple(row.values()) for row in rows] == list(history.rows())


def test_argument_comes_before_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("D2L_LITE_PROGRESS", "bar")
    train(progress="none")
    assert capsys.readouterr() == ("", "")


def test_unknown_mode_in_the_environment(monkeypatch):
    monkeypatch.setenv("D2L_LITE_PROGRESS", "loud")
    with pytest.raises(ValueError, match="D2L_LITE_PROGRESS='loud': choose from auto"):
        train()


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end():
    terminal, stderr = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "D2L_LITE_PROGRESS": "auto"}
    run = subprocess.run(
        [sys.executable, "-c", "import test_training as t; t.train()"],
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=True,
    )
    os.close(stderr)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "images/s" in shown
    assert shown.split("\r")[-2].strip() == ""  # overwritten by blanks
    assert len([line for line in run.stdout.splitlines() if line.strip()]) == 3


@pytest.fixture(scope="module")
def notebook():
    """Cells run by a program in a real kernel: one per mode, and a failing one."""
    cells = [
        "import os\nfrom test_training import *",
        "os.environ['D2L_LITE_PROGRESS'] = 'plain'\ntrain()[2]",
        "os.environ['D2L_LITE_PROGRESS'] = 'auto'\ntrain()[2]",
        "train(progress='bar');",
        "train(progress='none');",
    ]
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        folder = {"metadata": {"path": str(HERE)}}
        # Streams come in pieces, cut by time, until they are put together.
        NotebookClient(
            book, timeout=60, resources=folder, coalesce_streams=True
        ).execute()
    return book.cells


def outputs(cell):
    kinds = [getattr(output, "name", output.output_type) for output in cell.outputs]
    figures = [
        output
        for output in cell.outputs
        if "image/svg+xml" in getattr(output, "data", {})
    ]
    text = "".join(output.text for output in cell.outputs if "text" in output)
    return kinds, figures, text


def test_plain_notebook_has_lines_then_one_figure(notebook):
    kinds, figures, text = outputs(notebook[1])
    assert kinds == ["stdout", "display_data", "execute_result"]
    assert len(figures) == 1
    assert [line[:9] for line in text.splitlines()] == [
        "training ",
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert notebook[1].outputs[2].data["text/plain"].startswith("History(epochs=2,")


@pytest.mark.parametrize("cell", [2, 3])
def test_live_notebook_ends_as_the_same_figure(notebook, cell):
    kinds, figures, text = outputs(notebook[cell])
    assert kinds[:2] == ["display_data", "stdout"]
    assert "stderr" not in kinds
    assert len(figures) == 1
    # Updated in place: what stays is what plain mode shows.
    plain = outputs(notebook[1])
    assert figures[0].data["image/svg+xml"] == plain[1][0].data["image/svg+xml"]
    # Each epoch's line overwrites its percentages.
    assert text == plain[2]


def test_silent_notebook_shows_nothing(notebook):
    assert notebook[4].outputs == []
