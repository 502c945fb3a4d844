"""PyTorch without the book's library: bare loops, and torchvision's networks.

python -m benchmarks.contenders.pytorch WAY NETWORK SIZE BATCH STEPS
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.contenders.tasks import Task, convolutions, take_part
from d2l_lite.models.pytorch import DenseNet
from d2l_lite.networks import zoo

SGD = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}


def bare(task: Task) -> Callable[[], float]:
    """The book's network as an expert trains it: channels last, no wait in a step."""
    model = DenseNet(**zoo.NETWORKS[task.network])
    model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), fused=True, **SGD)
    images, labels = map(torch.from_numpy, task.batches())
    images = [X.contiguous(memory_format=torch.channels_last) for X in images]

    def run() -> None:
        losses = []
        for X, y in zip(images, labels):
            loss = F.cross_entropy(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).tolist()

    return task.timed(run)


def reference(task: Task) -> Callable[[], float]:
    """The loop of PyTorch's tutorials."""
    model, loss_function = _network(task).train(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    images, labels = map(torch.from_numpy, task.batches())

    def run() -> None:
        running_loss = 0.0
        for X, y in zip(images, labels):
            optimizer.zero_grad()
            loss = loss_function(model(X), y)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()

    return task.timed(run)


def inference(task: Task) -> Callable[[], float]:
    """`model.eval()` under `no_grad`, as torchvision's guide has it."""
    model = _network(task).eval()
    images = torch.from_numpy(task.batches()[0])

    def run() -> None:
        with torch.no_grad():
            for X in images:
                model(X).numpy()

    return task.timed(run)


def _network(task: Task) -> nn.Module:
    """torchvision's network, or the book's with PyTorch's own batch normalisation."""
    if task.network in ("densenet121", "densenet161", "densenet169", "densenet201"):
        # Only here, for other networks need it not.
        from benchmarks.vision import torchvision

        return torchvision.models.get_model(task.network, weights=None)
    model = DenseNet(**zoo.NETWORKS[task.network])
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            model.set_submodule(name, nn.BatchNorm2d(module.num_features))
    return model


def alone(training: bool, task: Task) -> Callable[[], float]:
    """The network's convolutions, each by itself: GFLOP/s."""
    layers = []
    for number, shape in enumerate(convolutions(task.network, task.size)):
        layer = nn.Conv2d(
            shape.in_channels,
            shape.out_channels,
            shape.kernel_size,
            shape.stride,
            padding=shape.kernel_size // 2,
            bias=False,
        ).to(memory_format=torch.channels_last)
        X = torch.randn(task.batch_size, shape.in_channels, shape.pixels, shape.pixels)
        X = X.contiguous(memory_format=torch.channels_last)
        # Nobody asks for the gradient of the images.
        layers.append((layer, X.requires_grad_(training and number > 0)))

    def run() -> None:
        for _ in range(task.steps):
            for layer, X in layers:
                with torch.set_grad_enabled(training):
                    Y = layer(X)
                if training:
                    Y.backward(Y)
                    X.grad = layer.weight.grad = None

    return task.timed_flops(run, training)


if __name__ == "__main__":
    take_part(alone, bare=bare, reference=reference, inference=inference)
