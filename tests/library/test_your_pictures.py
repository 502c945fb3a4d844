"""The pictures that `benchmarks/your_pictures.py` trains on, and their labels."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from d2l_lite.data.image_set import ImageSet

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pictures = import_module("your_pictures")


def image_set(count: int = 600) -> ImageSet:
    """Three classes by turns; each picture's pixels are its number."""
    numbers = np.arange(count, dtype=np.uint16).view(np.uint8).reshape(count, 1, 1, 2)
    labels = np.arange(count) % 3
    return ImageSet(numbers, labels, ("cat", "deer", "horse"), (0.5,), (0.25,))


def numbers(part: ImageSet) -> np.ndarray:
    return np.ascontiguousarray(part.images).view(np.uint16).reshape(-1)


def test_only_keeps_the_pictures_of_some_classes_and_counts_these_from_zero() -> None:
    found = pictures.only(image_set(), pictures.NEW)
    assert found.classes == ("deer", "horse")
    # Deer are 1, 4, 7, ...; horses 2, 5, 8, ...
    assert len(found) == 400
    np.testing.assert_array_equal(numbers(found) % 3, found.labels + 1)


def test_few_pictures_fill_all_steps_each_class_alike_and_by_seed() -> None:
    train = pictures.only(image_set(), pictures.NEW)
    for count in (5, 20, 100):
        found = pictures.few(train, count, seed=0)
        assert len(found) == pictures.STEPS * pictures.BATCH
        different, times = np.unique(numbers(found), return_counts=True)
        assert len(different) == 2 * count and np.ptp(times) == 0
        assert np.sum(different % 3 == 1) == count
    one, two = (set(numbers(pictures.few(train, 5, seed))) for seed in (0, 1))
    assert one != two
