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
from device_facts import (  # noqa: F401, tests that pytest finds here
    SAME,
    assert_same,
    case,
    facts_in,
    test_two_devices_step_as_one,
    test_two_hosts_have_it_as_well,
    test_without_sync_the_gradient_is_the_mean_of_the_halves,
    test_without_sync_the_mean_of_running_statistics_is_kept,
)
from frameworks import FRAMEWORKS

pytestmark = pytest.mark.skipif("jax" not in FRAMEWORKS, reason="needs JAX")


def start(*arguments, **settings):
    """A process of `devices_jax.py` in float64; XLA optimises no machine code."""
    flags = "--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false"
    known = {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    command = [sys.executable, Path(__file__).with_name("devices_jax.py"), *arguments]
    return subprocess.Popen(command, env=os.environ | known | settings)


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


def test_the_model_stays_on_one_device(facts):
    assert facts["two: devices of the model"] == 1
    assert facts["apart: devices of the model"] == 1


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
        "5 images": "Trainer.fit: a batch of 5 images cannot be shared equally by 2 "
        "devices; take another batch_size or number of devices",
    }


def test_provide(facts):
    """One flag more, unless one device is enough or the user said how many."""
    flag = "--xla_force_host_platform_device_count"
    expected = ["--other=1", f"--other=1 {flag}=2", f"{flag}=4"]
    assert facts["flags"].tolist() == expected
