"""The names without a framework that every framework module offers as well."""

from types import ModuleType

from d2l_lite.data.cifar import CIFAR10, CIFAR100
from d2l_lite.data.fashion_mnist import FashionMNIST
from d2l_lite.data.image_set import ImageSet
from d2l_lite.data.svhn import SVHN
from d2l_lite.plots import (
    confusion_matrix,
    plot_confusion,
    show_images,
    show_predictions,
)
from d2l_lite.training.history import History

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "FashionMNIST",
    "History",
    "ImageSet",
    "SVHN",
    "confusion_matrix",
    "plot_confusion",
    "show_images",
    "show_predictions",
]

_OWN = [
    "Trainer",
    "build",
    "classify",
    "count_parameters",
    "device",
    "get_weights",
    "initialize",
    "load",
    "loss_and_gradients",
    "predict",
    "pretrained",
    "save",
    "seed_everything",
    "set_weights",
    "to_numpy",
    "to_tensor",
]


def offers(models: ModuleType) -> list[str]:
    """The public names of a framework module whose networks are in `models`."""
    return sorted([*__all__, *_OWN, *models.__all__])
