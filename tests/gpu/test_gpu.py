"""Each framework on a GPU: the same function as on the processor, and what a GPU adds.

With D2L_DRY_RUN the processor stands in for the GPU: that shows that the tests run.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from comparison import ROUNDING, beyond
from few_images import few_images
from runs import finished, stamp

from benchmarks.machine import dry_run, gpu
from d2l_lite import TITLES, installed

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
if not (gpu() or dry_run()):
    pytestmark = pytest.mark.skip("no GPU here: nvidia-smi names none")

# MXNet's wheels have no GPU that today's CUDA serves.
FRAMEWORKS = [name for name in ("pytorch", "tensorflow", "jax") if installed(name)]
HIDDEN = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
# Kernels that add up in the same order each time, and JAX's choice of them untimed.
ALIKE = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TF_DETERMINISTIC_OPS": "1",
    "XLA_FLAGS": "--xla_gpu_deterministic_ops=true",
}
if dry_run():  # on a processor XLA would compile for minutes
    ALIKE["XLA_FLAGS"] += " --xla_backend_optimization_level=0"


def run(*words: object, **settings: str) -> str:
    """Run Python with these words in the repository; returns what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module", params=FRAMEWORKS)
def measured(request, tmp_path_factory):
    """What a framework computes, by format; "processor" is float32 without the GPU."""
    folder = tmp_path_factory.mktemp(request.param)

    @cache
    def facts(form: str) -> dict[str, np.ndarray]:
        alone = form == "processor"
        words = request.param, "float32" if alone else form, folder / f"{form}.npz"
        run(HERE / "on_device.py", *words, **(HIDDEN if alone else {}))
        with np.load(words[-1]) as file:
            return dict(file)

    facts.framework = request.param
    on_processor = "cpu" in str(facts("float32")["device"]).lower()
    if on_processor and not dry_run():
        pytest.skip(f"{TITLES[request.param]} as it is installed here has no GPU")
    return facts


# No mark: pytest folds what one mark of the module skips into one line.
@pytest.fixture(params=ROUNDING)
def form(request):
    return request.param


def test_the_same_function_as_on_the_processor(measured, form):
    assert "cpu" in str(measured("processor")["device"]).lower()
    assert not beyond(measured(form), measured("processor"), form)


def test_mixed_precision_trains(measured):
    losses = measured("bfloat16")["losses"]
    # One batch, learned by heart.
    assert losses[-1] < 0.7 * losses[0]


def test_recomputation_saves_memory(measured, tmp_path):
    file = tmp_path / "peak.csv"
    depth = 22 if dry_run() else 100
    words = measured.framework, depth, "--turns", 1, "--output", file
    run("benchmarks/memory.py", *words)
    with file.open(newline="") as rows:
        plain, again = (float(row["peak_mib"]) for row in csv.DictReader(rows))
    # There is less to save in the shallow network of a dry run.
    assert 0 < again < (0.9 if dry_run() else 0.7) * plain


def training(framework, data, folder, *words):
    """Epochs of four steps, in a process of their own."""
    options = {
        "framework": framework,
        # Without max pooling, whose gradient PyTorch and XLA add up in any order.
        "network": "densenet-bc-40-12",
        "dataset": "fashion-mnist",
        "data": data,
        "validation": 16,
        "batch-size": 16,
        "epochs": 3 if dry_run() else 8,
        "out": folder,
    }
    pairs = (word for name, value in options.items() for word in (f"--{name}", value))
    script = HERE / "train_alike.py"
    command = [sys.executable, script, "train", "--quiet", "--resume", *pairs, *words]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | ALIKE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_device_and_a_killed_run_end_bit_for_bit_the_same(measured, tmp_path):
    data = few_images(tmp_path / "data")
    for folder, words in (("whole", ()), ("one", ("--devices", 1)), ("killed", ())):
        running = training(measured.framework, data, tmp_path / folder, *words)
        if folder == "killed":
            while running.poll() is None and stamp(tmp_path / folder) is None:
                time.sleep(0.005)
            running.kill()
            running.communicate()
            assert running.returncode == -signal.SIGKILL
            running = training(measured.framework, data, tmp_path / folder)
        error = running.communicate()[1]
        assert running.returncode == 0, error
    whole = finished(tmp_path / "whole")
    assert finished(tmp_path / "one") == whole
    assert finished(tmp_path / "killed") == whole


def test_notebooks_run(measured, tmp_path):
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    notebooks = sorted((tmp_path / "chapters" / measured.framework).glob("*.ipynb"))
    chosen = [n for n in notebooks if n.stem == "dense_blocks" or not dry_run()]
    words = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", 600]
    # In the copy, which has no settings of this repository's tests.
    words += ["--rootdir", tmp_path, "-c", os.devnull, "-q", *chosen]
    run("-m", "pytest", *words, D2L_LITE_SCALE="quick")
