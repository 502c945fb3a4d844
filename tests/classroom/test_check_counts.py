"""Functions that count: the right ones pass, each typical wrong one is told why."""

import pytest

from d2l_classroom import check
from d2l_classroom.formulas import COUNTS
from d2l_lite.networks import summary


def block(num_layers, in_channels, growth_rate):
    total = 0
    for i in range(num_layers):
        m = in_channels + i * growth_rate
        total += 2 * m + 9 * m * growth_rate + growth_rate
    return total


def transition(in_channels, out_channels):
    return 2 * in_channels + in_channels * out_channels + out_channels


def network(
    block_config, in_channels, init_features, growth_rate, compression, num_classes
):
    stages = summary.stages(
        "densenet",
        224,
        block_config=block_config,
        in_channels=in_channels,
        init_features=init_features,
        growth_rate=growth_rate,
        compression=compression,
        num_classes=num_classes,
    )
    return sum(stage.parameters for stage in stages)


RIGHT = {
    "block_parameters": block,
    "transition_parameters": transition,
    "densenet_parameters": network,
    "kept_plain": lambda n, k, c: 2 * n * c + k * n * (n - 1),
    "kept_recomputed": lambda n, k, c: c + (n - 1) * k,
}


@pytest.mark.parametrize("task", COUNTS)
def test_the_right_count_passes(task):
    report = check(task, RIGHT[task])
    assert (report.passed, report.points, report.messages) == (True, 1, ())


def test_hand_arithmetic_of_the_book():
    assert (
        COUNTS["densenet_parameters"].formula((4,) * 4, 1, 64, 32, 0.5, 10) == 758_226
    )
    assert COUNTS["block_parameters"].formula(2, 3, 10) == 1492
    assert COUNTS["kept_plain"].formula(12, 12, 16) == 1968
    assert COUNTS["kept_recomputed"].formula(12, 12, 16) == 148


@pytest.mark.parametrize("task", COUNTS)
def test_every_known_mistake_is_told_apart(task):
    """No two of them count alike at all settings, nor like the reference."""
    for text, formula in COUNTS[task].mistakes.items():
        report = check(task, formula, explain=True, quiet=True)
        assert report.points < 1
        assert report.messages[0].startswith(f"{text}. {task}(")
        (hint,) = check(task, formula, quiet=True).messages
        assert hint.startswith(f"{task}(") and text not in hint


def test_typical_wrong_counts_of_a_block():
    def told(formula):
        report = check("block_parameters", formula, explain=True, quiet=True)
        return report.messages[0]

    assert told(lambda n, c, k: block(n, c, k) - n * k).startswith(
        "the biases of the convolutions are missing, one number per output channel. "
        "block_parameters(1, 3, 5) gives 141, too few"
    )
    assert told(lambda n, c, k: n * (2 * c + 9 * c * k + k)).startswith(
        "the channels are not accumulated: "
    )
    assert told(lambda n, c, k: 7) == (
        "block_parameters(1, 3, 5) gives 7, too few: it differs by 139"
    )
    assert told(lambda n, c, k: None).startswith(
        "block_parameters(1, 3, 5) returns None: is there a `return`?"
    )
    assert "returns an object of type str" in told(lambda n, c, k: "7")
    assert "returns an object of type bool" in told(lambda n, c, k: True)
    for huge in (10**6000, -(10**6000), float("inf")):
        assert told(lambda n, c, k, huge=huge: huge) == (
            "block_parameters(1, 3, 5) returns a number beyond all reason"
        )
    assert "returns NaN" in told(lambda n, c, k: float("nan"))
    assert "raises ZeroDivisionError" in told(lambda n, c, k: n / 0)
    assert "its arguments are (num_layers, in_channels, growth_rate)" in told(
        lambda n: n
    )
    assert "give it your function, without calling it" in told(1492)


def test_a_float_that_is_right_passes_with_a_remark(capsys):
    assert check("transition_parameters", lambda c, o: float(transition(c, o))).passed
    assert "your function returns floats" in capsys.readouterr().out


def test_rounding_is_no_mistake(capsys):
    def rounded(*arguments):
        return block(*arguments) * (1 + 1e-15) + 1e-12

    assert rounded(1, 3, 5) != block(1, 3, 5)
    assert check("block_parameters", rounded).passed
    assert "your function returns floats" in capsys.readouterr().out
    report = check("block_parameters", lambda *a: block(*a) + 1e-3, quiet=True)
    assert not report.passed


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_an_exception_that_ends_the_program_when_it_is_printed(kind):
    class Odd(kind):
        def __str__(self):
            raise SystemExit

    def raising(*arguments):
        raise Odd

    (message,) = check("block_parameters", raising, quiet=True).messages
    assert message.startswith(
        "block_parameters(1, 3, 5): your code raises Odd: an error that cannot be "
        "printed (SystemExit)"
    )


def test_a_count_that_never_ends():
    def endless(*arguments):
        while True:
            pass

    report = check("kept_plain", endless, seconds=0.3, quiet=True)
    assert report.messages[0].startswith("your code did not finish within 0.3 seconds")
