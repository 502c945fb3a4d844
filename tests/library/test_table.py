"""A table in a notebook and as text."""

import pytest

from d2l_lite.table import Table


def test_numbers_are_written_alike_and_stand_on_the_right():
    table = Table(["stage", "weights"], [("stem", 640), ("block 1", 758226)])
    assert repr(table) == "stage    weights\nstem         640\nblock 1  758,226"
    assert repr(Table(["share"], [(1 / 3,), ("5 %",)])) == " share\n0.3333\n   5 %"


def test_html_has_the_same_cells():
    html = Table(["a < b", "n"], [("x", 1000)])._repr_html_()
    assert '<th scope=col style="text-align: left">a &lt; b</th>' in html
    assert '<td style="text-align: right">1,000</td></tr>' in html


def test_a_row_of_another_length_is_refused():
    with pytest.raises(
        ValueError, match=r"1 names of columns for the row \['1', '2'\]"
    ):
        Table(["a"], [(1, 2)])
