"""What a benchmark ran on, and with which versions."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from d2l_lite.command.environment import VERSIONED, cores, package_version, processor


def describe() -> dict[str, Any]:
    """Processor, its cores that this process may use, memory in bytes, system."""
    return {
        "processor": processor(),
        "cores": cores(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def gpu() -> dict[str, str]:
    """Name and driver of the first GPU, as "gpu" and "driver"; empty without one.

    One that `CUDA_VISIBLE_DEVICES` hides is none.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
    if hidden or not shutil.which("nvidia-smi"):
        return {}
    words = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    asked = subprocess.run(words, capture_output=True, text=True)
    # It fails where it is installed and there is no GPU.
    if asked.returncode or not asked.stdout.strip():
        return {}
    return dict(zip(("gpu", "driver"), asked.stdout.splitlines()[0].split(", ")))


def dry_run() -> bool:
    """Whether the processor is to stand in for a GPU, on little work."""
    return bool(os.environ.get("D2L_DRY_RUN"))


def versions(frameworks: Iterable[str], distributions: Iterable[str]) -> dict[str, str]:
    """Of Python, NumPy, the frameworks' packages and other distributions."""
    packages = [package for f in frameworks for package in VERSIONED[f]]
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        **{package: package_version(package) for package in packages},
        **{distribution: version(distribution) for distribution in distributions},
    }
