"""Answers that do not work at all: each gets one message, and the checker goes on."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from students import JOIN, answer, execute, judged

from d2l_classroom import check
from d2l_classroom.checker import _judged
from d2l_classroom.report import Results
from d2l_classroom.time_limit import limited

needs_pytorch = pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")


def wrong(name, *, call=None, join=None, result=None):
    """The chapter's DenseBlock with another call, concatenation or result."""
    edits = []
    if call:
        edits.append(("Y = layer(X)", call))
    if join:
        edits.append((f"X = {JOIN[name]}", join))
    if result:
        loop = f"X = {JOIN[name]}\n        return X"
        edits.append((loop, f"X = {JOIN[name]}\n        {result}"))
    return answer(name, "dense_block", *edits)


def first(name, given, task="dense_block", **options) -> str:
    report = judged(name, task, given, **options)
    assert not report.passed
    with pytest.raises(AssertionError) as error:
        report.require()
    assert str(error.value) == report.messages[0]
    return report.messages[0]


def test_an_exception_is_told_with_the_students_own_line(name):
    message = first(name, wrong(name, call='raise KeyError("Y")'))
    assert message.startswith("your code raises KeyError: 'Y' (in line ")
    assert message.endswith(': `raise KeyError("Y")`)')


def test_an_exception_of_the_framework_is_told_with_the_students_line(name):
    message = first(name, wrong(name, join=f"X = {JOIN[name]} @ 7"))
    assert f"`X = {JOIN[name]} @ 7`)" in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"call": "exit()"}, "your code raises SystemExit"),
        (
            {"call": 'raise type("Odd", (OSError,), {"__str__": lambda self: 1 / 0})'},
            "your code raises Odd: an error that cannot be printed (ZeroDivisionError)",
        ),
        (
            {"call": "Y = call_me(X)"},
            "your code raises NameError: name 'call_me' is not defined",
        ),
        (
            {"result": "return [X, Y]"},
            "your block returns a list of 2 parts when it is called",
        ),
        (
            {"result": "return 0.5"},
            "your block returns a builtins.float, not a tensor",
        ),
        (
            {"result": 'return X * float("nan")'},
            "1800 of 1800 outputs are no finite numbers",
        ),
    ],
)
def test_whatever_a_block_does(name, edit, expected):
    assert first(name, wrong(name, **edit)).startswith(expected)


def test_infinities_of_an_answer_can_be_subtracted():
    """MXNet's batch norm reads beyond its arrays where channels are miscounted."""
    large = np.array([np.inf])
    results = _judged(Results("sum", ("all",), explain=False), lambda _: large - large)
    assert results.messages == []


def test_recursion_without_end(name):
    source = "def DenseBlock(*arguments):\n    return DenseBlock(*arguments)"
    made = execute(name, source)["DenseBlock"]
    assert first(name, made).startswith("your code raises RecursionError: ")


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        """while True:
                try:
                    while True: pass
                except Exception:
                    pass""",
        """import time
            while True:
                try:
                    time.sleep(10)
                except:
                    pass""",
    ],
    ids=["plain", "catches Exception", "catches all"],
)
def test_code_that_never_ends(name, loop):
    begin = time.monotonic()
    message = first(name, wrong(name, call=loop), seconds=0.5)
    assert time.monotonic() - begin < 10
    assert message.startswith("your code did not finish within 0.5 seconds (in line ")


def test_a_limit_that_is_not_reached_leaves_nothing_behind():
    with limited(0.05):
        pass
    time.sleep(0.1)


class Plain:
    def __init__(self, num_layers, in_channels, growth_rate):
        pass


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "the checker got None; give it your DenseBlock: check("),
        (3, "the checker got an object of type int; give it your DenseBlock"),
        (
            lambda *arguments: None,
            "your DenseBlock makes None: is there a `return` at its end?",
        ),
        (Plain, "your DenseBlock makes an object of type Plain; it should be a"),
        (lambda *arguments: Plain, "your DenseBlock returns the class Plain, not"),
        (
            lambda *arguments: [1, 2, 3],
            "your DenseBlock returns a list of 3 parts; put them one",
        ),
        (
            lambda in_channels: None,
            "your DenseBlock cannot be called as DenseBlock(num_layers, in_channels, "
            "growth_rate): too many positional",
        ),
    ],
)
def test_answers_of_another_kind(name, given, expected):
    assert first(name, given).startswith(expected)


def test_a_block_instead_of_its_class(name):
    block = d2l(name).make(d2l(name).DenseBlock, 2, 3, 4)
    assert first(name, block).startswith("give the checker DenseBlock itself, not a")


def test_a_signature_that_asks_for_more(name):
    made = execute(name, "def conv_block(a, b, c):\n    return a")["conv_block"]
    assert "conv_block(in_channels, growth_rate): missing a required argument" in first(
        name, made, "conv_block"
    )


@pytest.mark.parametrize("name", {"tensorflow", "jax"} & set(FRAMEWORKS))
def test_channels_first_where_they_are_last(name):
    turned = {
        "tensorflow": "return ops.transpose(X, (0, 3, 1, 2))",
        "jax": "return jnp.transpose(X, (0, 3, 1, 2))",
    }
    message = first(name, wrong(name, result=turned[name]))
    assert message.startswith("outputs have shape 2×15×6×10, channels first; ")
    assert message.endswith("has them last here: 2×6×10×15")


@pytest.mark.parametrize("name", {"pytorch", "mxnet"} & set(FRAMEWORKS))
def test_an_input_that_is_written_into(name):
    line = "X[:, 0] = 0\n            Y = layer(X)"
    message = first(name, wrong(name, call=line))
    assert message.startswith("your code writes into its input")


@needs_pytorch
def test_layers_in_a_plain_list_are_not_seen():
    made = answer("pytorch", "dense_block", ("nn.ModuleList()", "[]"))
    assert first("pytorch", made) == (
        "PyTorch does not see 6 of the layers that your block calls, so their "
        "weights would not be trained: make the layers once, when the block is made, "
        "and keep a list of them in nn.ModuleList"
    )


def test_layers_that_share_their_weights(name):
    made = answer(
        name,
        "dense_block",
        ("Y = layer(X)", "Y = self.layers[0](X)"),
        ("in_channels + i * growth_rate", "in_channels"),
        (f"X = {JOIN[name]}", "X = X + 0 * X"),
    )
    messages = judged(name, "dense_block", made).messages
    assert any("one layer works 3 times" in message for message in messages)


def test_what_is_printed(name, capsys):
    line = 'print("here")\n            Y = layer(X)'
    assert judged(name, "dense_block", wrong(name, call=line)).passed
    assert "here\n" in capsys.readouterr().out
    report = judged(name, "dense_block", None)
    assert capsys.readouterr().out == ""
    judged(name, "dense_block", None, quiet=False)
    assert capsys.readouterr().out == f"✗ {report.messages[0]}\n"


def test_global_generators_stay_as_they_are(name):
    d2l(name).seed_everything(5)
    expected = random.random(), np.random.random()
    d2l(name).seed_everything(5)
    line = """import random, numpy; random.seed(1); numpy.random.seed(1)
            Y = layer(X)"""
    assert judged(name, "dense_block", wrong(name, call=line)).passed
    assert (random.random(), np.random.random()) == expected


@needs_pytorch
def test_pytorchs_switches_stay_as_they_are():
    import torch

    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    line = "torch.set_grad_enabled(False); torch.manual_seed(1); Y = layer(X)"
    judged("pytorch", "dense_block", wrong("pytorch", call=line))
    assert torch.is_grad_enabled()
    assert torch.rand(1) == expected


def test_an_interruption_ends_the_check(name):
    made = wrong(name, call="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        judged(name, "dense_block", made)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("dense_blok", {}, r"check\('dense_blok'\): unknown task; nearest"),
        ("curves", {"seconds": 0}, r"check\(seconds=0\): must be a number"),
        ("curves", {"against": "caffe"}, r"check\(against='caffe'\): choose from"),
        ("curves", {"framework": "caffe"}, r"check\(framework='caffe'\): choose from"),
    ],
)
def test_options_out_of_their_range(task, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        check(task, None, **options)


@needs_pytorch
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("block = None", "check('conv_block'): no framework is loaded; before it, `fr"),
        ("from d2l_lite.pytorch import conv_block as block", ""),
        (
            "sys.modules |= {'d2l_lite.jax': 0, 'd2l_lite.mxnet': 0}; block = None",
            "check('conv_block'): jax and mxnet are loaded; say whose block this is: "
            "check('conv_block', …, framework='jax')\n",
        ),
    ],
)
def test_the_framework_is_the_one_that_is_loaded(before, expected):
    """In a process of its own: in this one all of them may be loaded."""
    program = f"""import sys
from d2l_classroom import check
assert check("transition_parameters", lambda c, o: 2 * c + c * o + o, quiet=True).passed
{before}
try:
    assert "the book's own" in check("conv_block", block, quiet=True).messages[0]
except ValueError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(expected) and bool(run.stdout) == bool(expected)
