"""Whether this program runs in a notebook."""

import sys
from typing import Any


def kernel_shell() -> Any | None:
    """Return IPython's shell if this process is a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None
