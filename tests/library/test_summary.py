"""Stages by arithmetic against the paper, hand arithmetic and PyTorch's own shapes."""

import csv
from pathlib import Path

import pytest
from frameworks import FRAMEWORKS, d2l

from d2l_lite.networks import zoo
from d2l_lite.networks.summary import Stage, stages

PAPER = Path(__file__).parents[2] / "chapters/files/densenet_zoo/parameter_counts.csv"
with PAPER.open(encoding="utf-8") as lines:
    COUNTS = {
        row["network"]: int(row["parameters"])
        for row in csv.DictReader(line for line in lines if not line.startswith("#"))
    }


def by_name(*arguments, **changes):
    return {stage.name: stage for stage in stages(*arguments, **changes)}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_of_the_paper(name):
    assert sum(stage.parameters for stage in stages(name, 224)) == COUNTS[name]


@pytest.mark.parametrize(
    "name, billions",
    # As torchvision's documentation has them, where they are called GFLOPS.
    [
        ("densenet121", 2.834),
        ("densenet161", 7.728),
        ("densenet169", 3.36),
        ("densenet201", 4.291),
    ],
)
def test_multiply_adds_of_torchvision(name, billions):
    total = sum(stage.multiply_adds for stage in stages(name, 224))
    assert round(total / 1e9, 3) == billions


def test_table_1_of_the_paper():
    found = [(stage.name, stage.size) for stage in stages("densenet121", 224)]
    assert found == [
        ("convolution", 112),
        ("pooling", 56),
        ("dense block 1", 56),
        ("transition 1", 28),
        ("dense block 2", 28),
        ("transition 2", 14),
        ("dense block 3", 14),
        ("transition 3", 7),
        ("dense block 4", 7),
        ("classification", 1),
    ]


def test_channels_that_are_rounded_down():
    """DenseNet-161, as the paper's authors built it, ends with 2208 channels."""
    found = by_name("densenet161", 224)
    assert found["dense block 4"].channels == 2208
    # 96 + 6 · 48 = 384, 192 + 12 · 48 = 768, 384 + 36 · 48 = 2112, 1056 + 24 · 48.
    names = [f"transition {number}" for number in (1, 2, 3)]
    assert [found[name].channels for name in names] == [192, 384, 1056]
    odd = by_name("densenet121", 224, growth_rate=5, block_config=(1, 1), compression=1)
    assert odd["transition 1"].channels == 69
    halved = by_name("densenet121", 224, growth_rate=5, block_config=(1, 1))
    assert halved["transition 1"].channels == 34


def test_hand_arithmetic_of_a_plain_network():
    """One block of one layer each: 3 → 16, 28 | 28, 40 | 10 classes, 8×8 pixels."""
    changes = {"block_config": (1, 1)}
    assert stages("densenet-40-12", 8, **changes) == [
        Stage("convolution", 16, 8, 9 * 3 * 16, 9 * 3 * 16 * 64),
        Stage("dense block 1", 28, 8, 2 * 16 + 9 * 16 * 12, 9 * 16 * 12 * 64),
        # Its convolution sees 8×8 pixels, its output has 4×4.
        Stage("transition 1", 28, 4, 2 * 28 + 28 * 28, 28 * 28 * 64),
        Stage("dense block 2", 40, 4, 2 * 28 + 9 * 28 * 12, 9 * 28 * 12 * 16),
        Stage("classification", 10, 1, 2 * 40 + 40 * 10 + 10, 40 * 10),
    ]


NETWORKS = [
    ("densenet121", {"growth_rate": 4, "block_config": (2, 3, 1)}, 224),
    ("densenet121", {"growth_rate": 3, "init_features": 9, "bias": True}, (31, 50)),
    ("densenet", {"block_config": (2, 2), "compression": 0.3}, (33, 39)),
    ("densenet-40-12", {"block_config": (2, 2, 2), "num_classes": 100}, (32, 20)),
    ("densenet-bc-40-12", {"block_config": (2, 1), "in_channels": 1}, 31),
    ("densenet-bc-40-12", {"block_config": (3,), "dropout": 0.2}, 5),
]


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
@pytest.mark.parametrize("name, changes, size", NETWORKS)
def test_what_pytorch_computes(name, changes, size):
    import torch
    from torch import nn

    height, width = size if isinstance(size, tuple) else (size, size)
    net = d2l("pytorch").build(name, **changes).cpu().eval()
    rows, work = {}, 0

    def count(module, inputs, output):
        nonlocal work
        # Every output sums products of as many numbers as a row of weights has.
        work += output.numel() * module.weight[0].numel()

    def end(title):
        def note(module, inputs, output):
            nonlocal work
            shape = tuple(output.shape[1:])
            rows[title] = (shape[0], shape[1:] or (1, 1), work)
            work = 0

        return note

    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    blocks = transitions = 0
    for part in net.features:
        if type(part).__name__ == "DenseBlock":
            blocks += 1
            part.register_forward_hook(end(f"dense block {blocks}"))
        elif isinstance(part, nn.Sequential):
            transitions += 1
            part.register_forward_hook(end(f"transition {transitions}"))
        elif isinstance(part, nn.Conv2d):
            part.register_forward_hook(end("convolution"))
        elif isinstance(part, nn.MaxPool2d):
            part.register_forward_hook(end("pooling"))
    net.classifier.register_forward_hook(end("classification"))
    with torch.no_grad():
        net(
            torch.zeros(1, zoo.arguments(name, **changes)["in_channels"], height, width)
        )

    found = by_name(name, (height, width), **changes)
    assert list(found) == list(rows)
    for title, (channels, pixels, multiply_adds) in rows.items():
        stage = found[title]
        assert (stage.channels, stage.size) == (channels, pixels), title
        assert stage.multiply_adds == multiply_adds, title
    assert [stage._replace(size=0) for stage in stages(name, size, **changes)] == [
        stage._replace(size=0) for stage in found.values()
    ]
    parameters = sum(array.numel() for array in net.parameters())
    assert sum(stage.parameters for stage in found.values()) == parameters
    transition = sum(
        array.numel()
        for part in net.features
        if isinstance(part, nn.Sequential)
        for array in part.parameters()
    )
    assert transition == sum(
        stage.parameters for title, stage in found.items() if "transition" in title
    )


def test_a_size_has_the_form_it_was_given():
    assert by_name("densenet-40-12", 32)["transition 1"].size == 16
    assert by_name("densenet-40-12", (32, 20))["transition 1"].size == (16, 10)


@pytest.mark.parametrize(
    "name, size, message",
    [
        ("densenet121", 28, "28×28 pixels: 3 transitions need at least 29×29"),
        ("densenet-40-12", (9, 3), "9×3 pixels: 2 transitions need at least 4×4"),
        ("densenet121", 0, "must be an integer, at least 1"),
        ("densenet121", (32, 32, 3), r"must be \(height, width\)"),
        ("densenet121", (32, 0), "height and width must be at least 1"),
        ("densenet121", "32", "must be an integer"),
        ("densenet120", 32, "unknown network; nearest names: .*densenet121"),
    ],
)
def test_what_makes_no_network(name, size, message):
    with pytest.raises(ValueError, match=message):
        stages(name, size)
