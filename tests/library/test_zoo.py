"""Networks by name: their sizes, and how shapes tell which network they are."""

import csv
from functools import cache
from pathlib import Path

import pytest
from frameworks import FRAMEWORKS, d2l

from d2l_lite.networks import zoo
from d2l_lite.networks.weights import WeightsError

TABLE = Path(__file__).parents[2] / "chapters/files/densenet_zoo/parameter_counts.csv"
with TABLE.open(encoding="utf-8") as lines:
    ROWS = list(csv.DictReader(line for line in lines if not line.startswith("#")))
COUNTS = {row["network"]: int(row["parameters"]) for row in ROWS}


@cache
def shapes(name, **changes):
    """The shapes of a network's weights under their names, from PyTorch's module."""
    net = d2l("pytorch").build(name, **changes)
    return {n: array.shape for n, array in d2l("pytorch").get_weights(net).items()}


def test_the_zoo_holds_the_paper_s_networks_and_the_plain_one():
    assert set(zoo.NETWORKS) == {"densenet", *COUNTS}
    for row in ROWS:
        known = zoo.NETWORKS[row["network"]]
        assert known["in_channels"] == int(row["image_channels"])
        assert known["num_classes"] == int(row["classes"])


# Building the deepest takes JAX and TensorFlow a quarter of a minute each, and tells
# nothing that PyTorch's and the zoo's own shapes do not.
COUNTED = [
    (framework, name)
    for framework in FRAMEWORKS
    for name, count in COUNTS.items()
    if framework == "pytorch" or count < 8_000_000
]


@pytest.mark.parametrize(("framework", "name"), COUNTED)
def test_parameter_counts_in_every_framework(framework, name):
    network = d2l(framework).build(name)
    assert d2l(framework).count_parameters(network) == COUNTS[name]


def shown(arguments):
    """What weights tell of them: not how the network computes."""
    return {name: arguments[name] for name in arguments if name != "memory_efficient"}


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_shapes_tell_the_network(name):
    expected = {"network": name, "arguments": shown(zoo.NETWORKS[name])}
    assert zoo.describe(shapes(name)) == expected
    assert list(zoo.shapes(zoo.NETWORKS[name]).items()) == list(shapes(name).items())


def test_other_data_leave_the_name():
    found = zoo.describe(shapes("densenet-40-12", in_channels=1, num_classes=7))
    assert found["network"] == "densenet-40-12"
    assert found["arguments"]["in_channels"] == 1
    assert found["arguments"]["num_classes"] == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"compression": 0.3},
        {"compression": 1.0},
        {"compression": 0.57, "init_features": 100},
        {"block_config": (3,)},
        {"bias": False},
        {"bottleneck": True, "bias": True},
        {"bottleneck": True, "small_inputs": True, "bias": False},
        {"small_inputs": True, "growth_rate": 5, "init_features": 7},
        {"in_channels": 4, "num_classes": 1, "block_config": (1, 11, 2)},
    ],
    ids=str,
)
def test_shapes_tell_odd_arguments(changes):
    odd = {"growth_rate": 3, "init_features": 9, "block_config": (1, 2, 1)} | changes
    arguments = shown(zoo.arguments("densenet", **odd))
    expected = {"network": "DenseNet", "arguments": arguments}
    assert zoo.describe(shapes("densenet", **odd)) == expected


@pytest.mark.parametrize("compression", [0.295, 1 / 3, 0.2999])
def test_some_compression_gives_the_same_shapes(compression):
    """Others do the same: of 100 channels, 0.295 and 0.291 keep 29 (0.29 keeps 28)."""
    odd = {"init_features": 97, "growth_rate": 3, "block_config": (1, 2, 1)}
    found = shapes("densenet", compression=compression, **odd)
    arguments = zoo.describe(found)["arguments"]
    assert len(str(arguments["compression"])) <= len(str(compression))
    assert shapes("densenet", **arguments) == found


@pytest.mark.parametrize("changes", [{"dropout": 0.2}, {"memory_efficient": True}])
def test_some_arguments_leave_no_trace(changes):
    assert shapes("densenet", **changes) == shapes("densenet")


def test_other_weights_are_no_densenet():
    # The first and the last layer of a ResNet.
    resnet = {"conv1.weight": (64, 3, 7, 7), "fc.weight": (1000, 512)}
    with pytest.raises(WeightsError) as error:
        zoo.describe(resnet)
    assert str(error.value) == (
        "not the weights of a DenseNet: no features.conv0.weight, "
        "features.denseblock1.denselayer1.conv1.weight, classifier.weight"
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("features.conv0.weight", (64,)),
        ("features.transition2.conv.weight", ()),
        ("features.transition2.conv.weight", (0, 0, 1, 1)),
        ("features.transition2.conv.weight", (500, 224, 1, 1)),
        ("features.denseblock1.denselayer1.conv1.weight", ()),
        ("classifier.weight", (10,)),
    ],
)
def test_shapes_that_no_densenet_has(name, shape):
    with pytest.raises(WeightsError, match="^not the weights of a DenseNet: "):
        zoo.describe(shapes("densenet") | {name: shape})


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [
        ("growth_rate", 0, "must be an integer, at least 1"),
        ("growth_rate", True, "must be an integer, at least 1"),
        ("init_features", 1.5, "must be an integer, at least 1"),
        ("compression", 0, "must be a number, above 0 and at most 1"),
        ("compression", 1.5, "must be a number, above 0 and at most 1"),
        ("compression", float("nan"), "must be a number, above 0 and at most 1"),
        ("dropout", 1, "must be a number, at least 0 and below 1"),
        ("block_config", (), "must be a tuple of the number of layers in each block"),
        ("block_config", 4, "must be a tuple of the number of layers in each block"),
        ("block_config", (4, 0), "each number: must be an integer, at least 1"),
        ("bottleneck", "no", "choose from False, True"),
        ("memory_efficient", 1, "choose from False, True"),
        ("depth", 121, "unknown; choose from in_channels, num_classes, growth_rate"),
    ],
)
def test_arguments_out_of_their_range(framework, argument, value, rule):
    with pytest.raises(ValueError) as error:
        framework.build("densenet", **{argument: value})
    message = str(error.value)
    assert message.startswith(f"build({argument}={value!r})")
    assert rule in message
