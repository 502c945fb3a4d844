"""Pickles of NumPy arrays and plain types; what could run code is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from d2l_lite.files import damaged

# NumPy 1 and 2 name the first one's module differently.
_reconstruct = np.empty(0).__reduce__()[0]
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            rule = "only NumPy arrays and plain types are read"
            raise pickle.UnpicklingError(f"it holds {module}.{name}; {rule}")
        return ALLOWED[module, name]


def read_pickle(path: Path) -> Any:
    """What a pickle holds, the text of Python 2 as Latin-1.

    Raises `DataError`, naming the file, for one that is missing, damaged, or holds
    anything but NumPy arrays and plain types, which is what `weights_only` of
    ``torch.load`` means as well.
    """
    try:
        with path.open("rb") as file:
            return _Plain(file, encoding="latin1").load()
    # Damaged bytes make the unpickler raise anything.
    except Exception as error:
        raise damaged(path, f"cannot be read ({error})") from error
