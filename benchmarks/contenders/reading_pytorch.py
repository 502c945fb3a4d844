"""Epochs of Fashion-MNIST as PyTorch's tutorials read them: Dataset and DataLoader.

python -m benchmarks.contenders.reading_pytorch SIZE WORKERS
"""

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.contender import serve
from benchmarks.contenders.reading import BATCH_SIZE, images_per_second
from benchmarks.vision import torchvision
from d2l_lite.data.fashion_mnist import FashionMNIST, read


class Pictures(Dataset):
    """Grey pictures N×H×W with their labels, as torchvision's own data sets have it."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.images[index])
        return self.transform(picture), int(self.labels[index])


def set_up(size: int, workers: int) -> Callable[[], float]:
    transforms = torchvision.transforms
    train, _ = read("full")
    transform = transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.ToTensor(),
            transforms.Normalize(FashionMNIST.mean, FashionMNIST.std),
        ]
    )
    pictures = Pictures(train.images[:, 0], train.labels, transform)
    loader = DataLoader(pictures, BATCH_SIZE, shuffle=True, num_workers=workers)
    return partial(images_per_second, lambda: loader)


if __name__ == "__main__":
    serve(partial(set_up, *map(int, sys.argv[1:])))
