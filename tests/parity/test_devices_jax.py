"""Two devices in JAX do what one does; in bfloat16 nearly so.

One process with two virtual devices finds all facts, and two processes stand for hosts.
"""

from functools import partial

import device_facts
import numpy as np
import pytest
from device_facts import (  # noqa: F401, tests that pytest finds here
    SAME,
    assert_same,
    case,
    facts_in,
    free_ports,
    hosts_of,
    test_bfloat16,
    test_three_epochs_have_the_history_of_one_device,
    test_two_devices_step_as_one,
    test_two_hosts_have_it_as_well,
    test_without_sync_the_gradient_is_the_mean_of_the_halves,
    test_without_sync_the_mean_of_running_statistics_is_kept,
)
from frameworks import FRAMEWORKS

pytestmark = pytest.mark.skipif("jax" not in FRAMEWORKS, reason="needs JAX")

# In float64; XLA optimises no machine code.
start = partial(
    device_facts.start,
    "devices_jax.py",
    JAX_ENABLE_X64="1",
    JAX_PLATFORMS="cpu",
    XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false",
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    path = tmp_path_factory.mktemp("jax") / "facts.npz"
    assert start(path).wait() == 0
    return facts_in(path)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    address = f"127.0.0.1:{free_ports(1)[0]}"
    common = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    settings = [common | {"JAX_PROCESS_ID": str(number)} for number in (0, 1)]
    return hosts_of(start, tmp_path_factory.mktemp("jax"), settings)


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
        "not joined": "JAX_COORDINATOR_ADDRESS names other processes, which JAX joins "
        'only before its first array: call d2l_lite.devices.provide("jax", 1) before '
        "d2l_lite.jax is imported",
    }


def test_provide(facts):
    """One flag more, unless one device is enough or the user said how many."""
    flag = "--xla_force_host_platform_device_count"
    expected = ["--other=1", f"--other=1 {flag}=2", f"{flag}=4"]
    assert facts["flags"].tolist() == expected
