"""What the benchmarks' contenders for data, waiting and the build rest on."""

import threading

import numpy as np
import pytest

from benchmarks.contenders import building, epoch, reading
from d2l_lite.data.fashion_mnist import FashionMNIST


def test_speed_counts_every_image(monkeypatch) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(reading.time, "perf_counter", lambda: next(clock))
    batches = [(None, np.zeros(64)), (None, np.zeros(36))]
    assert reading.images_per_second(lambda: batches) == 100 / 2.5


def test_training_waits_at_the_gate_until_an_epoch_is_asked_for() -> None:
    gate, epochs = epoch.Gate(), []

    def training() -> None:
        with pytest.raises(SystemExit):
            while True:
                epochs.append("epoch")
                gate.wait()

    thread = threading.Thread(target=training)
    thread.start()
    gate.seconds.get()
    assert epochs == ["epoch"]
    assert gate.epoch() >= 0
    assert epochs == ["epoch"] * 2
    gate.asked.put(False)
    thread.join()
    assert epochs == ["epoch"] * 2


def test_held_batches_are_those_of_the_first_epoch(monkeypatch) -> None:
    monkeypatch.setattr(epoch, "STEPS", 2)
    train = FashionMNIST(scale="quick").train.take(2 * epoch.BATCH_SIZE)
    held = epoch.Held(train)
    rng = np.random.default_rng(0)
    made = list(train.batches(epoch.BATCH_SIZE, shuffle=True, augment=True, rng=rng))
    assert len(held) == len(train)
    for _ in range(2):
        for kept, fresh in zip(held.batches(64), made, strict=True):
            np.testing.assert_array_equal(kept[0], fresh[0])
            np.testing.assert_array_equal(kept[1], fresh[1])


def test_each_edit_changes_one_word_of_the_original(tmp_path) -> None:
    path, original = tmp_path / "chapter.md", "# A\n\nOf the one and the other.\n"
    for number in range(2):
        building.edit(path, original, number)
        assert path.read_text() == f"# A\n\nOf the {number}th one and the other.\n"
