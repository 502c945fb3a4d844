"""Trainings of real networks, killed and resumed: bit for bit the uninterrupted one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from few_images import few_images
from frameworks import FRAMEWORKS
from runs import finished, stamp

from d2l_lite.training.history import History

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return few_images(tmp_path_factory.mktemp("data") / "few")


def training(framework, data, folder, *words, **changes):
    """The command line, in a process: four epochs of four steps, with dropout."""
    options = {
        "framework": framework,
        "network": "densenet",
        "dataset": "fashion-mnist",
        "data": data,
        "validation": 16,
        "batch-size": 16,
        "epochs": 4,
        "dropout": 0.2,
        "seed": 3,
        "out": folder,
    } | changes
    words += tuple(w for name, value in options.items() for w in (f"--{name}", value))
    command = [sys.executable, "-m", "d2l_lite", "train", "--quiet", "--resume"]
    settings = {
        "PYTHONPATH": str(ROOT),
        # Compiles in seconds instead of half a minute, alike in every process.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    # TensorFlow's own words are to be left out for a user who has not set these.
    quiet = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    kept = {name: value for name, value in os.environ.items() if name not in quiet}
    return subprocess.Popen(
        [*command, *map(str, words)],
        env=kept | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_settings_are_those_of_the_command_line(data, tmp_path):
    running = training("none", data, tmp_path)
    assert "--framework" in running.communicate()[1]
    assert running.returncode == 2


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_killed_twice_it_ends_the_same(framework, data, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    running = training(framework, data, whole)
    output, error = running.communicate()
    assert (running.returncode, error) == (0, "")
    assert output.startswith(f"{whole}: 4 epochs, best in epoch ")
    rng = np.random.default_rng(list(framework.encode()))
    for _ in range(2):
        before = stamp(killed)
        running = training(framework, data, killed)
        while running.poll() is None and stamp(killed) == before:
            time.sleep(0.01)
        # An epoch of four steps takes some tenths of a second.
        time.sleep(rng.uniform(0, 0.3))
        running.kill()
        running.communicate()
        assert running.returncode == -signal.SIGKILL
    running = training(framework, data, killed)
    error = running.communicate()[1]
    assert running.returncode == 0, error
    assert finished(killed) == finished(whole)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_two_devices_from_the_command_line(framework, data, tmp_path):
    # MXNet synchronises on processors where nothing is dropped.
    options = {"epochs": 1, "dropout": 0}
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        running = training(framework, data, folder, devices=devices, **options)
        output, error = running.communicate()
        assert running.returncode == 0, error
        assert len(output.splitlines()) == 1
    histories = [History.from_csv(tmp_path / n / "history.csv") for n in "12"]
    (one,), (two,) = (history.train_loss for history in histories)
    # Float32, four steps with a high rate.
    assert one == pytest.approx(two, rel=1e-3)


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_processes_that_fail_give_their_status(data, tmp_path):
    running = training("pytorch", data, tmp_path / "run", devices=2, validation=80)
    error = running.communicate()[1]
    assert running.returncode == 2
    assert "--validation 80: must be" in error
    assert "Traceback" not in error


def children(process):
    """The numbers of the processes that a process has started."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stats.append(path.read_text())
    # Number, (name), state and the parent's number; a name may have spaces.
    parents = {int(s.split()[0]): int(s.rpartition(")")[2].split()[1]) for s in stats}
    return {number for number, parent in parents.items() if parent == process}


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_processes_end_with_the_one_that_started_them(data, tmp_path):
    folder, options = tmp_path / "run", {"devices": 2, "epochs": 10_000}
    with training("pytorch", data, folder, **options) as running:
        while len(workers := children(running.pid)) < 2 and running.poll() is None:
            time.sleep(0.05)
        running.kill()
    deadline = time.monotonic() + 20
    while left := [worker for worker in workers if Path(f"/proc/{worker}").exists()]:
        if time.monotonic() > deadline:
            for worker in left:
                os.kill(worker, signal.SIGKILL)
            pytest.fail(f"{len(left)} processes still run")
        time.sleep(0.05)
