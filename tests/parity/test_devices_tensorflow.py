"""Two devices in TensorFlow do what one does; in bfloat16 nearly so.

One process with two logical devices finds all facts, and two processes stand for hosts.
"""

import json
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

pytestmark = pytest.mark.skipif(
    "tensorflow" not in FRAMEWORKS, reason="needs TensorFlow"
)

# XLA optimises no machine code.
start = partial(
    device_facts.start,
    "devices_tensorflow.py",
    CUDA_VISIBLE_DEVICES="",
    TF_CPP_MIN_LOG_LEVEL="3",
    XLA_FLAGS="--xla_backend_optimization_level=0",
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    path = tmp_path_factory.mktemp("tensorflow") / "facts.npz"
    assert start(path).wait() == 0
    return facts_in(path)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [{"type": "worker", "index": number} for number in (0, 1)]
    settings = [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks
    ]
    return hosts_of(start, tmp_path_factory.mktemp("tensorflow"), settings)


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


def test_nothing_stays_mirrored(facts):
    names = facts["epochs, 2, variables"], facts["epochs, 1, variables"]
    np.testing.assert_array_equal(*names)


def test_errors(facts):
    found = {k: str(v) for k, v in case(facts, "error").items()}
    assert found.pop("not joined").startswith("TF_CONFIG names hosts, with which Tens")
    assert found == {
        "3 devices": "Trainer(devices=3): TensorFlow has 2 of kind CPU here; on a CPU "
        "d2l_lite.devices.keras_strategy.provide makes more, before its first use",
        "float16": "Trainer(precision='float16'): Keras scales the loss, which float16 "
        "needs, in its optimizers, and Trainer uses none; choose bfloat16 or float32",
        "compile": "Trainer(compile=True, devices=2): XLA's code cannot wait for the "
        "other devices' batch statistics; leave compile out, or choose "
        "sync_batch_norm=False",
        "5 images": "Trainer.fit: a batch of 5 images cannot be shared equally by 2 "
        "devices; take another batch_size or number of devices",
    }
    # `provide` after TensorFlow's first use is TensorFlow's own error.
    assert "after being initialized" in str(facts["too late"])
