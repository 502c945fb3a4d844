"""What is asked of the facts that `devices_*.py` have found, alike in frameworks.

The tests are those of float64, for the modules that import them and have `facts` and
`hosts` as fixtures.
"""

import numpy as np
from two_devices import RATE

from d2l_lite.networks.weights import is_trainable

# Rounding of sums in another order, in float64, through a few layers and steps.
SAME = {"rtol": 1e-11, "atol": 1e-13}
NORM = "features.denseblock1.denselayer1.norm1"


def facts_in(path):
    """What a process has written."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def case(facts, name):
    """The facts of one case, by what they are of."""
    opens = f"{name}: "
    return {k.removeprefix(opens): facts[k] for k in facts if k.startswith(opens)}


def assert_same(found, expected, tolerance=SAME):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, err_msg=name, **tolerance)


def test_two_devices_step_as_one(facts):
    """Loss, right predictions, weights, running statistics: one step of plain SGD."""
    found = case(facts, "two")
    assert 0 < found["correct"] < 8
    # The gradient itself, not only its small share in the new weights.
    for name, before in case(facts, "before").items():
        expected = before - facts[f"one: {name}"]
        np.testing.assert_allclose(before - found[name], expected, **SAME)
    assert_same(found, case(facts, "one"))


def test_without_sync_the_gradient_is_the_mean_of_the_halves(facts):
    apart, before = case(facts, "apart"), case(facts, "before")
    halves = case(facts, "half 0"), case(facts, "half 1")
    loss = (halves[0]["loss"] + halves[1]["loss"]) / 2
    np.testing.assert_allclose(apart["loss"], loss, **SAME)
    one, names = case(facts, "one"), list(filter(is_trainable, before))
    names = [name for name in names if name not in ("loss", "correct")]
    assert len(names) == len(halves[0]) - 2
    for name in names:
        expected = (halves[0][name] + halves[1][name]) / 2
        found = (before[name] - apart[name]) / RATE
        np.testing.assert_allclose(found, expected, **SAME, err_msg=name)
    # Other statistics make another function: no rounding, but a tenth and more.
    first = "features.conv0.weight"
    difference = np.abs(apart[first] - one[first]).max()
    assert difference > 0.1 * np.abs(one[first] - before[first]).max()


def test_without_sync_the_mean_of_running_statistics_is_kept(facts):
    """Hand arithmetic for the first norm, which reads the first convolution's maps."""
    before, apart, one = (case(facts, name) for name in ("before", "apart", "one"))
    padded = np.pad(facts["X"], ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    stem = before["features.conv0.weight"]
    halves = np.einsum("nihwkl,oikl->nohw", windows, stem).reshape(2, 4, -1, 8, 8)
    mean, variance = f"{NORM}.running_mean", f"{NORM}.running_var"
    means, variances = (of(axis=(1, 3, 4)) for of in (halves.mean, halves.var))
    expected = 0.9 * before[mean] + 0.1 * means.mean(axis=0)
    np.testing.assert_allclose(apart[mean], expected, **SAME)
    np.testing.assert_allclose(one[mean], expected, **SAME)
    expected = 0.9 * before[variance] + 0.1 * variances.mean(axis=0)
    np.testing.assert_allclose(apart[variance], expected, **SAME)
    # The whole batch's variance has that of the two means besides.
    expected += 0.1 * means.var(axis=0)
    np.testing.assert_allclose(one[variance], expected, **SAME)


def test_two_hosts_have_it_as_well(facts, hosts):
    assert [bool(host["primary"]) for host in hosts] == [True, False]
    for host in hosts:
        for part in ("", ", weights"):
            found = case(host, f"epochs, host{part}")
            assert_same(found, case(facts, f"epochs, 1{part}"))
