"""Two devices in TensorFlow do what one does; in bfloat16 nearly so.

One process with two logical devices finds all facts, and two processes stand for hosts.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frameworks import FRAMEWORKS

from d2l_lite.weights import is_trainable

pytestmark = pytest.mark.skipif(
    "tensorflow" not in FRAMEWORKS, reason="needs TensorFlow"
)

RATE = 0.5
# Rounding of sums in another order, in float64, through a few layers and steps.
SAME = {"rtol": 1e-11, "atol": 1e-13}
NORM = "features.denseblock1.denselayer1.norm1"


def start(*arguments, **settings):
    """A process of `devices_tensorflow.py`; XLA optimises no machine code."""
    known = {
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    script = Path(__file__).with_name("devices_tensorflow.py")
    command = [sys.executable, script, *arguments]
    return subprocess.Popen(command, env=os.environ | known | settings)


def facts_in(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    path = tmp_path_factory.mktemp("tensorflow") / "facts.npz"
    assert start(path).wait() == 0
    return facts_in(path)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow")
    with socket.socket() as first, socket.socket() as second:
        for free in (first, second):
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (first, second)]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    tasks = [{"type": "worker", "index": number} for number in (0, 1)]
    paths = [folder / f"{number}.npz" for number in (0, 1)]
    processes = [
        start(path, "host", TF_CONFIG=json.dumps({"cluster": cluster, "task": task}))
        for path, task in zip(paths, tasks)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    return [facts_in(path) for path in paths]


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


@pytest.mark.parametrize("name", ["one", "apart"])
def test_compiled_steps_are_the_same(facts, name):
    assert_same(case(facts, f"{name}, compiled"), case(facts, name))


def test_gradients_of_a_model_in_training_on_two_devices(facts):
    """Its variables are mirrored, and `loss_and_gradients` works all the same."""
    assert_same(case(facts, "two, gradients"), case(facts, "one, gradients"))


def test_half_computed_twice(facts):
    """Threads take turns within the second pass; statistics move once nevertheless."""
    assert_same(case(facts, "second, 2"), case(facts, "second, 1"))


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_takes_what_was_written_before_it(facts, count):
    """With earlier weights and velocities, a step is taken again, to the last bit."""
    found, expected = (case(facts, f"{name}, {count}") for name in ("again", "second"))
    assert_same(found, expected, {"rtol": 0})


def test_devices_draw_masks_of_their_own(facts):
    """Parts with the same images lose differently, with the seeds s and s + 1."""
    by_hand = facts["masks by hand"].reshape(2, 2)
    assert np.abs(by_hand[:, 0] - by_hand[:, 1]).min() > 1e-3
    np.testing.assert_allclose(facts["masks apart"], by_hand.mean(axis=1), **SAME)


def test_three_epochs_have_the_history_of_one_device(facts):
    assert len(facts["epochs, 1: epoch"]) == 3
    for part in ("", ", weights"):
        assert_same(case(facts, f"epochs, 2{part}"), case(facts, f"epochs, 1{part}"))
    # Nor is anything mirrored any more.
    names = facts["epochs, 2, variables"], facts["epochs, 1, variables"]
    np.testing.assert_array_equal(*names)


def test_two_hosts_have_it_as_well(facts, hosts):
    assert [bool(host["primary"]) for host in hosts] == [True, False]
    for host in hosts:
        for part in ("", ", weights"):
            found = case(host, f"epochs, host{part}")
            assert_same(found, case(facts, f"epochs, 1{part}"))


def test_bfloat16(facts):
    """Eight bits of a number: a loss within 2 %, a step a few percent off."""
    exact, found = case(facts, "float32"), case(facts, "bfloat16")
    assert found["types"].tolist() == ["float32"]
    assert found["loss"] == pytest.approx(exact["loss"], rel=0.02)
    step, expected = (c["features.conv0.weight"] for c in (found, exact))
    distance = np.linalg.norm(step - expected) / np.linalg.norm(expected)
    assert 1e-4 < distance < 0.1
    # Evaluated in float32.
    np.testing.assert_array_equal(found["logits"], exact["logits"])


def test_errors(facts):
    assert {k: str(v) for k, v in case(facts, "error").items()} == {
        "3 devices": "Trainer(devices=3): TensorFlow has 2 of kind CPU here; on a CPU "
        "d2l_lite.devices.tensorflow.provide makes more, before its first use",
        "float16": "Trainer(precision='float16'): Keras scales the loss, which float16 "
        "needs, in its optimizers, and Trainer uses none; choose bfloat16 or float32",
        "compile": "Trainer(compile=True, devices=2): XLA's code cannot wait for the "
        "other devices' batch statistics; leave compile out, or choose "
        "sync_batch_norm=False",
        "5 images": "Trainer(devices=2): a batch of 5 images cannot be shared equally; "
        "take another number of devices",
    }
    # `provide` after TensorFlow's first use is TensorFlow's own error.
    assert "after being initialized" in str(facts["too late"])
