"""Does the comparison notice anything? Each trap is planted, and must be caught.

The mistakes are those that other books and libraries made. The network with a trap is
measured and compared by the very functions of test_same_function.py.
"""

import json

import pytest
from frameworks import FRAMEWORKS
from measured import file, run
from traps import NETWORK, NOTHING, TRAPS, sources

PLANTED = [
    pytest.param(framework, trap, id=f"{framework}: {trap.name}: {trap.quantity}")
    for trap in TRAPS
    for framework in trap.edits
    if framework in FRAMEWORKS
]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The file with what the network should be."""
    folder = tmp_path_factory.mktemp("expected")
    truth = ("pytorch", "float64")
    run("measured.py", *truth, folder, NETWORK.name, precision="float64")
    return file(folder, *truth, NETWORK)


@pytest.fixture(scope="module")
def noticed(expected, tmp_path_factory):
    """For each framework, what was noticed first of each trap."""
    folder, found = tmp_path_factory.mktemp("noticed"), {}
    for framework in FRAMEWORKS:
        path = folder / f"{framework}.json"
        run("traps.py", framework, expected, path, precision="float64")
        found[framework] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_without_a_trap_there_is_nothing_to_notice(name, noticed):
    assert noticed[name][NOTHING.name] is None


@pytest.mark.parametrize(("name", "trap"), PLANTED)
def test_the_trap_is_noticed(name, trap, noticed):
    old = trap.edits[name].old
    found = sum(text.count(old) for text in sources(name).values())
    assert found == 1, f"{old!r} stands {found} times in the source: the trap is stale"
    assert noticed[name][trap.name] == trap.quantity
