"""How the scale of a run is decided and announced."""

import sys
from types import SimpleNamespace

import pytest

from d2l_lite import PACKAGES
from d2l_lite.data import scale


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Loads a framework module that says whether it found an accelerator."""
    monkeypatch.delenv("D2L_LITE_SCALE", raising=False)
    for name in PACKAGES:
        monkeypatch.delitem(sys.modules, f"d2l_lite.{name}", raising=False)

    def load(name, accelerator):
        backend = SimpleNamespace(accelerator=lambda: "GPU" if accelerator else "")
        module = SimpleNamespace(backend=backend)
        monkeypatch.setitem(sys.modules, f"d2l_lite.{name}", module)

    return load


def test_quick_without_and_full_with_an_accelerator(loaded):
    assert scale.scale() == "quick"
    loaded("jax", False)
    assert scale.scale() == "quick"
    loaded("pytorch", True)
    assert scale.scale() == "full"


@pytest.mark.parametrize("named", ["quick", "full"])
@pytest.mark.parametrize("accelerator", [False, True])
def test_the_environment_decides_first(monkeypatch, loaded, named, accelerator):
    monkeypatch.setenv("D2L_LITE_SCALE", named)
    loaded("jax", accelerator)
    assert scale.scale() == named


def test_values_that_are_no_choice(monkeypatch):
    monkeypatch.setenv("D2L_LITE_SCALE", "")
    assert scale.scale() == "quick"
    monkeypatch.setenv("D2L_LITE_SCALE", "huge")
    with pytest.raises(ValueError, match="^D2L_LITE_SCALE=huge: choose from quick, fu"):
        scale.scale()


def test_a_line_is_printed_once(capsys):
    scale.announce.cache_clear()
    scale.announce("quick run")
    scale.announce("quick run")
    assert capsys.readouterr() == ("quick run\n", "")
