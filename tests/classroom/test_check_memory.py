"""Blocks that compute twice: the same function, statistics once, and less kept."""

import subprocess
import sys

import pytest
from frameworks import FRAMEWORKS
from students import answer, execute, judged, program

TELLING = [name for name in FRAMEWORKS if name != "mxnet"]
# Each framework's way to compute a layer again, with its concatenation kept.
OUTSIDE = {
    "pytorch": """
from torch.utils.checkpoint import checkpoint

class Mine(DenseBlock):
    def forward(self, X):
        for layer in self.layers:
            Y = checkpoint(Once(layer), X, use_reentrant=False)
            X = torch.cat([X, Y], dim=1)
        return X

class Once:
    def __init__(self, layer):
        self.layer, self.again = layer, False

    def __call__(self, X):
        norm = self.layer[0]
        norm.momentum = 0.0 if self.again else 0.1
        self.again = True
        Y = self.layer(X)
        norm.momentum = 0.1
        return Y
""",
    "jax": """
@nnx.remat
def again(layer, X):
    return layer(X)

class Mine(DenseBlock):
    def __call__(self, X):
        for layer in self.layers:
            X = jnp.concatenate([X, again(layer, X)], axis=-1)
        return X
""",
}


@pytest.mark.parametrize("name", TELLING)
def test_a_plain_block_keeps_too_much(name):
    book = answer(name, "dense_block")
    report = judged(name, "memory_efficient_block", book)
    assert [part for part, right in report.parts.items() if not right] == ["memory"]
    (message,) = report.messages
    assert message.startswith("DenseBlock(4, 4, 4) keeps ")
    assert "Nothing is computed twice here (chapter “Memory”)." in message


@pytest.mark.parametrize("name", sorted(OUTSIDE.keys() & set(FRAMEWORKS)))
def test_a_concatenation_for_each_layer_is_too_much(name):
    made = execute(name, program(name, "dense_block") + OUTSIDE[name])
    report = judged(name, "memory_efficient_block", made["Mine"])
    (message,) = report.messages
    assert "that is a concatenation for each layer, 40 together" in message


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("pytorch", ("repeat(0.0)", "repeat(momentum)")),
        ("tensorflow", ("repeat(1.0)", "repeat(momentum)")),
    ],
)
def test_statistics_that_move_twice(name, edit):
    if name not in FRAMEWORKS:
        pytest.skip(f"needs {name}")
    wrong = answer(name, "memory_efficient_block", edit)
    report = judged(name, "memory_efficient_block", wrong)
    wrong = [part for part, right in report.parts.items() if not right]
    assert wrong == ["statistics"]
    assert report.messages[0].startswith(
        "your running statistics move twice in one step: 0.81 of the old is left"
    )


def test_mxnet_says_that_it_is_not_asked(capsys):
    if "mxnet" not in FRAMEWORKS:
        pytest.skip("needs mxnet")
    book = answer("mxnet", "memory_efficient_block")
    assert judged("mxnet", "memory_efficient_block", book, quiet=False).passed
    assert "MXNet does not tell what is kept; not checked" in capsys.readouterr().out


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_what_is_compiled_after_a_check_is_traced():
    """In a process of its own: functions are looked up once, maybe during a check."""
    program = """import torch
from torch.utils.checkpoint import checkpoint
from d2l_classroom.framework import of

def twice(X):
    return torch.cat([X, X], dim=1)

X = torch.ones(1, 1, 2, 2, requires_grad=True)
with of("pytorch").watched():
    checkpoint(twice, X, use_reentrant=False)
assert torch.compile(twice, backend="eager", fullgraph=True)(X).shape == (1, 2, 2, 2)
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
