"""What a message must say: customs of a framework at once, and no more than a hint."""

import numpy as np
import pytest
from edits import RELU
from frameworks import FRAMEWORKS, d2l
from students import JOIN, answer, execute, judged, program

from d2l_classroom import check, compare, diagnose, given
from d2l_classroom.choices import key, offered
from d2l_classroom.origin import made_of

AXES = {"pytorch": (2, 1), "tensorflow": (1, 3), "jax": (2, 3), "mxnet": (3, 1)}


def hint(name, task, given, **options) -> str:
    report = judged(name, task, given, explain=False, **options)
    assert not report.passed
    return report.messages[0]


def changed(name, task, *edits, more="", made=""):
    """The chapter's answer with edits, and with more text behind it."""
    text = program(name, task, *edits) + more
    return execute(name, text)[made or {"dense_block": "DenseBlock"}.get(task, task)]


def test_another_axis_is_told_where_channels_lie(name):
    wrong, right = AXES[name]
    for call in (f"{JOIN[name][:-2].rstrip('-')}{wrong})", JOIN[name]):
        text = call.replace("dim=", "").replace("axis=", "")
        if call == JOIN[name]:
            text = text.replace(", -1)", f", {wrong - 4})").replace(
                ", 1)", f", {wrong})"
            )
        told = hint(
            name, "dense_block", answer(name, "dense_block", (JOIN[name], text))
        )
        assert f"channels lie on axis {right} of images here" in told
        assert f"your code lays maps side by side on axis {wrong}" in told


JOINED = {
    "pytorch": ("\nfrom torch import cat\n", "cat([X, Y], 3)"),
    "tensorflow": ("", "layers.Concatenate(axis=1)([X, Y])"),
    "jax": ("", "jnp.stack([X, Y], axis=-1)"),
    "mxnet": ("", "F.np.vstack([X, Y])"),
}


def test_maps_that_are_joined_in_a_way_that_is_not_watched(name):
    more, call = JOINED[name]
    wrong = changed(name, "dense_block", (JOIN[name], call), more=more)
    told = hint(name, "dense_block", wrong)
    assert f"channels lie on axis {AXES[name][1]} of images here" in told


@pytest.mark.parametrize("name", {"pytorch", "mxnet"} & set(FRAMEWORKS))
def test_a_class_that_forgets_its_base(name):
    wrong = changed(name, "dense_block", ("super().__init__()", "pass"))
    told = hint(name, "dense_block", wrong)
    assert told == "begin `__init__` with the line super().__init__()"


@pytest.mark.parametrize("name", {"tensorflow", "jax", "mxnet"} & set(FRAMEWORKS))
def test_the_axis_of_a_batch_norm(name):
    norm = {
        "tensorflow": "layers.BatchNormalization(axis=2, epsilon=1e-5, momentum=0.9)",
        "jax": "nnx.BatchNorm(10, axis=2, momentum=0.9, rngs=rngs)",
        "mxnet": "nn.BatchNorm(axis=3, in_channels=10)",
    }
    old = {"jax": "batch_norm(in_channels, rngs=rngs)"}.get(
        name, "batch_norm(in_channels)"
    )
    told = hint(name, "conv_block", changed(name, "conv_block", (old, norm[name])))
    assert "channels lie on axis" in told
    assert "your batch norm's axis is" in told or "another axis?" in told


def test_arguments_in_another_order(name):
    rngs = ", rngs=rngs" if name == "jax" else ""
    keyword = ", *, rngs" if name == "jax" else ""
    book = program(name, "conv_block")
    body = f"\nright = conv_block\ndef conv_block(in_channels, growth_rate{keyword}):\n"
    inside = body + f"    return right(growth_rate, in_channels{rngs})\n"
    told = hint(name, "conv_block", execute(name, book + inside)["conv_block"])
    assert "made for 4 channels, but reads 3" in told
    assert "do the arguments stand in the right order" in told
    turned = body.replace("in_channels, growth_rate", "growth_rate, in_channels")
    turned += f"    return right(in_channels, growth_rate{rngs})\n"
    told = hint(name, "conv_block", execute(name, book + turned)["conv_block"])
    assert told == (
        "the arguments of your conv_block stand in the order growth_rate, in_channels; "
        "the book's order is in_channels, growth_rate"
    )


@pytest.mark.parametrize("kind", ["a ReLU", "a tanh"])
def test_new_maps_that_are_changed_before_they_are_laid_down(name, kind):
    functions = {
        "a ReLU": ("layer(X).relu()", "ops.relu(layer(X))", "nnx.relu(layer(X))")
        + ("F.npx.relu(layer(X))",),
        "a tanh": ("layer(X).tanh()", "ops.tanh(layer(X))", "jnp.tanh(layer(X))")
        + ("F.np.tanh(layer(X))",),
    }
    order = ("pytorch", "tensorflow", "jax", "mxnet")
    new = dict(zip(order, functions[kind]))[name]
    wrong = answer(name, "dense_block", ("layer(X)", new))
    report = judged(name, "dense_block", wrong)
    assert report.messages[0].startswith(f"your code applies {kind} to the new maps")
    told = hint(name, "dense_block", wrong)
    assert "which maps should it read" in told and kind not in told


WAYS = {
    "pytorch": ("forward(self, X)", "call(self, X)", "`forward`; yours is called call"),
    "tensorflow": ("call(self, X)", "forward(self, X)", "`call`; yours is called forw"),
    "jax": ("__call__(self, X)", "forward(self, X)", "`__call__`; yours is called for"),
    "mxnet": (
        "hybrid_forward(self, F, X)",
        "call(self, F, X)",
        "`hybrid_forward`; you",
    ),
}


def test_another_frameworks_name_for_the_way_forward(name):
    old, new, told = WAYS[name]
    wrong = changed(name, "dense_block", (f"def {old}", f"def {new}"))
    assert f"the way forward is the method {told}" in hint(name, "dense_block", wrong)


@pytest.mark.skipif("jax" not in FRAMEWORKS, reason="needs JAX")
@pytest.mark.parametrize(
    ("kind", "shelf"), [("list", "List"), ("tuple", "List"), ("dict", "Dict")]
)
def test_modules_in_a_plain_container_of_flax(kind, shelf):
    made = f"""
class Plain(nnx.Module):
    def __init__(self, num_layers, in_channels, growth_rate, *, rngs):
        layers = [conv_block(in_channels, growth_rate, rngs=rngs)]
        self.layers = {kind}({"enumerate(layers)" if kind == "dict" else "layers"})
"""
    wrong = changed("jax", "dense_block", more=made, made="Plain")
    assert hint("jax", "dense_block", wrong) == (
        f"Flax finds no modules in a plain {kind}: keep `layers` in an nnx.{shelf}"
    )


OWN = {"conv_block": "conv_block", "dense_block": "DenseBlock", "densenet": "DenseNet"}


@pytest.mark.parametrize("task", OWN)
def test_the_books_own_code_is_no_answer(name, task):
    library, book = d2l(name), OWN[task]
    own = getattr(library, book)
    answers = [own]
    if isinstance(own, type):
        answers.append(type("Mine", (own,), {}))
    else:
        space = {"d2l": library, "made": own}
        rngs = ", rngs=rngs" if name == "jax" else ""
        keyword = ", *, rngs" if name == "jax" else ""
        for call in (f"d2l.{book}", "made"):
            text = f"def mine(in_channels, growth_rate{keyword}):\n"
            exec(f"{text}    return {call}(in_channels, growth_rate{rngs})", space)
            answers.append(space["mine"])
    for given_ in answers:
        report = judged(name, task, given_)
        assert report.points == 0
        assert report.messages[0].startswith(f"this is the book's own {book}")


def test_only_an_option_in_a_call_makes_the_books_function_the_whole_block():
    text = "def own(m, k, bottleneck=4):\n    width = bottleneck * k\n    return "
    calls = {
        "d2l.conv_block(width, k)": False,
        "d2l.conv_block(m, k, bottleneck=bottleneck)": True,
        "d2l.conv_block(m, k, **{'bottleneck': 4})": True,
    }
    library = d2l(FRAMEWORKS[0])
    for call, expected in calls.items():
        space = {"d2l": library}
        exec(text + call, space)
        assert made_of(space["own"], library.conv_block, "bottleneck") == expected


def test_parts_that_are_right_have_their_points(name):
    tanh = {"tensorflow": 'layers.Activation("tanh"),', "jax": "jnp.tanh,"}
    tanh |= {"pytorch": "nn.Tanh(),", "mxnet": 'nn.Activation("tanh"),'}
    relu = dict(zip(("pytorch", "tensorflow", "jax", "mxnet"), RELU))[name]
    wrong = changed(name, "conv_block", (f"{relu},", tanh[name]))
    report = judged(name, "conv_block", wrong)
    right = [part for part, passed in report.parts.items() if passed]
    assert right == ["shape", "parameters", "statistics"]
    assert (report.grade(5), report.grade(5, whole=True)) == (2.5, 0)


def test_a_gap_is_not_a_wrong_answer(name, capsys):
    gap = "        raise NotImplementedError()\n"
    way = WAYS[name][0]
    text = program(name, "dense_block").split(f"    def {way}")[0]
    half = execute(name, f"{text}    def {way}:\n{gap}")["DenseBlock"]
    report = judged(name, "dense_block", half)
    assert report.attempted and report.messages[0].startswith("the way forward is not")
    assert [p for p, right in report.parts.items() if right] == ["growth", "parameters"]
    whole = execute(name, f"def DenseBlock(*a, **b):\n{gap}")["DenseBlock"]
    report = judged(name, "dense_block", whole, quiet=False)
    assert (report.attempted, report.points) == (False, 0)
    assert capsys.readouterr().out.startswith("○ dense_block: not attempted yet (in li")


class Always(int):
    """Equal to everything."""

    __eq__ = lambda self, other: True  # noqa: E731
    __hash__ = int.__hash__


def test_predictions_are_judged_part_by_part_and_found_values_stay_secret(
    capsys, monkeypatch
):
    monkeypatch.setattr("d2l_classroom.checker.REASONS", {"it": "So."})

    def ask(answer, found, **options):
        return compare("it", answer, found, hint="Look.", **options)

    text = "def gap():\n    raise NotImplementedError()\nzero = lambda: 1 / 0\n"
    cell = execute(FRAMEWORKS[0], text)
    report = ask(lambda: {"C": 12, "H": 6}, {"C": 12, "H": 8, "W": 9}, explain=True)
    assert report.points == pytest.approx(1 / 3)
    assert report.messages == ("H: not 6; W: no answer yet. So.",)
    printed = capsys.readouterr().out
    assert "8" not in printed and "9" not in printed
    ask(lambda: 1, 2)
    assert "in a cell of your own, with explain=True" in capsys.readouterr().out
    compare("another", lambda: 1, 2, hint="Look.")
    assert "explain" not in capsys.readouterr().out
    assert ask(lambda: (np.float32(0.5), [np.int64(3)]), [0.5, (3,)]).passed
    assert ask(lambda: 0.11, 0.1, close=0.02).passed
    assert not ask(lambda: True, 1).passed and not ask(lambda: 1, True).passed
    assert not ask(lambda: Always(7), 8).passed
    assert "an object of type type" in ask(lambda: int, 8).messages[0]
    assert (
        "you predicted 3 things, 1 are asked" in ask(lambda: [1] * 3, [1]).messages[0]
    )
    assert "raises ZeroDivisionError" in ask(cell["zero"], 1).messages[0]
    gap = cell["gap"]
    assert not ask(gap, 1).attempted and not ask({"a": gap}, {"a": 1}).attempted
    assert ask({"a": gap, "b": lambda: 2}, {"a": 1, "b": 2}).points == 0.5


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_a_bug_is_not_explained_before_it_is_diagnosed(monkeypatch):
    monkeypatch.setattr("d2l_classroom.origin._given", {})
    monkeypatch.setattr("d2l_classroom.origin._diagnosed", set())
    wrong = "return nn.Sequential(batch_norm(in_channels), nn.Conv2d(in_channels, "
    text = "from torch import nn\n\ndef conv_block(in_channels, growth_rate):\n"
    text += f"    {wrong}growth_rate, 3))\n"
    planted = execute("pytorch", text)["conv_block"]
    given(1, planted)
    given(1, lambda: None)
    again = execute("pytorch", f"\n\n{text}")["conv_block"]
    for explain in (False, True):
        (told,) = judged("pytorch", "conv_block", again, explain=explain).messages
        assert told.startswith("this is the code of bug 1 as it was given: say first")
    cause = offered()["causes"][0]
    keys = f"{key(cause)} {key('nn.conv2d(in_channels')}"
    told = diagnose(1, lambda: ("return x", cause), keys)
    assert told.parts == {"line": False, "cause": True}
    assert diagnose(1, lambda: (f"  {wrong}", cause), keys).passed
    told = judged("pytorch", "conv_block", again).messages[0]
    assert told.startswith("your code has no ReLU behind the batch norm")


def test_a_constant_is_no_count():
    assert check("block_parameters", lambda *a: 146, quiet=True).points == 0
    wrong = check("block_parameters", lambda n, c, k: n * (11 * c + k), quiet=True)
    assert wrong.points == 0
