"""MXNet's operators take what NumPy computed, whichever NumPy it is."""

import re
from pathlib import Path

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l

pytestmark = pytest.mark.skipif("mxnet" not in FRAMEWORKS, reason="needs MXNet")


@pytest.fixture
def mx():
    d2l("mxnet")
    import mxnet

    return mxnet


def test_a_batch_is_shared_among_contexts(mx):
    batch = mx.np.arange(8).reshape(4, 2)
    parts = mx.gluon.utils.split_and_load(batch, [mx.cpu(0), mx.cpu(1)])
    np.testing.assert_array_equal(parts[1].asnumpy(), [[4, 5], [6, 7]])


@pytest.mark.parametrize("numbers", [np.int64, np.float64], ids=["whole", "with point"])
def test_numbers_of_numpy_as_arguments(mx, numbers):
    high = numbers(2)
    clipped = mx.np.clip(mx.np.arange(4), numbers(1), high)
    np.testing.assert_array_equal(clipped.asnumpy(), [1, 1, 2, 2])


def test_shapes_of_numpy_in_a_graph(mx):
    class Columns(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.np.reshape(x, (np.int64(-1), np.int64(2)))

    net = Columns()
    net.hybridize()
    assert net(mx.np.ones(8)).shape == (4, 2)


def test_pad_knows_its_mode(mx):
    padded = mx.np.pad(mx.np.ones(2), (1, 0), mode="constant")
    np.testing.assert_array_equal(padded.asnumpy(), [0, 1, 1])


def test_every_name_of_numpy_that_mxnet_uses_is_there(mx):
    """In all of its modules, whatever name NumPy goes by in them."""
    missing = set()
    for path in Path(mx.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        aliases = re.findall(r"^\s*import numpy as (\w+)", text, re.MULTILINE)
        for alias in set(aliases):
            used = re.findall(rf"(?<![\w.]){alias}\.([A-Za-z]\w*)", text)
            missing |= {name for name in used if not hasattr(np, name)}
    # Named in a docstring, and in MXNet's tools for its own tests.
    assert missing <= {"int"}
