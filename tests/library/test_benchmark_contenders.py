"""What the benchmarks' contenders work on, and a turn of them in each framework."""

import inspect

import pytest

from benchmarks.contender import find
from benchmarks.contenders import epochs
from benchmarks.races import BENCHMARKS, KINDS
from benchmarks.workload import Workload
from d2l_lite import PACKAGES, installed
from d2l_lite.data.fashion_mnist import FashionMNIST
from d2l_lite.networks import zoo

TINY = Workload("densenet", size=32, batch_size=2, steps=1)
FRAMEWORKS = [
    pytest.param(name, marks=pytest.mark.skipif(not installed(name), reason="missing"))
    for name in PACKAGES
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_contenders_exist_and_take_their_options(name: str) -> None:
    benchmark = BENCHMARKS[name]
    keys = [(found.framework, found.task) for found in benchmark.races]
    assert len(keys) == len(set(keys)) > 0
    for found in benchmark.races:
        assert len({entry.name for entry in found.entries}) == len(found.entries)
        if found.framework and not installed(found.framework):
            continue
        for entry in found.entries:
            inspect.signature(find(entry.contender)).bind(**entry.options)


@pytest.mark.parametrize(
    ("network", "size"), [("densenet", 32), ("densenet", 96), ("densenet121", 224)]
)
def test_convolutions_have_all_of_the_networks_arithmetic(network, size) -> None:
    workload = Workload(network, size, batch_size=1, steps=1)
    found = []
    for layer in workload.layers():
        if layer.kind == "convolution":
            weights = layer.inputs[0] * layer.channels * layer.kernel_size**2
            found.append(weights * (layer.pixels // layer.stride) ** 2)
    assert workload.flops(training=False) == 2 * sum(found)
    # The gradients are two more, but for that of the images.
    assert workload.flops(training=True) == 2 * (3 * sum(found) - found[0])


def test_dense_layers_read_all_that_was_made_before_them() -> None:
    found = {"concatenation": [], "normalisation": [], "ReLU": [], "convolution": []}
    for layer in TINY.layers():
        if layer.place == "dense layer":
            found[layer.kind].append((layer.inputs, layer.channels, layer.pixels))
    # Four blocks of four layers, k = 32. A transition halves 64 + 128 channels to 96,
    # 96 + 128 to 112, 112 + 128 to 120; the stem leaves 8×8 of 32×32 pixels.
    blocks = ((64, 8), (96, 4), (112, 2), (120, 1))
    read = [(m, [32] * before, p) for m, p in blocks for before in range(4)]
    sums = [(m + sum(made), p) for m, made, p in read]
    assert found["convolution"] == [((m,), 32, p) for m, p in sums]
    assert found["normalisation"] == [((m,), m, p) for m, p in sums]
    assert found["ReLU"] == found["normalisation"]
    # Before a block's first layer there is nothing to join.
    joined = [((m, *made), m + sum(made), p) for m, made, p in read if made]
    assert found["concatenation"] == joined


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_contenders_do_a_turn_in_each_framework(framework: str, monkeypatch) -> None:
    small = {"growth_rate": 4, "init_features": 8, "block_config": (2, 1)}
    monkeypatch.setitem(zoo.NETWORKS, "small", zoo.DEFAULTS | small)
    workload = Workload("small", size=32, batch_size=2, steps=1)
    library = {"framework": framework, "workload": workload}
    for function in ("train", "predict"):
        find(f"library.{function}")(**library)()
    for training in (False, True):
        find("layers.convolutions")(**library, training=training)()
    for kind in KINDS:
        find("layers.of_dense_layers")(**library, kind=kind)()
    predicting = "predict" if framework == "tensorflow" else "inference"
    for function in ("bare", "reference", predicting):
        find(f"{framework}.{function}")(workload)()
    if framework != "mxnet":
        find("library.train")(**library, precision="bfloat16")()
        find(f"{framework}.mixed")(workload)()


def test_the_processor_does_as_many_operations_as_the_workload(monkeypatch) -> None:
    products = []
    monkeypatch.setattr("benchmarks.contenders.processor._product", products.append)
    find("processor.matrix_product")(Workload("densenet", 32, 64, 5), training=True)
    # 84,444,160 operations for an image, 2 · 2048² for a row.
    assert products == [round(320 * 84_444_160 / (2 * 2048**2))]


@pytest.mark.skipif(not installed("pytorch"), reason="missing")
def test_epochs_train_and_time_what_is_between_their_steps(monkeypatch) -> None:
    quick = FashionMNIST(scale="quick")
    monkeypatch.setattr(epochs, "STEPS", 2)
    monkeypatch.setattr(epochs, "FashionMNIST", lambda scale: quick)
    for held in (False, True):
        assert epochs.rate("pytorch", held)() > 0
    assert 0 < epochs.gaps("pytorch")() < 100
