"""Lists of numbers as MXNet 1.9.1 reads them: `[0, 32]`, not `[0, np.int64(32)]`."""

from types import ModuleType

import numpy as np


def mend(*modules: ModuleType) -> None:
    """Have MXNet's modules write the arguments of operators as before NumPy 2."""
    if repr(np.int64(0)) != "0":
        for module in modules:
            module.str = _text


def _text(value: object) -> str:
    if not isinstance(value, list | tuple):  # most are no lists: keep them fast
        return str(value)
    with np.printoptions(legacy="1.25"):
        return str(value)
