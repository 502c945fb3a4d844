"""The frameworks of this machine for tests: those whose package is installed."""

import importlib
from functools import cache
from types import ModuleType

from d2l_lite import PACKAGES, installed

FRAMEWORKS = tuple(filter(installed, PACKAGES))


@cache
def d2l(framework: str) -> ModuleType:
    """The library's module for a framework, imported when first asked for."""
    return importlib.import_module(f"d2l_lite.{framework}")
