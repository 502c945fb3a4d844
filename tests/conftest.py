"""What all tests share: the one table of frameworks."""

import pytest
from frameworks import FRAMEWORKS, d2l


@pytest.fixture(params=FRAMEWORKS, scope="session")
def framework(request):
    """The library's module of each framework in turn."""
    return d2l(request.param)
