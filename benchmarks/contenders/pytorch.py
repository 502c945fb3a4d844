"""PyTorch without the book's library: bare loops, torchvision's networks, its data."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.contender import Measure, Run
from benchmarks.contenders import reading
from benchmarks.workload import Layer, Workload
from d2l_lite.models.pytorch import DenseNet

SGD = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}


def bare(workload: Workload, channels_last: bool = True, compiled: bool = False) -> Run:
    """The book's network as an expert trains it: channels last, no wait in a step."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    model = DenseNet(**workload.arguments).to(memory_format=form).train()
    network = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), fused=True, **SGD)
    images, labels = map(torch.from_numpy, workload.batches())
    images = [X.contiguous(memory_format=form) for X in images]

    def run() -> None:
        losses = []
        for X, y in zip(images, labels):
            loss = F.cross_entropy(network(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).tolist()

    return run


def reference(workload: Workload, **options: bool) -> Run:
    """The loop of PyTorch's tutorials."""
    return _loop(_network(workload, **options), workload, nullcontext)


def mixed(workload: Workload, channels_last: bool = False) -> Run:
    """The same in bfloat16, as PyTorch's guide to mixed precision has it, on a GPU."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = _network(workload).to(device, memory_format=form)
    return _loop(model, workload, partial(torch.autocast, device, torch.bfloat16))


def _loop(
    model: nn.Module, workload: Workload, context: Callable[[], AbstractContextManager]
) -> Run:
    loss_function, parameters = nn.CrossEntropyLoss(), list(model.train().parameters())
    optimizer, device = torch.optim.SGD(parameters, **SGD), parameters[0].device
    images, labels = map(torch.from_numpy, workload.batches())

    def run() -> None:
        running_loss = 0.0
        for X, y in zip(images, labels):
            X, y = X.to(device), y.to(device)
            optimizer.zero_grad()
            with context():
                loss = loss_function(model(X), y)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()

    return run


def inference(workload: Workload) -> Run:
    """`model.eval()` under `no_grad`, as torchvision's guide has it."""
    model = _network(workload).eval()
    images = torch.from_numpy(workload.batches()[0])

    def run() -> None:
        with torch.no_grad():
            for X in images:
                model(X).numpy()

    return run


def _network(workload: Workload, **options: bool) -> nn.Module:
    """torchvision's network, or the book's with PyTorch's own batch normalisation."""
    if workload.network in ("densenet121", "densenet161", "densenet169", "densenet201"):
        return _torchvision().models.get_model(workload.network, **options)
    model = DenseNet(**workload.arguments)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            model.set_submodule(name, nn.BatchNorm2d(module.num_features))
    return model


def _torchvision() -> ModuleType:
    """torchvision, also where its compiled operators do not fit PyTorch's build."""
    try:
        import torchvision
    except RuntimeError:
        # The wheel is built for CUDA; these two of its operators must exist at least.
        boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", boxes)
        import torchvision
    return torchvision


class Concatenation(nn.Module):
    """Joins arrays along their channels."""

    def forward(self, *Xs: torch.Tensor) -> torch.Tensor:
        return torch.cat(Xs, dim=1)


MAKERS: dict[str, Callable[[Layer], nn.Module]] = {
    "concatenation": lambda layer: Concatenation(),
    "normalisation": lambda layer: nn.BatchNorm2d(layer.channels),
    "ReLU": lambda layer: nn.ReLU(),
    "convolution": lambda layer: nn.Conv2d(
        *layer.inputs,
        layer.channels,
        layer.kernel_size,
        layer.stride,
        padding=layer.kernel_size // 2,
        bias=layer.bias,
    ),
}


def layers(found: Sequence[Layer], workload: Workload, training: bool) -> Run:
    """Layers, each by itself on arrays of its own."""
    form, calls = torch.channels_last, []
    for layer in found:
        module = MAKERS[layer.kind](layer).to(memory_format=form).train(training)
        pixels = (layer.pixels, layer.pixels)
        sizes = [(workload.batch_size, c, *pixels) for c in layer.inputs]
        Xs = [torch.randn(size).to(memory_format=form) for size in sizes]
        asked = list(module.parameters())
        if layer.place != "stem":  # nobody asks for the gradient of the images
            asked += [X.requires_grad_() for X in Xs]
        calls.append((module, Xs, asked))

    def run() -> None:
        for _ in range(workload.steps):
            for module, Xs, asked in calls:
                with torch.set_grad_enabled(training):
                    Y = module(*Xs)
                if training:
                    torch.autograd.grad(Y, asked, Y.detach())

    return run


class Pictures(Dataset):
    """Grey pictures N×H×W×1 with their labels, as torchvision's own sets have them."""

    def __init__(self, transform: Callable) -> None:
        from PIL import Image

        images, self.labels = reading.pictures()
        self.images, self.transform = images[..., 0], transform
        self.picture = Image.fromarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = self.picture(self.images[index])
        return self.transform(picture), int(self.labels[index])


def read(size: int, workers: int) -> Measure:
    """Epochs of Fashion-MNIST as PyTorch's tutorials read them, in images/s."""
    transforms = _torchvision().transforms
    steps = [
        transforms.Resize((size, size)),
        transforms.ToTensor(),
        transforms.Normalize(reading.MEAN, reading.STD),
    ]
    data = Pictures(transforms.Compose(steps))
    loader = DataLoader(data, reading.BATCH_SIZE, shuffle=True, num_workers=workers)
    return partial(reading.images_per_second, lambda: loader)
