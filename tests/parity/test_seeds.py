"""A seed means the same network and the same run, whatever the framework."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from networks import BY_NAME

BUILDS = {
    "densenet": {},
    "densenet-40-12": {},
    "densenet-bc-40-12": {"in_channels": 1, "num_classes": 7, "dropout": 0.2},
    "densenet121": {},
}


@pytest.mark.parametrize("name", BUILDS)
def test_the_same_network(name):
    """The same bits; and another seed gives others."""
    weights = {
        framework: d2l(framework).get_weights(
            d2l(framework).build(name, seed=7, **BUILDS[name])
        )
        for framework in FRAMEWORKS
    }
    expected = weights[FRAMEWORKS[0]]
    for found in weights.values():
        assert list(found) == list(expected)
        for key, array in expected.items():
            assert found[key].dtype == array.dtype == np.float32
            np.testing.assert_array_equal(found[key], array, err_msg=key)


@pytest.fixture(scope="module")
def data():
    train = d2l(FRAMEWORKS[0]).FashionMNIST(scale="quick").train
    return SimpleNamespace(train=train.take(200), validation=train.take(100))


@pytest.fixture(scope="module")
def runs(data):
    """Of each framework: what every step of two epochs was given, and the history."""
    return {name: run(d2l(name), data) for name in FRAMEWORKS}


RECIPE = {"max_epochs": 2, "batch_size": 32, "learning_rate": 0.002, "augment": True}


def run(module, data):
    given = []

    class Spy(module.Trainer):
        def prepare(self, model):
            step = super().prepare(model)

            def spied(images, labels, rate):
                given.append((*fingerprint(images, labels), rate))
                return step(images, labels, rate)

            return replace(step, train=spied)

    net = module.build("densenet", seed=0, **BY_NAME["small"].changes)
    history = Spy(**RECIPE, seed=5, progress="none").fit(net, data)
    return SimpleNamespace(given=given, history=history)


def fingerprint(images, labels):
    assert images.dtype == np.float32
    return hashlib.sha256(images.tobytes()).hexdigest(), labels.tolist()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_same_batches(name, runs, data):
    """The same bytes in the same order: one NumPy generator shuffles and augments."""
    rng, expected = np.random.default_rng(5), []
    for _ in range(RECIPE["max_epochs"]):
        batches = data.train.batches(
            RECIPE["batch_size"], shuffle=True, augment=True, rng=rng, drop_last=True
        )
        expected += [fingerprint(images, labels) for images, labels in batches]
    # 200 images make 6 batches of 32; no two of them are alike, nor are two epochs.
    assert len({images for images, _ in expected}) == len(expected) == 12
    assert [(images, labels) for images, labels, _ in runs[name].given] == expected
    rates = [rate for *_, rate in runs[name].given]
    assert rates == [rate for *_, rate in runs[FRAMEWORKS[0]].given]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_same_run(name, runs):
    """In float32, twelve small steps leave rounding no time to grow."""
    found, expected = runs[name].history, runs[FRAMEWORKS[0]].history
    np.testing.assert_allclose(found.train_loss, expected.train_loss, rtol=1e-4)
    np.testing.assert_allclose(
        found.validation_loss, expected.validation_loss, rtol=1e-4
    )
