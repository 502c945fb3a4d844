"""How the scale of a run is decided and announced."""

import pytest

from d2l_lite.data import scale


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("D2L_LITE_SCALE", raising=False)
    monkeypatch.setattr(scale, "_accelerator", False)
    scale.announce.cache_clear()
    yield
    scale.announce.cache_clear()


def test_quick_without_and_full_with_an_accelerator():
    assert scale.scale() == "quick"
    scale.accelerator_found(True)
    assert scale.scale() == "full"


@pytest.mark.parametrize("named", ["quick", "full"])
@pytest.mark.parametrize("accelerator", [False, True])
def test_the_environment_decides_first(monkeypatch, named, accelerator):
    monkeypatch.setenv("D2L_LITE_SCALE", named)
    scale.accelerator_found(accelerator)
    assert scale.scale() == named


def test_an_empty_variable_is_no_choice(monkeypatch):
    monkeypatch.setenv("D2L_LITE_SCALE", "")
    assert scale.scale() == "quick"


def test_unknown_value(monkeypatch):
    monkeypatch.setenv("D2L_LITE_SCALE", "huge")
    message = "^D2L_LITE_SCALE=huge: choose from quick, full$"
    with pytest.raises(ValueError, match=message):
        scale.scale()


def test_a_line_is_printed_once(capsys):
    scale.announce("quick run")
    scale.announce("quick run")
    captured = capsys.readouterr()
    assert captured.out == "quick run\n"
    assert captured.err == ""
