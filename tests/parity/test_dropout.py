"""Dropout draws another mask in each framework, but from the same distribution.

What can be compared is where it stands, the share of zeros, and the size of the rest.
"""

from math import comb, sqrt

import numpy as np
import pytest
from measured import in_training_mode

RATE = 0.2


def assert_share(found, probability):
    """The share of True is what it should be, within five standard deviations."""
    deviation = sqrt(probability * (1 - probability) / found.size)
    assert abs(found.mean() - probability) < 5 * deviation


def in_training(framework, part, X):
    return in_training_mode(framework.__name__.rpartition(".")[2], framework, part, X)


def leaves(framework, part):
    """The parts of a network that have no parts themselves, in forward order."""
    children = framework.backend.children(part)
    return [leaf for child in children for leaf in leaves(framework, child)] or [part]


@pytest.mark.parametrize("bottleneck", [False, True])
def test_it_stands_after_each_convolution_but_the_first(framework, bottleneck):
    """As in section 4.2 of Huang et al. (2017), and nowhere else."""
    net = framework.build(
        "densenet-40-12", block_config=(2, 1), bottleneck=bottleneck, dropout=RATE
    )
    names = [type(leaf).__name__.lower() for leaf in leaves(framework, net.features)]
    found = [name[:4] for name in names if name.startswith(("conv", "drop"))]
    # Three dense layers, of two convolutions with a bottleneck, and one transition.
    after_the_first = 3 * (2 if bottleneck else 1) + 1
    assert found == ["conv"] + ["conv", "drop"] * after_the_first


def test_a_fifth_is_zero_and_the_rest_grows(framework):
    """Each value by itself is dropped; what stays is divided by 1 − rate."""
    framework.seed_everything(0)
    X = np.random.default_rng(0).standard_normal((16, 3, 16, 16), np.float32)
    block, without = (
        framework.make(framework.conv_block, 3, 8, dropout=rate) for rate in (RATE, 0.0)
    )
    np.testing.assert_array_equal(
        framework.predict(block, X), framework.predict(without, X)
    )
    expected = in_training(framework, without, X)
    assert expected.all()
    first, second = (in_training(framework, block, X) for _ in range(2))
    dropped = first == 0
    kept = expected[~dropped] / (1 - RATE)
    np.testing.assert_allclose(first[~dropped], kept, rtol=1e-5)
    # By images, channels, rows or columns the share is the same.
    for axis in range(4):
        for values in np.moveaxis(dropped, axis, 0):
            assert_share(values, RATE)
    # A second pass draws another mask: 0.2 · 0.2 of the values are zero in both.
    assert_share(dropped & (second == 0), RATE**2)


def test_a_transition_drops_before_it_averages(framework):
    """Ones in, so that each average shows how many of its four values were kept."""
    framework.seed_everything(0)
    block = framework.make(framework.transition_block, 4, 8, dropout=RATE)
    weights = framework.get_weights(block)
    weights["conv.weight"][:], weights["conv.bias"][:] = 0, 1
    framework.set_weights(block, weights)
    maps = in_training(framework, block, np.ones((16, 4, 32, 32), np.float32))
    kept = maps * 4 * (1 - RATE)
    np.testing.assert_allclose(kept, kept.round(), atol=1e-5)
    for number in range(5):
        probability = comb(4, number) * (1 - RATE) ** number * RATE ** (4 - number)
        assert_share(kept.round() == number, probability)


def test_each_step_of_training_draws_anew(framework):
    """At a learning rate of 0 only the masks make one loss differ from the next."""
    X = np.random.default_rng(0).standard_normal((8, 1, 8, 8), np.float32)
    small = {"block_config": (1,), "growth_rate": 4, "in_channels": 1}
    losses = {}
    for rate in (0.0, 0.5):
        net = framework.build("densenet-40-12", dropout=rate, **small)
        step = framework.Trainer(max_epochs=1).prepare(net)
        losses[rate] = {float(step(X, np.arange(8), 0.0)[0]) for _ in range(3)}
    assert len(losses[0.0]) == 1
    assert len(losses[0.5]) == 3
