"""Networks by name: the arguments of `DenseNet` that make each of them."""

import difflib
from typing import Any

NETWORKS: dict[str, dict[str, Any]] = {
    # The plain network: 758,226 parameters for one channel and ten classes.
    "densenet": {"growth_rate": 32, "block_config": (4, 4, 4, 4), "init_features": 64},
}


def arguments(name: str) -> dict[str, Any]:
    """The arguments of a network; ValueError, with the nearest names, if unknown."""
    if not isinstance(name, str) or name not in NETWORKS:
        near = difflib.get_close_matches(str(name), NETWORKS, cutoff=0.3) or sorted(
            NETWORKS
        )
        raise ValueError(
            f"build({name!r}): unknown network; nearest names: {', '.join(near)}"
        )
    return dict(NETWORKS[name])
