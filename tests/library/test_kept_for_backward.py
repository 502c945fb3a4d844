"""What the backward pass needs, by arithmetic: by hand, as the chapter, as PyTorch."""

import pytest
from frameworks import FRAMEWORKS, d2l

from d2l_lite.networks import zoo
from d2l_lite.networks.summary import Kept, kept_for_backward, stages


def test_hand_arithmetic_of_a_plain_network():
    """Blocks of two layers and one: 3 → 16, 28, 40 | 40, 52, at 8×8 pixels."""
    found = kept_for_backward("densenet-40-12", 8, block_config=(2, 1))
    assert found == [
        # The images; what the convolution puts out, the block keeps.
        Kept("convolution", 4 * 3 * 64, 4 * 3 * 64),
        # Read twice: 16 and 28 channels. Features read: the input and one layer's.
        Kept("dense block 1", 4 * 2 * (16 + 28) * 64, 4 * (16 + 12) * 64),
        Kept("transition 1", 4 * 2 * 40 * 64, 4 * 2 * 40 * 64),
        Kept("dense block 2", 4 * 2 * 40 * 16, 4 * 40 * 16),
        Kept("classification", 4 * (2 * 52 * 16 + 52), 4 * (2 * 52 * 16 + 52)),
    ]


def test_hand_arithmetic_of_a_large_stem_and_a_bottleneck():
    """Growth rate 4, so 16 channels in a bottleneck; 32×32 pixels, 16×16, 8×8."""
    changes = {"growth_rate": 4, "block_config": (2,), "init_features": 8}
    found = kept_for_backward("densenet121", 32, **changes)
    assert found == [
        Kept("convolution", *[4 * (3 * 1024 + 2 * 8 * 256)] * 2),
        Kept("pooling", *[4 * 8 * 64] * 2),
        # Read twice, 8 and 12 channels, and two layers' bottlenecks, twice as well.
        Kept(
            "dense block 1",
            4 * (2 * (8 + 12) + 2 * 2 * 16) * 64,
            4 * (8 + 4 + 2 * 2 * 16) * 64,
        ),
        Kept("classification", *[4 * (2 * 16 * 64 + 16)] * 2),
    ]


@pytest.mark.parametrize("depth", [40, 100])
def test_blocks_of_the_chapter(depth):
    """Equation "quadratic" there: P (2 n k₀ + k n (n − 1)) numbers in a plain block."""
    rows = {row.name: row for row in kept_for_backward(f"densenet-{depth}-12", 32)}
    n, channels, pixels = (depth - 4) // 3, 16, 32 * 32
    for number in (1, 2, 3):
        plain = pixels * (2 * n * channels + 12 * n * (n - 1))
        # Nobody in the block reads what its last layer puts out.
        features = pixels * (channels + 12 * (n - 1))
        assert rows[f"dense block {number}"][1:] == (4 * plain, 4 * features)
        channels, pixels = channels + 12 * n, pixels // 4


def test_images_need_not_be_square():
    tall, wide = (
        kept_for_backward("densenet-bc-40-12", size) for size in ((32, 20), (20, 32))
    )
    assert tall == wide
    square = kept_for_backward("densenet121", (64, 64))
    assert square == kept_for_backward("densenet121", 64)


def test_rows_are_those_of_stages():
    for name in zoo.NETWORKS:
        rows = kept_for_backward(name, 224)
        assert [row.name for row in rows] == [row.name for row in stages(name, 224)]
        assert all(0 < row.recomputed <= row.plain for row in rows)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("densenet121", 28), r"^stages\('densenet121', size=28\): images of 28×28"),
        (("densenet120", 32), r"^kept_for_backward\('densenet120'\): unknown network"),
        (("densenet121", 0), "must be an integer, at least 1"),
    ],
)
def test_what_makes_no_network(arguments, message):
    with pytest.raises(ValueError, match=message):
        kept_for_backward(*arguments)


NARROW = {"growth_rate": 4, "init_features": 8}
NETWORKS = [
    ("densenet", {"block_config": (2, 3)}, (33, 39)),
    ("densenet121", {"block_config": (2, 3, 1), **NARROW}, (64, 64)),
    ("densenet121", {"block_config": (3, 1), "dropout": 0.2, **NARROW}, (41, 64)),
    ("densenet-40-12", {"block_config": (4, 2), **NARROW}, (16, 17)),
    ("densenet-40-12", {"block_config": (2, 2), "dropout": 0.2, **NARROW}, (8, 8)),
    ("densenet-bc-40-12", {"block_config": (3, 1, 2), **NARROW}, (12, 9)),
]


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
@pytest.mark.parametrize("efficient", [False, True])
@pytest.mark.parametrize("name, changes, size", NETWORKS)
def test_what_pytorch_saves(name, changes, size, efficient):
    """To the byte, but for what average pooling saves and a place's eight bytes."""
    import torch
    from torch import nn

    batch = 3
    net = d2l("pytorch").build(name, memory_efficient=efficient, **changes)
    net = net.cpu().train()
    sizes, alive, surplus = {}, [], 0

    def pack(array):
        # Statistics and weights do not grow with the batch.
        if array.dim() in (2, 4) and len(array) == batch:
            alive.append(array)  # else its address is used again
            memory = array.untyped_storage()
            sizes[memory.data_ptr()] = memory.nbytes()
        return array

    def count(module, inputs, output):
        nonlocal surplus
        if isinstance(module, nn.AvgPool2d):
            surplus += inputs[0].numel() * 4  # its backward asks for the shape alone
        else:
            surplus += output.numel() * (8 - 4)  # a place is an integer of 64 bits

    for module in net.modules():
        if isinstance(module, (nn.AvgPool2d, nn.MaxPool2d)):
            module.register_forward_hook(count)
    channels = zoo.arguments(name)["in_channels"]
    images = torch.zeros(batch, channels, *size)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda array: array):
        net(images)
    rows = kept_for_backward(name, size, **changes)
    expected = sum(row.recomputed if efficient else row.plain for row in rows)
    assert sum(sizes.values()) == batch * expected + surplus
