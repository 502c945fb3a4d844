"""The cuts of `benchmarks/feature_reuse.py`: what is taken away, and nothing else."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
d2l = import_module("d2l_lite.pytorch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
reuse = import_module("feature_reuse")

HOWS = ("zero", "mean")


@pytest.fixture
def network():
    """Random in all its weights: scales of 1 and means of 0 would hide mistakes."""
    net = d2l.build("densenet", **reuse.NETWORK)
    rng = np.random.default_rng(0)
    weights = {
        name: (array + 0.3 * rng.standard_normal(array.shape)).astype(np.float32)
        if array.ndim == 1
        else array
        for name, array in d2l.get_weights(net).items()
    }
    for name in weights:
        if name.endswith("running_var"):
            weights[name] = 0.5 + abs(weights[name])
    d2l.set_weights(net, weights)
    return net.eval()


def images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, 1, 32, 32), np.float32)


def test_every_pair_of_source_and_reader_is_cut_once() -> None:
    # 8 layers: source s has the readers s + 1 to 9, which makes 9 + 8 + ... + 1.
    cuts = list(reuse.cuts())
    pairs = [cut[:3] for cut in cuts if cut[2] != "all"]
    assert len(pairs) == len(set(pairs)) == 3 * 45
    assert len(cuts) - len(pairs) == 3 * 9
    assert all(source < reader <= 9 for _, source, reader in pairs)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_without_what_enters_a_block_all_images_look_alike(
    network, block: int, how: str
) -> None:
    weights = d2l.get_weights(network)
    cut = reuse.without(weights, block, 0, list(range(1, 10)), how)
    assert np.ptp(d2l.predict(network, images()), axis=0).max() > 1e-3
    d2l.set_weights(network, cut)
    assert np.ptp(d2l.predict(network, images()), axis=0).max() < 1e-5


@pytest.mark.parametrize("how", HOWS)
def test_a_cut_is_what_its_reader_sees_without_the_source(network, how: str) -> None:
    """The reader alone, on features that are zero, or at their mean, by hand."""
    block, source, number = 2, 3, 6
    layer = network.features[6].layers[number - 1]
    norm, relu, conv = layer
    channels = slice(80 + 2 * 8, 80 + 3 * 8)
    maps = torch.from_numpy(
        np.random.default_rng(2).standard_normal((2, 120, 4, 4), np.float32)
    )
    with torch.no_grad():
        if how == "zero":
            seen = relu(norm(maps))
            seen[:, channels] = 0
            expected = conv(seen)
        else:
            flat = maps.clone()
            flat[:, channels] = norm.running_mean[channels, None, None]
            expected = layer(flat)
        weights = d2l.get_weights(network)
        cut = reuse.without(weights, block, source, [number], how)
        d2l.set_weights(network, cut)
        torch.testing.assert_close(layer(maps), expected)
    assert sum(not np.array_equal(cut[n], weights[n]) for n in weights) == 1
