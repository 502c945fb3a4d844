"""What the tests of the classroom share."""

from collections.abc import Iterator

import pytest
from frameworks import FRAMEWORKS

from d2l_lite import installed


@pytest.fixture(params=FRAMEWORKS)
def name(request) -> str:
    """Each framework's name in turn."""
    return request.param


@pytest.fixture(autouse=True, scope="module")
def quick_compilation() -> Iterator[None]:
    """XLA compiles hundreds of blocks that run once: without its optimisations."""
    if not installed("jax"):
        yield
        return
    import jax

    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, True)
    yield
    jax.config.update(name, before)
