"""Batches made ahead: order, exceptions, generators, and the thread's end."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from toy import SoftmaxTrainer, toy_data, toy_model

from d2l_lite.training.prefetch import DEPTH, ahead

SOON = 60  # seconds after which something never happens


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def counted(made, count=10):
    for number in range(count):
        made.append(number)
        yield number


@pytest.mark.parametrize("count", [0, 1, DEPTH, 10])
def test_everything_comes_in_order(count):
    assert list(ahead(counted([], count))) == list(range(count))


def test_the_next_item_is_made_while_the_caller_works():
    next_one = threading.Event()

    def items():
        yield "first"
        next_one.set()
        yield "second"

    coming = ahead(items())
    assert next(coming) == "first"
    assert next_one.wait(SOON)
    assert list(coming) == ["second"]


def test_no_more_is_made_than_is_waiting_and_nothing_after_the_end():
    made = []
    coming = ahead(counted(made))
    assert [next(coming) for _ in range(3)] == [0, 1, 2]
    coming.close()
    assert made == list(range(len(made)))
    assert 3 <= len(made) <= 3 + DEPTH


def test_an_exception_comes_after_the_items_before_it():
    def items():
        yield from (0, 1, 2, 3)
        raise OSError("the disk is gone")

    coming = ahead(items())
    assert [next(coming) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(OSError, match="the disk is gone"):
        next(coming)


class Faulty:
    """A training set whose fourth batch cannot be read."""

    def __init__(self, sound):
        self.sound = sound

    def __len__(self):
        return len(self.sound)

    def batches(self, *arguments, **options):
        for number, batch in enumerate(self.sound.batches(*arguments, **options)):
            if number == 3:
                raise OSError("the disk is gone")
            yield batch


def test_training_takes_all_steps_before_a_fault_of_the_data():
    data = toy_data()
    data = SimpleNamespace(train=Faulty(data.train), validation=data.validation)
    trainer = SoftmaxTrainer(max_epochs=1, batch_size=8, progress="none")
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.fit(toy_model(), data)
    assert len(trainer.steps()) == 3


class Stopping(SoftmaxTrainer):
    """Somebody presses Ctrl-C in the third step."""

    def prepare(self, model):
        step = super().prepare(model)

        def train(*batch):
            if len(self.steps()) == 2:
                raise KeyboardInterrupt
            return step(*batch)

        return replace(step, train=train)


def test_an_interruption_ends_the_thread_as_well():
    trainer = Stopping(max_epochs=1, batch_size=8, progress="none")
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(toy_model(), toy_data())
    assert threading.active_count() == before
    assert len(trainer.steps()) == 2


def test_an_epoch_draws_what_its_batches_draw():
    data, kept = toy_data(), []
    options = {"shuffle": True, "augment": True, "drop_last": True}
    trainer = SoftmaxTrainer(max_epochs=2, batch_size=8, augment=True, progress="none")
    trainer.fit(toy_model(), data)
    rng = np.random.default_rng(trainer.seed)
    for _ in range(2):
        for images, _ in data.train.batches(8, rng=rng, **options):
            kept.append(images[:, 0, 0, 0].tolist())
    assert [images for _, images, _ in trainer.steps()] == kept
