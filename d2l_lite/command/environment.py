"""What a training ran on: versions and hardware, as a record for its readers."""

import os
import platform
import shlex
import sys
import time
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np

from d2l_lite import __version__

try:
    import resource
except ModuleNotFoundError:  # on Windows
    resource = None

# A framework's packages whose versions matter.
VERSIONED = {
    "pytorch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax", "jaxlib", "flax"),
    "mxnet": ("mxnet",),
}
# Take a GPU's memory as it is needed, and leave the rest to others.
SHARED_GPU = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def described(framework: str, device: object) -> dict[str, Any]:
    """What this process is: when it began, its command, versions, hardware."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join(["python", "-m", "d2l_lite", *sys.argv[1:]]),
        "versions": {
            "python": platform.python_version(),
            "d2l_lite": __version__,
            "numpy": np.__version__,
            **{package: package_version(package) for package in VERSIONED[framework]},
        },
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "memory_mib": memory(),
        "device": str(device),
    }


def memory() -> int:
    """The machine's memory in MiB; 0 on Windows, which does not tell Python."""
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def peak_memory() -> int:
    """The most memory that this process has held, in MiB; not that of a GPU.

    0 on Windows, which does not tell Python.
    """
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20


def package_version(package: str) -> str:
    """The version of the distribution that a package to import comes in."""
    # The package index has TensorFlow under more names than one.
    return version(packages_distributions()[package][0])


def cores() -> int:
    """The processor's cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8", "replace").splitlines() if info.exists() else []
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.processor()).strip()
