"""How large a run is: "quick", or "full" where an accelerator makes that short."""

import os
from functools import cache

SCALES = ("quick", "full")
_accelerator = False


def accelerator_found(found: bool) -> None:
    """Tell whether the framework in use found an accelerator."""
    global _accelerator
    _accelerator = found


def scale(accelerator: bool | None = None) -> str:
    """Return ``D2L_LITE_SCALE``, else "full" with an accelerator, else "quick"."""
    named = os.environ.get("D2L_LITE_SCALE")
    if named:
        return check(named, f"D2L_LITE_SCALE={named}")
    found = _accelerator if accelerator is None else accelerator
    return "full" if found else "quick"


def check(value: str, call: str) -> str:
    """Return `value`; raise `ValueError`, opening with `call`, if it is no scale."""
    if value not in SCALES:
        raise ValueError(f'{call}: must be "quick" or "full"')
    return value


@cache
def announce(line: str) -> None:
    """Print a line once per process."""
    print(line)
