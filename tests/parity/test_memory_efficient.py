"""`memory_efficient=True` changes what is kept, and nothing that is computed.

The rows of `networks.py` compare it between frameworks; here each is compared with its
own plain network in what those small networks cannot show.
"""

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from measured import in_training_mode

# More readers of one feature than the eight gradients that MXNet adds up in one piece.
DEEP = {"growth_rate": 4, "init_features": 8, "block_config": (11, 1)}


def both(framework, name="densenet-bc-40-12", **changes):
    """The plain and the memory-efficient network with equal weights."""
    return [
        framework.build(name, seed=1, memory_efficient=efficient, **DEEP | changes)
        for efficient in (False, True)
    ]


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(5)
    return rng.standard_normal((2, 3, 16, 16), np.float32), np.array([3, 7])


@pytest.mark.parametrize("name", ["densenet-40-12", "densenet-bc-40-12"])
def test_a_long_block(framework, batch, name):
    plain, efficient = both(framework, name)
    X, y = batch
    np.testing.assert_array_equal(
        framework.predict(efficient, X), framework.predict(plain, X)
    )
    (loss, found), (other, expected) = (
        framework.loss_and_gradients(net, X, y) for net in (efficient, plain)
    )
    assert loss == pytest.approx(other, rel=1e-6)
    for key, gradient in expected.items():
        # Of float32: sums of thousands of terms in another order.
        tolerance = 1e-3 * np.abs(gradient).max()
        np.testing.assert_allclose(found[key], gradient, atol=tolerance, err_msg=key)


def test_running_statistics_move_once(framework, batch):
    """Hand arithmetic: 0.9 · 0 + 0.1 · mean, 0.9 · 1 + 0.1 · variance."""
    _, net = both(framework)
    stem = framework.get_weights(net)["features.conv0.weight"]
    X, y = batch
    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    maps = np.einsum("nihwkl,oikl->nohw", windows, stem, dtype=np.float64)
    framework.Trainer(max_epochs=1).prepare(net)(X, y, 1e-3)
    weights = framework.get_weights(net)
    norm = "features.denseblock1.denselayer1.norm1"
    mean, variance = maps.mean(axis=(0, 2, 3)), maps.var(axis=(0, 2, 3))
    found = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
    np.testing.assert_allclose(found[0], 0.1 * mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], 0.9 + 0.1 * variance, rtol=1e-4)


def test_one_draw_of_each_mask(framework, batch):
    """With the same generator dropout draws the same masks: none is drawn twice."""
    logits = []
    for efficient in (False, True):
        framework.seed_everything(0)
        net = framework.build(
            "densenet-bc-40-12",
            seed=1,
            dropout=0.2,
            memory_efficient=efficient,
            **DEEP | {"block_config": (2, 1)},
        )
        name = framework.__name__.rpartition(".")[2]
        for _ in range(2):
            # A backward pass that drew masks again would move the generator on.
            framework.Trainer(max_epochs=1).prepare(net)(*batch, 0.0)
        logits.append(in_training_mode(name, framework, net, batch[0]))
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-4, atol=1e-5)


def test_steps_that_nobody_waits_for(framework, batch):
    """In MXNet a step is queued before the last one is done: neither waits for ever."""
    plain, efficient = both(framework, block_config=(4, 1))
    weights = []
    for net in (plain, efficient):
        step = framework.Trainer(max_epochs=1).prepare(net)
        for _ in range(3):
            step(*batch, 0.1)
        weights.append(framework.get_weights(net))
    for key, expected in weights[0].items():
        tolerance = 1e-3 * np.abs(expected).max()
        np.testing.assert_allclose(
            weights[1][key], expected, atol=tolerance, err_msg=key
        )


@pytest.mark.skipif("mxnet" not in FRAMEWORKS, reason="MXNet is not installed")
def test_mxnet_says_what_no_graph_can_do(batch):
    mxnet = d2l("mxnet")
    _, net = both(mxnet)
    net.hybridize()
    with pytest.raises(ValueError, match=r"memory_efficient=True\): cannot be hybrid"):
        mxnet.predict(net, batch[0])


@pytest.mark.skipif("mxnet" not in FRAMEWORKS, reason="MXNet is not installed")
@pytest.mark.parametrize(
    ("pattern", "request_"),
    [
        (".*", "add"),
        (".*gamma", "null"),
        (".*beta", "null"),
        (".*conv.*weight", "null"),
    ],
)
def test_mxnet_frozen_and_added_gradients(batch, pattern, request_):
    """Of `autograd.Function` MXNet drops gradients in such cases without a word."""
    from mxnet import autograd

    mxnet, found = d2l("mxnet"), []
    X, y = map(mxnet.to_tensor, batch)
    for net in both(mxnet, "densenet-40-12", block_config=(3, 1)):
        net.collect_params(pattern).setattr("grad_req", request_)
        for _ in range(2):
            with autograd.record():
                loss = mxnet._loss(net(X), y)
            loss.backward()
        trainable = mxnet.backend.trainable(net).items()
        found.append(
            {n: a.grad().asnumpy() for n, a in trainable if a.grad_req != "null"}
        )
    assert found[0].keys() == found[1].keys()
    for key, expected in found[0].items():
        np.testing.assert_allclose(
            found[1][key], expected, atol=1e-4 * np.abs(expected).max(), err_msg=key
        )


@pytest.mark.skipif("mxnet" not in FRAMEWORKS, reason="MXNet is not installed")
def test_mxnet_trains_what_was_a_graph_before(batch):
    mxnet = d2l("mxnet")
    _, net = both(mxnet, block_config=(2, 1))
    net.hybridize()
    loss, _ = mxnet.Trainer(max_epochs=1).prepare(net)(*batch, 0.1)
    assert np.isfinite(float(loss))


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="PyTorch is not installed")
def test_pytorch_computes_again_in_the_mode_of_the_first_pass(batch):
    pytorch, found = d2l("pytorch"), []
    for net in both(pytorch, block_config=(3, 1)):
        loss = net.train()(pytorch.to_tensor(batch[0])).square().sum()
        net.eval()
        loss.backward()
        assert not any(module.training for module in net.modules())
        found.append([parameter.grad for parameter in net.parameters()])
    for expected, gradient in zip(*found):
        assert expected.equal(gradient)


@pytest.mark.skipif("jax" not in FRAMEWORKS, reason="JAX is not installed")
def test_jax_needs_less_memory():
    """XLA's own plan of a step: it must not merge what is computed twice."""
    import jax
    from flax import nnx

    d2l_jax, sizes = d2l("jax"), []
    for net in both(d2l_jax, "densenet-40-12", block_config=(11,)):
        net.train()
        graphdef, parameters, statistics = nnx.split(net, nnx.Param, ...)
        velocity = jax.tree.map(np.zeros_like, parameters)
        X, y = np.zeros((8, 32, 32, 3), np.float32), np.zeros(8, int)
        rule = graphdef, 0.9, True, 1e-4
        step = d2l_jax._compiled(None, True).lower(
            rule, parameters, statistics, velocity, X, y, 0.1
        )
        sizes.append(step.compile().memory_analysis().temp_size_in_bytes)
    assert sizes[1] < 0.7 * sizes[0]
