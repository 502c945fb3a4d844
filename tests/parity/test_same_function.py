"""Same weights in, same numbers out: four frameworks, a table of networks.

`networks.py` has the networks, `measured.py` what is measured, `compare.py` the
tolerances and their reasons.
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from compare import FLOAT32_TRAINING, KNOWN, differences
from frameworks import FRAMEWORKS
from kinks import CLEAR, kinks
from measured import PRECISIONS, file, run
from networks import BY_NAME, NETWORKS

TRUTH = ("pytorch", "float64")
CASES = [
    (framework, precision)
    for precision in PRECISIONS
    for framework in FRAMEWORKS
    if (framework, precision) != TRUTH
]


@pytest.fixture(scope="module")
def measured():
    """A function that gives what was measured of a network."""
    with tempfile.TemporaryDirectory() as folder:

        def load(framework, precision, network):
            return dict(np.load(file(folder, framework, precision, network)))

        load.folder = Path(folder)
        run("measured.py", *TRUTH, folder, precision="float64")
        yield load


@pytest.fixture(scope="module", params=CASES, ids=" ".join)
def case(request, measured):
    """A framework and a precision, in which all networks have been measured."""
    framework, precision = request.param
    run("measured.py", framework, precision, measured.folder, precision=precision)
    return framework, precision


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_same_function(case, network, measured):
    """Logits, loss, gradients, and weights after 1 and 10 steps of SGD."""
    found, expected = measured(*case, network), measured(*TRUTH, network)
    beyond = list(differences(found.items(), expected, *case, network))
    assert not beyond, "\n".join(map(str, beyond))
    for name in found.keys() - {"loss: "}:
        assert found[name].dtype == case[1], name


def test_dropout_leaves_no_trace_in_evaluation_mode(case, measured):
    without = BY_NAME["BC for small images"]
    off = BY_NAME["BC for small images, dropout off"]
    found, expected = measured(*case, off), measured(*case, without)
    expected = {key: expected[key] for key in found}
    assert not list(differences(found.items(), expected, *case, off))


@pytest.mark.parametrize(
    ("case", "known"),
    [((k.framework, "float64"), k) for k in KNOWN if k.framework in FRAMEWORKS],
    indirect=["case"],
)
def test_known_differences_remain(case, known, measured):
    """Once its cause is gone, a difference has no place in the list."""
    network = BY_NAME["small"]
    found = measured(*case, network).items()
    beyond = differences(found, measured(*TRUTH, network), "any", "float64", network)
    assert {known.quantity in difference.quantity for difference in beyond} == {True}


@pytest.mark.parametrize(
    "network",
    [network for network in NETWORKS if network.trained],
    ids=lambda network: network.name,
)
def test_batches_keep_clear_of_kinks(network):
    """Else float32 proves nothing: new images are needed, and `kinks.py` finds them."""
    # Half of what a seed is chosen by: rounding differs from processor to processor.
    assert kinks(network) > CLEAR / 2


def test_running_statistics_by_hand(framework):
    """From 0 and 1, one step gives 0.1 · mean and 0.9 + 0.1 · (biased) variance."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 1, 16, 16), np.float32)
    net = framework.build("densenet", block_config=(1,), growth_rate=2, init_features=4)
    weights = framework.get_weights(net)
    framework.Trainer(max_epochs=1).prepare(net)(X, np.arange(4), 0.0)
    after = framework.get_weights(net)
    stem = weights["features.conv0.weight"].astype(np.float64)
    padded = np.pad(X.astype(np.float64), ((0, 0), (0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))
    maps = np.einsum("ncijhw,ochw->noij", windows[:, :, ::2, ::2], stem)
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3))
    for name, expected in (("mean", 0.1 * mean), ("var", 0.9 + 0.1 * variance)):
        found = after[f"features.norm0.running_{name}"]
        size = np.abs(expected).max()
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=FLOAT32_TRAINING * size
        )
