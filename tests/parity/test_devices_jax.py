"""Two devices in JAX do what one does; in bfloat16 nearly so.

One process with two virtual devices finds all facts, and two processes stand for hosts.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frameworks import FRAMEWORKS

from d2l_lite.weights import is_trainable

pytestmark = pytest.mark.skipif("jax" not in FRAMEWORKS, reason="needs JAX")

RATE = 0.5
# Rounding of sums in another order, in float64, through a few layers and steps.
SAME = {"rtol": 1e-11, "atol": 1e-13}
NORM = "features.denseblock1.denselayer1.norm1"


def start(*arguments, **settings):
    """A process of `devices_jax.py` in float64; XLA optimises no machine code."""
    flags = "--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false"
    known = {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    command = [sys.executable, Path(__file__).with_name("devices_jax.py"), *arguments]
    return subprocess.Popen(command, env=os.environ | known | settings)


def facts_in(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    path = tmp_path_factory.mktemp("jax") / "facts.npz"
    assert start(path).wait() == 0
    return facts_in(path)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    paths = [folder / f"{number}.npz" for number in (0, 1)]
    processes = [
        start(path, "host", **settings, JAX_PROCESS_ID=str(number))
        for number, path in enumerate(paths)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    return [facts_in(path) for path in paths]


def case(facts, name):
    """The facts of one case, by what they are of."""
    opens = f"{name}: "
    return {k.removeprefix(opens): facts[k] for k in facts if k.startswith(opens)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, err_msg=name, **SAME)


def test_two_devices_step_as_one(facts):
    """Loss, right predictions, weights, running statistics: one step of plain SGD."""
    found = case(facts, "two")
    assert 0 < found["correct"] < 8
    # The gradient itself, not only its small share in the new weights.
    for name, before in case(facts, "before").items():
        expected = before - facts[f"one: {name}"]
        np.testing.assert_allclose(before - found[name], expected, **SAME)
    assert_same(found, case(facts, "one"))


def test_the_model_stays_on_one_device(facts):
    assert facts["two: devices of the model"] == 1
    assert facts["apart: devices of the model"] == 1


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


def test_devices_draw_the_masks_of_one(facts):
    assert_same(case(facts, "dropout, 2"), case(facts, "dropout, 1"))


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_takes_what_was_written_before_it(facts, count):
    """Weights and velocities of another training: the step is that one's next."""
    expected = case(facts, f"dropout, {count}")
    assert_same(case(facts, f"gone on, {count}"), expected)


def test_devices_apart_draw_masks_of_their_own(facts):
    """Parts with the same images lose differently; the loss is their mean."""
    first, second = facts["masks by hand"]
    assert abs(first - second) > 1e-3
    np.testing.assert_allclose(facts["masks apart"], (first + second) / 2, **SAME)


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
    for name in ("bfloat16", "bfloat16 on two"):
        found = case(facts, name)
        assert found["types"].tolist() == ["float32"]
        assert found["loss"] == pytest.approx(exact["loss"], rel=0.02)
        step, expected = (c["features.conv0.weight"] for c in (found, exact))
        distance = np.linalg.norm(step - expected) / np.linalg.norm(expected)
        assert 1e-4 < distance < 0.1
        # Evaluated in float32.
        np.testing.assert_array_equal(found["logits"], exact["logits"])


def test_errors(facts):
    assert {k: str(v) for k, v in case(facts, "error").items()} == {
        "3 devices": "Trainer(devices=3): JAX has 2 here (cpu); with XLA_FLAGS="
        "--xla_force_host_platform_device_count=3 a processor counts as 3",
        "float16": "Trainer(precision='float16'): in JAX no loss is scaled, and small "
        "gradients would vanish; choose bfloat16 or float32",
        "compile": "Trainer(compile=True): JAX compiles every step anyway; leave it "
        "out",
        "5 images": "Trainer(devices=2): a batch of 5 images cannot be shared equally; "
        "take another number of devices",
    }


def test_provide(facts):
    """One flag more, unless one device is enough or the user said how many."""
    flag = "--xla_force_host_platform_device_count"
    expected = ["--other=1", f"--other=1 {flag}=2", f"{flag}=4"]
    assert facts["flags"].tolist() == expected
