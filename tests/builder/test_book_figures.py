"""Pictures of the front matter are drawn by the scripts that lie beside them."""

import runpy
from pathlib import Path

import pytest

FIGURES = Path(__file__).parents[2] / "book/figures"


@pytest.mark.parametrize("path", sorted(FIGURES.glob("*.svg")), ids=lambda p: p.stem)
def test_a_picture_is_what_its_script_draws(path):
    drawn = runpy.run_path(str(path.with_suffix(".py")))["svg"]()
    assert path.read_text() == drawn
