"""Two processes of PyTorch take the step that one takes on the whole batch."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from frameworks import FRAMEWORKS

if "pytorch" not in FRAMEWORKS:
    pytest.skip("PyTorch is not installed", allow_module_level=True)

import devices_pytorch as here
import torch

from d2l_lite import pytorch as d2l
from d2l_lite.devices import torch_processes as devices

# Float64, sums of a few thousand terms in another order: 5e-14 of the largest entry of
# an array is the most that was found.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes has found."""
    file = tmp_path_factory.mktemp("devices") / "facts.json"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = Path(__file__).with_name("devices_pytorch.py")
    # Two processes need two GPUs, or none.
    processors = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "--nproc-per-node=2", script, file]
    subprocess.run(command, check=True, env=processors)
    assert file.with_name("facts.json.safetensors").exists()
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def halves():
    """Loss and gradients of each half of the batch, by its own statistics."""
    X, y = here.batch()
    rows = slice(0, 4), slice(4, 8)
    return [d2l.loss_and_gradients(here.build(), X[r], y[r]) for r in rows]


def distance(arrays, expected):
    """The largest difference in units of the largest entry of its array."""
    assert arrays.keys() == expected.keys()
    return max(
        np.abs(np.array(arrays[n]) - expected[n]).max() / np.abs(expected[n]).max()
        for n in expected
    )


@pytest.mark.parametrize("kind", ["sync", "memory-efficient"])
def test_two_devices_are_one(found, kind):
    """Loss, gradient and running statistics are those of the whole batch."""
    two, one = found[0][kind], here.step(here.build())
    loss, gradient = d2l.loss_and_gradients(here.build(), *here.batch())
    assert two["loss"] == pytest.approx(loss, rel=ROUNDING)
    assert two["correct"] == one["correct"]
    assert distance(two["gradient"], gradient) < ROUNDING
    assert distance(two["statistics"], one["statistics"]) < ROUNDING


def test_apart_it_is_the_mean_of_the_halves(found, halves):
    apart, (losses, gradients) = found[0]["apart"], zip(*halves)
    mean = {n: (gradients[0][n] + gradients[1][n]) / 2 for n in gradients[0]}
    assert apart["loss"] == pytest.approx(np.mean(losses), rel=ROUNDING)
    assert distance(apart["gradient"], mean) < ROUNDING


def test_apart_it_is_another_step(found):
    """The halves of this batch have other statistics: no rounding, another gradient."""
    _, gradient = d2l.loss_and_gradients(here.build(), *here.batch())
    assert distance(found[0]["apart"]["gradient"], gradient) > 0.1


def test_apart_running_statistics_are_means(found):
    """By hand at the first norm: 0.9 + 0.1 · the mean of the halves' variances."""
    net, (X, _) = here.build(), here.batch()
    maps = d2l.to_numpy(net.features[0](d2l.to_tensor(X)))
    means = [half.mean((0, 2, 3)) for half in np.split(maps, 2)]
    vars = [half.var((0, 2, 3)) for half in np.split(maps, 2)]
    statistics = found[0]["apart"]["statistics"]
    norm = "features.denseblock1.denselayer1.norm1"
    expected = {
        "running_mean": 0.1 * np.mean(means, axis=0),
        "running_var": 0.9 + 0.1 * np.mean(vars, axis=0),
    }
    for name, array in expected.items():
        np.testing.assert_allclose(statistics[f"{norm}.{name}"], array, rtol=ROUNDING)


def test_a_training_of_three_epochs(found):
    two, one = found[0]["fit"], here.fit()
    assert two["history"].keys() == one["history"].keys()
    for name, column in one["history"].items():
        np.testing.assert_allclose(two["history"][name], column, rtol=ROUNDING)
    assert distance(two["weights"], one["weights"]) < ROUNDING


def test_the_processes_have_one_network(found):
    for kind in ("sync", "apart", "fit"):
        assert found[0][kind] == found[1][kind]
    assert [process["primary"] for process in found] == [True, False]


def test_other_masks_of_dropout_in_each_process(found):
    """Seeded alike, half of the outputs that one forgets would not be the other's."""
    first, second = (np.array(process["masks"]) == 0 for process in found)
    # 200 of 1,000 in each, 40 in both, give or take a few standard deviations.
    assert 150 < first.sum() < 250 and 150 < second.sum() < 250
    assert (first & second).sum() < 80


def test_the_model_is_the_users_own(found):
    """No class is another, and one process alone can use it, and go backwards."""
    assert all(process["alone"] for process in found)


def test_bfloat16(found):
    exact = here.step(here.build("float32"))
    net = here.build("float32")
    one = here.step(net, precision="bfloat16")
    assert {array.dtype for array in net.parameters()} == {torch.float32}
    assert {a.dtype for a in d2l.get_weights(net).values()} == {np.dtype("float32")}
    for mixed in (one, found[0]["bfloat16"]):
        assert mixed["loss"] == pytest.approx(exact["loss"], rel=0.02)
        # 8 bits of a number are kept, 24 in float32.
        assert distance(mixed["gradient"], exact["gradient"]) > 2**-9
        assert distance(mixed["statistics"], exact["statistics"]) < 0.02


def test_compiled_it_is_the_same_step(monkeypatch):
    """As traced; machine code, which takes minutes to make, is not ours to test."""
    traced = partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", traced)
    changes = {"memory_efficient": True, "block_config": (1, 1)}
    found = here.step(here.build(**changes), compile=True)
    expected = here.step(here.build(**changes))
    assert found["loss"] == pytest.approx(expected["loss"], rel=ROUNDING)
    for key in ("gradient", "statistics"):
        assert distance(found[key], expected[key]) < ROUNDING


def test_errors(found):
    prepare = [
        d2l.Trainer(1, **options).prepare
        for options in ({"devices": 2}, {"precision": "float16"})
    ]
    with pytest.raises(ValueError, match=r"^Trainer\(devices=2\): .* here is 1; .*run"):
        prepare[0](here.build())
    if d2l.device().type == "cpu":
        with pytest.raises(ValueError, match=r"^Trainer\(precision='float16'\): needs"):
            prepare[1](here.build())
    for process in found:
        assert process["unequal"].startswith("Trainer.fit: a batch of 7 images cannot")
        assert process["too many"].startswith("Trainer(devices=3): PyTorch has")


def test_what_gpus_lack(monkeypatch):
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    with pytest.raises(ValueError, match=r"^Trainer\(precision='bfloat16'\): this GPU"):
        devices.mixed("bfloat16", cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="^torchrun --nproc-per-node=2: .* has 1;"):
        devices.gpu(devices.Group(1, 2, 1, 2))


def test_a_part_on_several_machines():
    """Rank 2 of 4, the first of the second machine: the third quarter."""
    group = devices.Group(rank=2, size=4, local_rank=0, local_size=2)
    rows = np.arange(8)
    assert [part.tolist() for part in group.part(rows, rows)] == [[4, 5], [4, 5]]


def test_where_torchrun_says(monkeypatch):
    """The variables of torchrun's documentation: machine 1 of 2, its second process."""
    said = {"RANK": 3, "WORLD_SIZE": 4, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2}
    assert devices.group() == devices.Group()
    for name, value in said.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    assert devices.group() == devices.Group(3, 4, 1, 2)
    assert not d2l.Trainer(1).primary


def test_nothing_is_provided():
    assert devices.provide(2) is None
