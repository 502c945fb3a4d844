"""Answers that do not work at all: each gets one message, and the checker goes on."""

import random
import threading
import time

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from students import CALL, JOIN, answer, execute

from d2l_classroom.limits import TimeUp, limited


def name_of(framework) -> str:
    return framework.__name__.rpartition(".")[2]


def wrong(framework, *, call=None, join=None, result=None):
    """The chapter's DenseBlock with another call, concatenation or result."""
    name = name_of(framework)
    edits = []
    if call:
        edits.append((f"Y = {CALL[name]}", call))
    if join:
        edits.append((f"X = {JOIN[name]}", join))
    if result:
        loop = f"X = {JOIN[name]}\n        return X"
        edits.append((loop, f"X = {JOIN[name]}\n        {result}"))
    return answer(name, "dense_block", *edits)


def first(framework, given, task="dense_block", **options) -> str:
    report = framework.check(task, given, quiet=True, **options)
    assert not report.passed
    with pytest.raises(AssertionError) as error:
        report.require()
    assert str(error.value) == report.messages[0]
    return report.messages[0]


def test_an_exception_is_told_with_the_students_own_line(framework):
    message = first(framework, wrong(framework, call='raise KeyError("Y")'))
    assert message.startswith("your code raises KeyError: 'Y' (in line ")
    assert message.endswith(': `raise KeyError("Y")`)')


def test_an_exception_of_the_framework_is_told_with_the_students_line(framework):
    name = name_of(framework)
    message = first(framework, wrong(framework, join=f"X = {JOIN[name]} @ 7"))
    assert f"`X = {JOIN[name]} @ 7`)" in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("exit()", "your code raises SystemExit"),
        (
            'raise type("Odd", (Exception,), {"__str__": lambda self: 1 / 0})',
            "your code raises Odd: an error that cannot be printed (ZeroDivisionError)",
        ),
        ("Y = call_me(X)", "your code raises NameError: name 'call_me' is not defined"),
    ],
)
def test_whatever_is_raised(framework, line, expected):
    assert first(framework, wrong(framework, call=line)).startswith(expected)


def test_recursion_without_end(framework):
    source = "def DenseBlock(*arguments):\n    return DenseBlock(*arguments)"
    made = execute(name_of(framework), source)["DenseBlock"]
    assert first(framework, made).startswith("your code raises RecursionError: ")


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
def test_code_that_never_ends(framework, loop):
    begin = time.monotonic()
    message = first(framework, wrong(framework, call=loop), seconds=0.5)
    assert time.monotonic() - begin < 10
    assert message.startswith("your code did not finish within 0.5 seconds (in line ")


def test_code_that_never_ends_in_another_thread():
    found = []

    def run():
        try:
            with limited(0.2):
                while True:
                    try:
                        while True:
                            pass
                    except Exception:
                        pass
        except TimeUp:
            found.append("stopped")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert found == ["stopped"]


def test_a_limit_that_is_not_reached_leaves_nothing_behind():
    with limited(0.05):
        pass
    time.sleep(0.1)


def test_none_and_what_makes_none(framework):
    assert first(framework, None).startswith("the checker got None; give it your Dens")
    assert first(framework, lambda *arguments: None) == (
        "your DenseBlock makes None: is there a `return` at its end?"
    )


def test_objects_of_other_types(framework):
    class Plain:
        def __init__(self, num_layers, in_channels, growth_rate):
            pass

    assert "got an object of type int" in first(framework, 3)
    assert "makes an object of type Plain; it should be a" in first(framework, Plain)
    assert "returns the class Plain, not" in first(framework, lambda *a: Plain)
    message = first(framework, lambda *a: [1, 2, 3])
    assert message.startswith("your DenseBlock returns a list of 3 parts; put them one")


def test_a_block_instead_of_its_class(framework):
    block = framework.DenseBlock(2, 3, 4)
    assert first(framework, block).startswith(
        "give the checker DenseBlock itself, not a"
    )


def test_a_signature_that_does_not_fit(framework):
    message = first(framework, lambda in_channels: None)
    assert message.startswith(
        "your DenseBlock cannot be called as "
        "DenseBlock(num_layers, in_channels, growth_rate): too many positional"
    )
    made = execute(name_of(framework), "def conv_block(a, b, c):\n    return a")
    message = first(framework, made["conv_block"], "conv_block")
    assert (
        "conv_block(in_channels, growth_rate): missing a required argument" in message
    )


def test_outputs_of_another_kind(framework):
    assert "returns a list of 2 parts when it is called" in first(
        framework, wrong(framework, result="return [X, Y]")
    )
    assert "returns a builtins.float, not a tensor" in first(
        framework, wrong(framework, result="return 0.5")
    )


def test_outputs_that_are_no_numbers(framework):
    message = first(framework, wrong(framework, result='return X * float("nan")'))
    assert message == "1800 of 1800 outputs are no finite numbers"


@pytest.mark.parametrize("name", {"tensorflow", "jax"} & set(FRAMEWORKS))
def test_channels_first_where_they_are_last(name):
    turned = {
        "tensorflow": "return ops.transpose(X, (0, 3, 1, 2))",
        "jax": "return jnp.transpose(X, (0, 3, 1, 2))",
    }
    message = first(d2l(name), wrong(d2l(name), result=turned[name]))
    assert message.startswith("outputs have shape 2×15×6×10, channels first; ")
    assert message.endswith("has them last here: 2×6×10×15")


@pytest.mark.parametrize("name", {"pytorch", "mxnet"} & set(FRAMEWORKS))
def test_an_input_that_is_written_into(name):
    line = f"X[:, 0] = 0\n            Y = {CALL[name]}"
    message = first(d2l(name), wrong(d2l(name), call=line))
    assert message.startswith("your code writes into its input")


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_layers_in_a_plain_list_are_not_seen():
    made = answer(
        "pytorch",
        "dense_block",
        ("nn.ModuleList(", "list("),
    )
    assert first(d2l("pytorch"), made).startswith(
        "PyTorch does not see 6 of the layers that your block calls, so their "
        "weights would not be trained: make the layers once, when the block is made, "
        "and keep a list of them in nn.ModuleList"
    )


def test_layers_that_share_their_weights(framework):
    name = name_of(framework)
    line = CALL[name].replace("layer", "self.layers[0]")
    made = answer(
        name,
        "dense_block",
        (f"Y = {CALL[name]}", f"Y = {line}"),
        ("in_channels + i * growth_rate", "in_channels"),
        (f"X = {JOIN[name]}", "X = X + 0 * X"),
    )
    messages = framework.check("dense_block", made, quiet=True).messages
    assert any("one layer works 3 times" in message for message in messages)


def test_prints_of_the_student_are_seen(framework, capsys):
    line = f'print("here")\n            Y = {CALL[name_of(framework)]}'
    assert framework.check("dense_block", wrong(framework, call=line)).passed
    assert "here\n" in capsys.readouterr().out


def test_nothing_is_printed_if_quiet(framework, capsys):
    framework.check("dense_block", None, quiet=True)
    assert capsys.readouterr().out == ""


def test_what_fails_is_printed_with_a_cross(framework, capsys):
    report = framework.check("dense_block", None)
    assert capsys.readouterr().out == f"✗ runs: {report.messages[0]}\n"


def test_global_generators_stay_as_they_are(framework):
    framework.seed_everything(5)
    expected = random.random(), np.random.random()
    framework.seed_everything(5)
    line = f"""import random, numpy; random.seed(1); numpy.random.seed(1)
            Y = {CALL[name_of(framework)]}"""
    assert framework.check(
        "dense_block", wrong(framework, call=line), quiet=True
    ).passed
    assert (random.random(), np.random.random()) == expected


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_pytorchs_switches_stay_as_they_are():
    import torch

    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    line = "torch.set_grad_enabled(False); torch.manual_seed(1); Y = layer(X)"
    d2l("pytorch").check("dense_block", wrong(d2l("pytorch"), call=line), quiet=True)
    assert torch.is_grad_enabled()
    assert torch.rand(1) == expected


def test_an_interruption_ends_the_check(framework):
    made = wrong(framework, call="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        framework.check("dense_block", made)


def test_an_unknown_task_names_the_nearest(framework):
    with pytest.raises(
        ValueError, match=r"check\('dense_blok'\): unknown task; nearest"
    ):
        framework.check("dense_blok", None)


def test_options_out_of_their_range(framework):
    with pytest.raises(ValueError, match=r"^check\(seconds=0\): must be a number"):
        framework.check("dense_block", None, seconds=0)
    with pytest.raises(ValueError, match=r"^check\(against='caffe'\): choose from"):
        framework.check("dense_block", None, against="caffe")
