"""What all tests share: the one table of frameworks."""

import pytest
from frameworks import FRAMEWORKS, d2l

# Tests that several modules import: a failure is to show its values there, too.
pytest.register_assert_rewrite("device_facts")


@pytest.fixture(params=FRAMEWORKS, scope="session")
def framework(request):
    """The library's module of each framework in turn."""
    return d2l(request.param)
