"""The frameworks of this machine for tests: those whose package is installed."""

import importlib
from functools import cache
from importlib.util import find_spec
from types import ModuleType

from d2l_lite import PACKAGES

FRAMEWORKS = tuple(name for name, package in PACKAGES.items() if find_spec(package))


@cache
def d2l(framework: str) -> ModuleType:
    """The library's module for a framework, imported when first asked for."""
    return importlib.import_module(f"d2l_lite.{framework}")
