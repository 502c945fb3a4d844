"""How large a run is: "quick", or "full" where an accelerator makes that short."""

import os
from functools import cache

from d2l_lite.checks import check_choice

SCALES = ("quick", "full")
_accelerator = False


def accelerator_found(found: bool) -> None:
    """Tell whether the framework in use found an accelerator."""
    global _accelerator
    _accelerator = found


def named() -> str | None:
    """Return ``D2L_LITE_SCALE``, None if it is not set."""
    found = os.environ.get("D2L_LITE_SCALE")
    if found:
        check_choice(found, SCALES, f"D2L_LITE_SCALE={found}")
    return found or None


def scale() -> str:
    """Return ``D2L_LITE_SCALE``, else "full" with an accelerator, else "quick"."""
    return named() or ("full" if _accelerator else "quick")


@cache
def announce(line: str) -> None:
    """Print a line once per process."""
    print(line)
