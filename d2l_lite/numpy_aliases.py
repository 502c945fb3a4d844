"""To import before MXNet: gives NumPy back the names that MXNet 1.9.1 asks for.

MXNet's modules look them up when they are imported, so this acts at import as well.
"""

from types import ModuleType, SimpleNamespace

import numpy as np

# NumPy 1.24 dropped `bool`, 2.0 most others. MXNet only looks the names up.
_SUCCESSORS = {
    "bool": bool,
    "NaN": np.nan,
    "NAN": np.nan,
    "Inf": np.inf,
    "PINF": np.inf,
    "NINF": -np.inf,
    "PZERO": 0.0,
    "NZERO": -0.0,
    "alltrue": np.all,
    "sometrue": np.any,
    "product": np.prod,
    "cumproduct": np.cumprod,
    "in1d": np.isin,
    "msort": np.sort,
    "trapz": getattr(np, "trapezoid", None),
    "round_": np.round,
    "row_stack": np.vstack,
    "compat": SimpleNamespace(basestring=str),
}
# The financial functions left in 1.20 without successor; the names are enough.
_SUCCESSORS |= dict.fromkeys(("mirr", "npv", "pmt", "ppmt", "pv", "rate"))

for _name, _successor in _SUCCESSORS.items():
    if _name not in np.__dict__:
        setattr(np, _name, _successor)


def write_plain_numbers(*modules: ModuleType) -> None:
    """Have MXNet's modules write the arguments of operators as before NumPy 2.

    MXNet reads them as text: `[0, 32]`, not `[0, np.int64(32)]`.
    """
    if repr(np.int64(0)) != "0":
        for module in modules:
            module.str = _text


def _text(value: object) -> str:
    if not isinstance(value, list | tuple):  # most are no lists: keep them fast
        return str(value)
    with np.printoptions(legacy="1.25"):
        return str(value)
