"""The tests for a GPU where there is none: they can be collected, and would notice."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
GPU = ROOT / "tests" / "gpu"


def test_without_a_gpu_one_line_says_so():
    settings = {"CUDA_VISIBLE_DEVICES": "", "CI": "true", "D2L_DRY_RUN": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", GPU],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("SKIPPED")]
    assert line.endswith("no GPU here: nvidia-smi names none")


def test_the_measurement_needs_a_gpu_as_well(tmp_path):
    fails = tmp_path / "nvidia-smi"
    fails.write_text("#!/bin/sh\nexit 6\n")
    fails.chmod(0o755)
    settings = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "D2L_DRY_RUN": ""}
    done = subprocess.run(
        [ROOT / "benchmarks" / "gpu.sh"],
        env=os.environ | settings | {"OUT": str(tmp_path / "out")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("no GPU here; D2L_DRY_RUN=1 lets")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def comparison(monkeypatch):
    monkeypatch.syspath_prepend(GPU)
    import comparison

    return comparison


def test_what_is_off_by_more_than_rounding_is_beyond_its_tolerance(comparison):
    rng = np.random.default_rng(0)
    expected = {
        "loss: ": np.array(2.3),
        "logits: ": rng.normal(size=(8, 10)),
        "gradients: conv0": rng.normal(size=(4, 3)),
        "gradients: norm0": rng.normal(size=4),
        "movement: conv0": rng.normal(size=(4, 3)),
    }
    for form, rounding in comparison.ROUNDING.items():
        rounded = {n: a * (1 + 4 * rounding) for n, a in expected.items()}
        assert comparison.beyond(rounded, expected, form) == []
        # The sum over the batch in place of its mean, a step of twice the rate.
        for quantity in ("loss", "gradients", "movement"):
            twice = {n: a * (1 + n.startswith(quantity)) for n, a in rounded.items()}
            (words,) = comparison.beyond(twice, expected, form)
            assert words.startswith(f"{quantity} in {form}: 1.0e+00, allowed ")
        missing = expected | {"logits: ": np.full((8, 10), np.nan)}
        assert len(comparison.beyond(missing, expected, form)) == 1
    # What bfloat16 may lose float32 may not.
    coarse = {n: a * (1 + 2.0**-8) for n, a in expected.items()}
    assert comparison.beyond(coarse, expected, "bfloat16") == []
    assert len(comparison.beyond(coarse, expected, "float32")) == 4
