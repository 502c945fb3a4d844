"""What is asked of the facts that `devices_*.py` have found, alike in frameworks.

`start` and `hosts_of` start their processes. The tests are those of float64, for the
modules that import them and have `facts` and `hosts` as fixtures.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from two_devices import RATE

from d2l_lite.networks.weights import is_trainable

# Rounding of sums in another order, in float64, through a few layers and steps.
SAME = {"rtol": 1e-12, "atol": 1e-13}
NORM = "features.denseblock1.denselayer1.norm1"


def start(script, *arguments, **settings):
    """A process of one of the scripts; or, with "-c" for a script, of what follows."""
    if script != "-c":
        script = Path(__file__).with_name(script)
    command = [sys.executable, script, *arguments]
    return subprocess.Popen(command, env=os.environ | settings)


def hosts_of(start, folder, settings, serving=()):
    """What two processes find, each started as a host with settings of its own.

    `start(file, "host", **settings)` starts one; `serving` are others that must end.
    """
    paths = [folder / f"{number}.npz" for number in (0, 1)]
    processes = [start(path, "host", **own) for path, own in zip(paths, settings)]
    try:
        ends = [process.wait(timeout=300) for process in (*processes, *serving)]
        assert not any(ends)
    finally:
        for process in (*processes, *serving):
            process.kill()
    return [facts_in(path) for path in paths]


def free_ports(count):
    """Ports of this machine that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


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


def test_three_epochs_have_the_history_of_one_device(facts):
    assert len(facts["epochs, 1: epoch"]) == 3
    for part in ("", ", weights"):
        assert_same(case(facts, f"epochs, 2{part}"), case(facts, f"epochs, 1{part}"))


def test_two_hosts_have_it_as_well(facts, hosts):
    assert [bool(host["primary"]) for host in hosts] == [True, False]
    for host in hosts:
        for part in ("", ", weights"):
            found = case(host, f"epochs, host{part}")
            assert_same(found, case(facts, f"epochs, 1{part}"))


def test_bfloat16(facts):
    """Eight bits of a number: a loss within 2 %, a step a few percent off."""
    exact = case(facts, "float32")
    low = [k.partition(":")[0] for k in facts if k.endswith(": types")]
    for name in low[1:]:
        found = case(facts, name)
        assert found["types"].tolist() == ["float32"]
        assert found["loss"] == pytest.approx(exact["loss"], rel=0.02)
        step, expected = (c["features.conv0.weight"] for c in (found, exact))
        distance = np.linalg.norm(step - expected) / np.linalg.norm(expected)
        assert 1e-4 < distance < 0.1
        # Evaluated in float32.
        np.testing.assert_array_equal(found["logits"], exact["logits"])
