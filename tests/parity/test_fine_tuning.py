"""A new last layer, frozen parts: the same training in the four frameworks."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l

SMALL = {"block_config": (1, 1), "growth_rate": 4, "init_features": 6}
COMPARED = {"rtol": 1e-4, "atol": 2e-6}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A network whose running statistics are not those of the first step."""
    torch = d2l("pytorch")
    net = torch.build("densenet", in_channels=3, seed=3, small_inputs=True, **SMALL)
    rng = np.random.default_rng(0)
    moved = {
        name: array + rng.uniform(0, 0.3, array.shape).astype(np.float32)
        for name, array in torch.get_weights(net).items()
    }
    torch.set_weights(net, moved)
    file = tmp_path_factory.mktemp("weights") / "body.safetensors"
    torch.save(net, file)
    return file


@pytest.fixture(scope="module")
def data():
    # Few pixels: a mean over many loses digits in float32.
    train = d2l("pytorch").FashionMNIST(scale="quick", resize=(12, 12)).train.take(64)
    return SimpleNamespace(train=train, validation=train)


def trained(framework, path, data, freeze):
    """Weights before and after two steps, and the network."""
    module = d2l(framework)
    net = module.load(path, in_channels=1, num_classes=10, seed=2)
    before = module.get_weights(net)
    # A prediction first: what it compiles must not be used in training.
    module.predict(net, next(data.train.batches(8))[0])
    trainer = module.Trainer(
        1, batch_size=32, learning_rate=0.02, freeze=freeze, progress="none"
    )
    trainer.fit(net, data)
    return before, module.get_weights(net), net


def moved(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize("freeze", ["features", ("conv0", "features.denseblock1")])
def test_frozen_parts_stay_and_the_others_are_trained_alike(path, data, freeze):
    runs = {name: trained(name, path, data, freeze) for name in FRAMEWORKS}
    before, expected, _ = runs["pytorch"]
    still = (
        ("features.",)
        if freeze == "features"
        else ("features.conv0.", "features.denseblock1.")
    )
    learnt = {name for name in before if not name.startswith(still)}
    # Each has learnt something, so equality is not that of networks that stood still.
    for framework, (first, last, _) in runs.items():
        assert moved(first, last) == learnt, framework
        for name in before:
            np.testing.assert_array_equal(first[name], before[name], err_msg=name)
            np.testing.assert_allclose(
                last[name], expected[name], err_msg=f"{framework} {name}", **COMPARED
            )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_after_fit_all_of_the_network_learns_again(framework, path, data):
    module = d2l(framework)
    _, first, net = trained(framework, path, data, "features")
    # 6 + 4 channels are halved, 5 + 4 reach ten classes: 10 · 9 weights and 10 biases.
    assert module.count_parameters(net, freeze="features") == 100
    whole = sum(array.size for name, array in first.items() if "running" not in name)
    assert module.count_parameters(net) == whole
    module.Trainer(1, batch_size=32, progress="none").fit(net, data)
    assert moved(first, module.get_weights(net)) == set(first)


def test_a_sum_over_channels_sees_grey_as_equal_colours(path):
    module = d2l("pytorch")
    images = np.random.default_rng(1).normal(size=(2, 1, 16, 16)).astype(np.float32)
    grey = module.predict(module.load(path, in_channels=1), images)
    colours = module.predict(module.load(path), images.repeat(3, axis=1))
    np.testing.assert_allclose(grey, colours, rtol=1e-5, atol=1e-6)


def test_a_new_last_layer_is_that_of_the_seed_and_is_said(path, capsys):
    nets = {f: d2l(f).load(path, num_classes=4, seed=5) for f in FRAMEWORKS}
    said = capsys.readouterr().out.splitlines()
    assert said == 4 * [
        "body.safetensors knows 10 classes; a new last layer for 4 is drawn from seed 5"
    ]
    weights = {f: d2l(f).get_weights(net) for f, net in nets.items()}
    kept = d2l("pytorch").get_weights(d2l("pytorch").load(path, num_classes=10))
    assert not capsys.readouterr().out
    for found in weights.values():
        assert found["classifier.weight"].shape[0] == 4
        assert not found["classifier.bias"].any()
        for name, array in weights["pytorch"].items():
            np.testing.assert_array_equal(found[name], array)
            if name.startswith("features."):
                np.testing.assert_array_equal(array, kept[name])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"in_channels": 2}, "takes images of 3 channels; with in_channels=2"),
        ({"num_classes": 0}, r"load\(num_classes=0\): must be an integer, at least 1"),
        ({"seed": -1}, r"load\(seed=-1\): must be an integer, at least 0"),
    ],
)
def test_what_cannot_be_made_of_a_file(path, arguments, message):
    with pytest.raises(ValueError, match=message):
        d2l("pytorch").load(path, **arguments)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bad_names_of_parts(framework, path, data):
    module = d2l(framework)
    net = module.load(path, in_channels=1)
    known = "features, conv0, denseblock1, transition1, denseblock2, norm5, classifier"
    with pytest.raises(ValueError, match=rf"'denseblock3'.*choose from {known}"):
        module.Trainer(1, freeze="denseblock3").fit(net, data)
    with pytest.raises(ValueError, match="all of the model's parameters are frozen"):
        module.Trainer(1, freeze=["features", "classifier"]).fit(net, data)
    with pytest.raises(ValueError, match=re.escape("devices=2): what is frozen")):
        module.Trainer(1, freeze="features", devices=2)
    efficient = module.load(path, in_channels=1, memory_efficient=True)
    with pytest.raises(ValueError, match="for networks with memory_efficient=False"):
        module.Trainer(1, freeze="features").fit(efficient, data)
    assert module.count_parameters(net) > module.count_parameters(net, "conv0")
