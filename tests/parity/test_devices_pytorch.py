"""Two processes of PyTorch take the step that one takes on the whole batch."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from device_facts import (  # noqa: F401, tests that pytest finds here
    assert_same,
    case,
    facts_in,
    start,
    test_bfloat16,
    test_three_epochs_have_the_history_of_one_device,
    test_two_devices_step_as_one,
    test_without_sync_the_gradient_is_the_mean_of_the_halves,
    test_without_sync_the_mean_of_running_statistics_is_kept,
)
from frameworks import FRAMEWORKS
from two_devices import Facts

if "pytorch" not in FRAMEWORKS:
    pytest.skip("PyTorch is not installed", allow_module_level=True)

import devices_pytorch as here
import torch

from d2l_lite import pytorch as d2l
from d2l_lite.devices import torch_processes as devices


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What each of two processes has found."""
    path = tmp_path_factory.mktemp("pytorch") / "facts.npz"
    script = Path(__file__).with_name("devices_pytorch.py")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    # Two processes need two GPUs, or none.
    settings = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "--nproc-per-node=2", script, path]
    subprocess.run(command, check=True, env=settings)
    assert path.with_name("trained.safetensors").exists()
    return [facts_in(path.with_name(f"{rank} {path.name}")) for rank in (0, 1)]


@pytest.fixture(scope="module")
def facts(processes, tmp_path_factory):
    """What one process has found, and the first of the two."""
    path = tmp_path_factory.mktemp("pytorch") / "facts.npz"
    settings = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    assert start("devices_pytorch.py", path, **settings).wait() == 0
    return facts_in(path) | processes[0]


def test_recomputed_layers_on_two_devices(facts):
    assert_same(case(facts, "efficient"), case(facts, "one"))


def test_the_processes_have_one_network(processes):
    for name in ("two", "apart", "epochs, 2", "epochs, 2, weights"):
        assert_same(*(case(found, name) for found in processes), {"rtol": 0})
    assert [bool(found["primary"]) for found in processes] == [True, False]


def test_other_masks_of_dropout_in_each_process(processes):
    """Seeded alike, half of the outputs that one forgets would not be the other's."""
    first, second = (found["forgotten"] for found in processes)
    # 200 of 1,000 in each, 40 in both, give or take a few standard deviations.
    assert 150 < first.sum() < 250 and 150 < second.sum() < 250
    assert (first & second).sum() < 80


def test_the_model_is_the_users_own(processes):
    """No class is another, and one process alone can use it, and go backwards."""
    assert all(found["the user's own"] for found in processes)


def test_compiled_it_is_the_same_step(monkeypatch):
    """As traced; machine code, which takes minutes to make, is not ours to test."""
    traced = partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", traced)
    facts = Facts(d2l, here.build, (here.X, here.y))
    for name, compiled in (("compiled", True), ("one", False)):
        net = here.build(memory_efficient=True, block_config=(1, 1))
        facts.step(name, net, compile=compiled)
    assert_same(case(facts, "compiled"), case(facts, "one"))


def test_errors(processes):
    prepare = [
        d2l.Trainer(1, **options).prepare
        for options in ({"devices": 2}, {"precision": "float16"})
    ]
    with pytest.raises(ValueError, match=r"^Trainer\(devices=2\): .* here is 1; .*run"):
        prepare[0](here.build())
    if d2l.device().type == "cpu":
        with pytest.raises(ValueError, match=r"^Trainer\(precision='float16'\): needs"):
            prepare[1](here.build())
    for found in processes:
        unequal, too_many = (
            str(found[f"error: {c}"]) for c in ("5 images", "3 devices")
        )
        assert unequal.startswith("Trainer.fit: a batch of 5 images cannot")
        assert too_many.startswith("Trainer(devices=3): PyTorch has")


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
