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


def test_gluons_own_zoo_works_once_the_numpy_interface_is_off(mx):
    """And all that the library offers works on, in the same way."""
    module = d2l("mxnet")
    changes = {"growth_rate": 2, "block_config": (1,), "init_features": 4}
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4, 1, 16, 16)).astype(np.float32), np.arange(4)

    def trained():
        net = module.build("densenet", dropout=0.2, **changes)
        step = module.Trainer(max_epochs=1).prepare(net)
        step.reseed(1)
        step(X, y, 0.1)
        loss, _ = module.loss_and_gradients(net, X, y)
        return [module.predict(net, X), *module.get_weights(net).values()]

    def zoo():
        net = mx.gluon.model_zoo.vision.squeezenet1_1(classes=3)
        net.initialize()
        return net(mx.nd.ones((1, 3, 224, 224))).shape

    expected = trained()
    with pytest.raises((TypeError, ValueError)):
        zoo()
    mx.npx.reset_np()
    try:
        assert zoo() == (1, 3)
        for found, right in zip(trained(), expected, strict=True):
            np.testing.assert_array_equal(found, right)
        assert not mx.util.is_np_array()
    finally:
        mx.npx.set_np()


def test_gradients_that_add_up_are_refused(mx):
    module = d2l("mxnet")
    net = module.make(module.conv_block, 1, 2)
    net.collect_params().setattr("grad_req", "add")
    with pytest.raises(ValueError, match="grad_req='add' sums all steps"):
        module.Trainer(max_epochs=1).prepare(net)


def test_a_network_elsewhere_predicts_there_and_trains_here(mx):
    module, X = d2l("mxnet"), np.ones((2, 1, 8, 8), np.float32)
    net = module.make(module.conv_block, 1, 2)
    expected = module.predict(net, X)
    net.collect_params().reset_ctx([mx.cpu(1), mx.cpu(0)])
    np.testing.assert_array_equal(module.predict(net, X), expected)
    module.Trainer(max_epochs=1).prepare(net)
    assert net.collect_params().list_ctx() == [mx.cpu(0)]


def test_a_shape_that_is_not_known_yet_is_not_counted(mx):
    layer = mx.gluon.nn.Dense(3)
    layer.initialize()
    with pytest.raises(ValueError, match="no shape before the model sees images"):
        d2l("mxnet").count_parameters(layer)


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
