"""What a benchmark ran on, and with which versions."""

import os
import platform
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


def versions(frameworks: Iterable[str], distributions: Iterable[str]) -> dict[str, str]:
    """Of Python, NumPy, the frameworks' packages and other distributions."""
    packages = [package for f in frameworks for package in VERSIONED[f]]
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        **{package: package_version(package) for package in packages},
        **{distribution: version(distribution) for distribution in distributions},
    }
