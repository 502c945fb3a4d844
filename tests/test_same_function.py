"""Same weights in, same numbers out: the four frameworks against PyTorch in float64.

Every framework computes in float64, where rounding is 1e-16: what is left over is
another function. float32, in which everyone works, is compared as well; tolerances
are relative to the largest value of an array. One rounding of float32 costs 6e-8; a
sum over thousands of terms, in an order that each framework chooses, costs a few
times that, and each of twenty batch normalisations divides by a rounded standard
deviation.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from measured import images, measure

FLOAT64 = 1e-11
# Differences that remain, with their cause: framework, part of the name, tolerance.
KNOWN = {
    # Its operator keeps the keep-rate as a float32: 0.9 is 0.89999998, and the share
    # of a new batch 0.10000002.
    "mxnet": ("running_", 3e-7),
}
FLOAT32_EVALUATION = 2e-6
FLOAT32_TRAINING = 2e-5
FLOAT32_GRADIENTS = 3e-4


def reference(**arguments):
    """The plain network in PyTorch and float64."""
    return d2l("pytorch").build("densenet", **arguments).double()


def difference(found, expected):
    """Largest difference of two arrays, relative to the largest expected value."""
    return np.abs(found - expected).max() / np.abs(expected).max()


def sized_by(name):
    """The array whose size tells how small a difference in `name` is.

    Its own, except where the gradient is zero but for rounding: a convolution's bias is
    taken away by the batch norm that follows, and the scale of the first batch norm by
    the second (ReLU and max-pooling hand a positive factor on).
    """
    if "features.norm0.weight" in name:
        return name.replace("norm0", "conv0")
    return name.replace("bias", "weight") if ".conv" in name else name


def assert_close(found, expected, tolerance, known=("", 0.0)):
    """Compare two dictionaries of arrays under the same names."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        size = np.abs(expected[sized_by(name)]).max()
        error = np.abs(found[name] - array).max() / size
        allowed = max(tolerance, known[1]) if known[0] in name else tolerance
        assert error < allowed, f"{name}: relative difference {error:.1e}"


def test_a_seed_means_the_same_network(framework):
    expected = d2l("pytorch").get_weights(d2l("pytorch").build("densenet", seed=7))
    found = framework.get_weights(framework.build("densenet", seed=7))
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype == np.float32
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.fixture(scope="module")
def expected():
    return measure(d2l("pytorch"), reference(seed=3), np.float64)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_float64(name, expected, tmp_path):
    """Logits, loss, gradients, and ten steps of SGD: losses, weights, statistics.

    In a process of its own: the precision of Keras and JAX is a setting of the process.
    """
    script = Path(__file__).with_name("measured.py")
    environment = os.environ | {"JAX_ENABLE_X64": "1"}
    command = [sys.executable, script, name, tmp_path / "float64.npz"]
    subprocess.run(command, env=environment, check=True)
    found = dict(np.load(tmp_path / "float64.npz"))
    assert all(array.dtype == np.float64 for array in found.values())
    assert_close(found, expected, FLOAT64, KNOWN.get(name, ("", 0.0)))


@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 32), (1, 96)])
def test_logits(framework, channels, size):
    X, _ = images(channels, size)
    expected = d2l("pytorch").predict(reference(in_channels=channels, seed=1), X)
    found = framework.predict(framework.build("densenet", channels, seed=1), X)
    assert difference(found, expected) < FLOAT32_EVALUATION


@pytest.fixture(scope="module")
def gradients():
    X, y = images(1, 32, count=16)
    return d2l("pytorch").loss_and_gradients(reference(seed=2), X, y)


def test_loss_and_gradients(framework, gradients):
    X, y = images(1, 32, count=16)
    net = framework.build("densenet", seed=2)
    before = framework.get_weights(net)
    loss, found = framework.loss_and_gradients(net, X, y)
    assert loss == pytest.approx(gradients[0], rel=FLOAT32_TRAINING)
    assert_close(found, gradients[1], FLOAT32_GRADIENTS)
    for name, array in framework.get_weights(net).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_running_statistics_by_hand(framework):
    """From 0 and 1, one step gives 0.1 · mean and 0.9 + 0.1 · (biased) variance."""
    X, y = images(1, 32, count=4)
    net = framework.build("densenet", seed=0)
    weights = framework.get_weights(net)
    framework.Trainer(max_epochs=1).prepare(net)(X, y, 0.0)
    after = framework.get_weights(net)
    stem = weights["features.conv0.weight"].astype(np.float64)
    padded = np.pad(X.astype(np.float64), ((0, 0), (0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))
    maps = np.einsum("ncijhw,ochw->noij", windows[:, :, ::2, ::2], stem)
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3))
    for name, expected in (("mean", 0.1 * mean), ("var", 0.9 + 0.1 * variance)):
        found = after[f"features.norm0.running_{name}"]
        assert difference(found, expected) < FLOAT32_TRAINING


def test_the_same_run():
    """One seed, one recipe: an epoch of training ends alike in every framework."""
    data = d2l("pytorch").FashionMNIST(scale="quick")
    small = type("Data", (), {"train": data.train.take(512), "validation": data.test})
    histories = {}
    for name in FRAMEWORKS:
        trainer = d2l(name).Trainer(
            max_epochs=1, learning_rate=0.002, augment=True, progress="none"
        )
        histories[name] = trainer.fit(d2l(name).build("densenet", seed=0), small)
    for history in histories.values():
        # Eight small steps: rounding has no time to grow.
        expected = histories["pytorch"].train_loss
        np.testing.assert_allclose(history.train_loss, expected, rtol=1e-4)
