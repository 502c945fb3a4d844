"""What the notebook tests let pass: numbers of another size, not missing ones."""

import re
from pathlib import Path

import pytest
from nbval.plugin import get_sanitize_patterns

RULES = get_sanitize_patterns(
    Path(__file__).parents[1].joinpath("nbval.cfg").read_text(encoding="utf-8")
)


def masked(text: str) -> str:
    """The text as nbval compares it."""
    for regex, replacement in RULES:
        text = re.sub(regex, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("largest difference 3.1e-07", "largest difference 9.8e-06", True),
        ("largest difference 3.1e-07", "largest difference 0.0e+00", True),
        ("largest difference 3.1e-07", "largest difference", False),
        ("largest difference 3.1e-07", "largest difference nan", False),
        ("JAX  4e-07  2.1e-16", "JAX  1e-06  0.0e+00", True),
        ("JAX  4e-07  2.1e-16", "JAX  4e-07", False),
        ("JAX  4e-07  2.1e-16", "JAX  4e-07  0.2", False),
        ("mean 1.3e+02", "mean 1.4e+02", False),
        ("mean 10e+00", "mean 20e+00", False),
        ("loss 2.31, accuracy 0.11", "loss 2.29, accuracy 0.13", True),
        ("loss 2.31, accuracy 0.11", "loss 2.31, accuracy", False),
        ("12 of 200 mistakes", "13 of 200 mistakes", True),
        ("<Layer at 0x7f00aa>", "<Layer at 0x7f00bb>", True),
    ],
)
def test_numbers_may_differ_where_a_rule_says_so(
    one: str, other: str, alike: bool
) -> None:
    assert (masked(one) == masked(other)) == alike
