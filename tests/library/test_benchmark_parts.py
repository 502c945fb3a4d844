"""What the race of a network's parts takes for its dense layers."""

from benchmarks.contenders.parts import layers, read
from benchmarks.contenders.tasks import Task


def test_dense_layers_read_all_that_was_made_before_them():
    task = Task("densenet", size=32, batch_size=1, steps=1)
    found = list(layers(task))
    # Four blocks of four layers, k = 32. A transition halves 64 + 128 channels to 96,
    # 96 + 128 to 112, 112 + 128 to 120; the stem leaves 8×8 of 32×32 pixels.
    expected = [
        ([entering] + [32] * before, 32, pixels)
        for entering, pixels in ((64, 8), (96, 4), (112, 2), (120, 1))
        for before in range(4)
    ]
    assert found == expected


def test_only_concatenation_reads_several_arrays():
    assert read("concatenation", [64, 32]) == [64, 32]
    assert read("normalisation", [64, 32]) == [96]
