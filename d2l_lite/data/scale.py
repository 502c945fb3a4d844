"""How large a run is: "quick", or "full" where an accelerator makes that short."""

import os
import sys
from functools import cache

from d2l_lite import PACKAGES
from d2l_lite.checks import check_choice

SCALES = ("quick", "full")


def accelerator() -> bool:
    """Whether a framework module of the library that is loaded has an accelerator."""
    modules = (sys.modules.get(f"d2l_lite.{name}") for name in PACKAGES)
    return any(module.backend.accelerator() for module in modules if module)


def named() -> str | None:
    """Return ``D2L_LITE_SCALE``, None if it is not set."""
    found = os.environ.get("D2L_LITE_SCALE")
    if found:
        check_choice(found, SCALES, f"D2L_LITE_SCALE={found}")
    return found or None


def scale() -> str:
    """Return ``D2L_LITE_SCALE``, else "full" with an accelerator, else "quick"."""
    return named() or ("full" if accelerator() else "quick")


@cache
def announce(line: str) -> None:
    """Print a line once per process."""
    print(line)
