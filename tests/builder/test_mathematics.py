"""Formulas set by MathJax without a browser: what it reads, refuses and needs."""

import pytest
from docutils import nodes

from book.site.mathematics import Formulas, key_of


@pytest.fixture
def formulas(tmp_path):
    def read(*wanted, macros=None):
        formulas = Formulas()
        formulas.read(set(wanted), macros or {}, tmp_path / "cache.json")
        return formulas

    return read


def block(text, **options):
    return nodes.math_block(text, text, nowrap=False, **options)


def test_formula_is_seen_and_heard(formulas):
    key = (True, r"H_\ell = \frac{a}{b}")
    html = formulas(key).html[key]
    assert 'display="true"' in html
    assert "<mfrac><mi>a</mi><mi>b</mi></mfrac>" in html  # MathML, read aloud


@pytest.mark.parametrize("tex", [r"\nosuch", r"\frac{a}", r"\left( a", "a^b^c", "{"])
def test_what_cannot_be_read_is_an_error(formulas, tex):
    found = formulas((False, tex), (False, "x"))
    assert set(found.errors) == {(False, tex)}
    assert set(found.html) == {(False, "x")}


@pytest.mark.parametrize(
    "tex",
    [
        r"\begin{align} a &= b \\ c &= d \end{align}",
        r"\begin{gather*} a \\ b \end{gather*}",
        r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}",
        r"\text{if $x > 0$ and \emph{so} on}",
        r"\operatorname{rank} \boldsymbol{\beta} \bra{x} \cancel{y}",
    ],
)
def test_environments_and_words(formulas, tex):
    assert formulas((True, tex)).errors == {}


def test_macros_of_the_settings_and_of_one_formula(formulas):
    local = (False, r"\newcommand{\own}{x} \own")
    found = formulas(
        (False, r"\RR^n"), local, (False, r"\own"), macros={"RR": r"\mathbb{R}"}
    )
    # What one formula defines, no other knows: the order of pages does not matter.
    assert set(found.errors) == {(False, r"\own")}


def test_several_lines_are_set_below_each_other():
    assert key_of(block("a = b")) == (True, "a = b")
    assert key_of(block(r"a \\ b"))[1] == r"\begin{split}a \\ b\end{split}"
    assert key_of(block("a\n\nb"))[1] == r"\begin{aligned}a\\b\end{aligned}"
