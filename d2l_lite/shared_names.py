"""The public names of the framework modules: all four offer the same ones."""

from types import ModuleType

from d2l_lite.backend import PUBLIC
from d2l_lite.data.cifar import CIFAR10, CIFAR100
from d2l_lite.data.fashion_mnist import FashionMNIST
from d2l_lite.data.image_folder import ImageFolder
from d2l_lite.data.image_set import ImageSet
from d2l_lite.data.svhn import SVHN
from d2l_lite.plots import (
    confusion_matrix,
    panels,
    plot_confusion,
    show_images,
    show_predictions,
)
from d2l_lite.table import Table
from d2l_lite.training.history import History

# What needs no framework, and each module therefore takes from here.
__all__ = [
    "CIFAR10",
    "CIFAR100",
    "FashionMNIST",
    "History",
    "ImageFolder",
    "ImageSet",
    "SVHN",
    "Table",
    "confusion_matrix",
    "panels",
    "plot_confusion",
    "show_images",
    "show_predictions",
]
# What each writes itself.
_OWN = ["Trainer", "backend", "device", "seed_everything", "to_numpy", "to_tensor"]


def public(models: ModuleType) -> list[str]:
    """The public names of a framework module whose networks are in `models`."""
    return sorted([*__all__, *_OWN, *PUBLIC, *models.__all__])
