"""Two contexts of MXNet do what one does; in bfloat16 nearly so.

One process with two processor contexts finds all facts; four more stand for two hosts
with a scheduler and a server.
"""

from functools import partial

import numpy as np
import pytest
from device_facts import NORM, SAME, case, facts_in, free_ports, hosts_of, start
from frameworks import FRAMEWORKS
from two_devices import RATE

from d2l_lite.networks.weights import is_trainable

pytestmark = pytest.mark.skipif("mxnet" not in FRAMEWORKS, reason="needs MXNet")

# Rounding in float32, where MXNet's synchronised batch norm also takes the variance as
# a difference of two numbers: some tens of roundings of 6e-8 of the largest entry.
FLOAT32 = 5e-6


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    path = tmp_path_factory.mktemp("mxnet") / "facts.npz"
    assert start("devices_mxnet.py", path).wait(timeout=300) == 0
    return facts_in(path)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    settings = {
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(free_ports(1)[0]),
        "DMLC_NUM_SERVER": "1",
        "DMLC_NUM_WORKER": "2",
    }
    serve = ["-c", "import d2l_lite.devices.gluon_replicas"]
    serving = [
        start(*serve, **settings, DMLC_ROLE=role) for role in ("scheduler", "server")
    ]
    worker = partial(start, "devices_mxnet.py", **settings, DMLC_ROLE="worker")
    return hosts_of(worker, tmp_path_factory.mktemp("mxnet"), [{}, {}], serving)


def gradients(facts, name, before="before"):
    """What a plain step took from the weights, by its rate; running statistics."""
    return {
        key: (facts[f"{before}: {key}"] - array) / RATE if is_trainable(key) else array
        for key, array in case(facts, name).items()
        if "." in key
    }


def assert_close(found, expected, tolerance):
    """Entries as close as this share of the largest of all gradients, or of their own.

    Before a batch norm some gradients are zero but for rounding.
    """
    assert found.keys() == expected.keys()
    largest = max(np.abs(a).max() for key, a in expected.items() if is_trainable(key))
    for key, array in expected.items():
        size = largest if is_trainable(key) else np.abs(array).max()
        np.testing.assert_allclose(
            found[key], array, rtol=0, atol=tolerance * size, err_msg=key
        )


def test_two_devices_step_as_one(facts):
    """Loss, right predictions, gradients, running statistics: one step of plain SGD."""
    assert 0 < facts["two: correct"] == facts["one: correct"] < 8
    assert facts["two: loss"] == pytest.approx(facts["one: loss"], rel=1e-6)
    assert_close(gradients(facts, "two"), gradients(facts, "one"), FLOAT32)


def test_the_model_is_of_one_device_and_batch_norm(facts):
    """A synchronised one would wait for the other device for ever."""
    assert facts["contexts of the model"] == 1
    expected = pytest.approx(float(facts["loss expected"]), rel=1e-6)
    assert facts["loss after"] == expected


def test_weights_written_between_steps(facts):
    for count in (1, 2):
        expected = case(facts, f"straight on, {count}")
        for name, array in case(facts, f"written, {count}").items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_each_device_by_itself_is_the_mean_of_halves(facts):
    """By hand: each half's gradients with that half's statistics, in float64."""
    halves = [case(facts, f"half {number}") for number in (0, 1)]
    found = gradients(facts, "apart", "before, float64")
    for name, array in found.items():
        if is_trainable(name):
            expected = (halves[0][name] + halves[1][name]) / 2
            np.testing.assert_allclose(array, expected, err_msg=name, **SAME)
    loss = (halves[0]["loss"] + halves[1]["loss"]) / 2
    np.testing.assert_allclose(facts["apart: loss"], loss, **SAME)


def test_each_device_by_itself_keeps_the_mean_statistics(facts):
    alone = [case(facts, f"half {number} alone") for number in (0, 1)]
    for name, array in case(facts, "apart").items():
        if name.endswith(("running_mean", "running_var")):
            expected = (alone[0][name] + alone[1][name]) / 2
            np.testing.assert_allclose(array, expected, err_msg=name, **SAME)
    assert facts["apart: correct"] == alone[0]["correct"] + alone[1]["correct"]


def test_each_device_by_itself_is_not_the_whole_batch(facts):
    one, apart = gradients(facts, "one"), gradients(facts, "apart", "before, float64")
    largest = max(np.abs(one[name]).max() for name in one if is_trainable(name))
    name = f"{NORM}.weight"
    assert np.abs(apart[name] - one[name]).max() > 1e-3 * largest


def test_recomputed_layers_on_two_devices(facts):
    expected = gradients(facts, "apart", "before, float64")
    for name, array in gradients(facts, "efficient", "before, float64").items():
        if is_trainable(name):
            np.testing.assert_allclose(array, expected[name], err_msg=name, **SAME)


def test_devices_draw_other_masks(facts):
    """Of equal halves: with equal masks the loss would be that of one half."""
    first, again = facts["dropout, apart"]
    assert first == again
    assert abs(first - facts["dropout, half"]) > 1e-3


def test_three_epochs(facts):
    for name in ("train_loss", "train_error", "validation_loss"):
        one, two = facts[f"epochs, 1: {name}"], facts[f"epochs, 2: {name}"]
        assert len(one) == 3
        # Six steps, each with the rounding of those before.
        np.testing.assert_allclose(two, one, rtol=1e-5, err_msg=name)


def test_bfloat16(facts):
    if not facts["has bfloat16"]:
        pytest.skip("MXNet multiplies bfloat16 on CPUs with AVX-512 only")
    assert facts["bfloat16: loss"] == pytest.approx(facts["one: loss"], rel=0.02)
    one, low = gradients(facts, "one"), gradients(facts, "bfloat16")
    assert {array.dtype.name for array in low.values()} == {"float32"}
    # Of 8 bits, and differences of them; measured 2.4 %.
    assert_close(low, one, 0.1)
    name = "features.denseblock1.denselayer1.conv1.weight"
    assert np.abs(low[name] - one[name]).max() > 1e-4 * np.abs(one[name]).max()


def test_two_hosts_step_as_two_devices(facts, hosts):
    """Between hosts MXNet sends float32, whatever the weights are."""
    assert sorted(bool(host["primary"]) for host in hosts) == [False, True]
    expected = gradients(facts, "apart", "before, float64")
    for host in hosts:
        host |= {key: facts[key] for key in facts if key.startswith("before, ")}
        found = gradients(host, "hosts", "before, float64")
        assert_close(found, expected, FLOAT32)
        assert host["hosts: loss"] == pytest.approx(facts["apart: loss"], rel=1e-6)
        assert host["hosts: correct"] == facts["apart: correct"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("compile", "Trainer(compile=True): MXNet makes graphs anyway; leave it out"),
        (
            "float16",
            "Trainer(precision='float16'): needs GPUs and a loss scale; choose "
            "bfloat16 or float32",
        ),
        (
            "bfloat16, efficient",
            "Trainer(precision='bfloat16'): MXNet has it in graphs, which "
            "memory_efficient=True is not; choose float32",
        ),
        (
            "bfloat16, dropout",
            "Trainer(precision='bfloat16'): MXNet has it without dropout only; "
            "choose float32",
        ),
        (
            "float64",
            "Trainer(sync_batch_norm=True): MXNet has it in float32 only; choose "
            "sync_batch_norm=False",
        ),
        (
            "efficient",
            "Trainer(sync_batch_norm=True): MXNet has it in graphs, which "
            "memory_efficient=True is not; choose sync_batch_norm=False",
        ),
        (
            "dropout",
            "Trainer(sync_batch_norm=True): with dropout MXNet has it on GPUs only; "
            "choose sync_batch_norm=False",
        ),
        (
            "parts",
            "Trainer.fit: a batch of 5 images cannot be shared equally by 2 devices; "
            "take another batch_size or number of devices",
        ),
        (
            "buffers",
            "Trainer(sync_batch_norm=True): start Python with "
            "MXNET_CPU_TEMP_COPY=4096, or choose sync_batch_norm=False",
        ),
    ],
)
def test_error(facts, name, message):
    assert facts[f"error: {name}"] == message
