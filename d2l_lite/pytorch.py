"""The book's tools for PyTorch: networks, canonical weights, training."""

import random
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

from d2l_lite import shared_names
from d2l_lite.backend import Backend, Predict
from d2l_lite.devices import torch_processes as devices
from d2l_lite.models import pytorch as models
from d2l_lite.models.pytorch import *
from d2l_lite.shared_names import *
from d2l_lite.training import trainer
from d2l_lite.training.state import Step

__all__ = shared_names.public(models)


def device() -> torch.device:
    """The first accelerator, or the processor; under torchrun each process has its own.

    Raises:
        ValueError: torchrun has started more processes than this machine has GPUs.
    """
    group = devices.group()
    if torch.cuda.is_available():
        return devices.gpu(group) if group.size > 1 else torch.device("cuda")
    # The GPU of a Mac is one, and connects no processes.
    mps = group.size == 1 and torch.backends.mps.is_available()
    return torch.device("mps" if mps else "cpu")


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """NumPy images N×C×H×W, or labels, as a tensor of the same shape, on the device.

    See chapter `from_resnet_to_densenet`.
    """
    return torch.from_numpy(np.ascontiguousarray(array)).to(device())


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a NumPy array; feature maps N×C×H×W.

    bfloat16, which NumPy does not know, becomes float32.
    """
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


class PyTorch(Backend):
    """PyTorch as the library uses it."""

    framework = "pytorch"
    kinds = {
        nn.Conv2d: "conv",
        nn.BatchNorm2d: "norm",
        nn.SyncBatchNorm: "norm",
        nn.Linear: "linear",
        nn.AvgPool2d: "pool",
    }

    def accelerator(self) -> str:
        kind = device().type
        names = {"cpu": "", "mps": "the GPU of this Mac"}
        return names[kind] if kind in names else torch.cuda.get_device_name()

    def peak_memory(self) -> int | None:
        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None

    def network(self, **arguments) -> nn.Module:
        return models.DenseNet(**arguments)

    def place(self, model: nn.Module, seed: int) -> None:
        model.to(device())

    def unwrapped(self, model: nn.Module) -> nn.Module:
        parallel = nn.DataParallel, nn.parallel.DistributedDataParallel
        while isinstance(model, (*parallel, AveragedModel)):
            model = model.module
        # What torch.compile returns has no public name for what it holds.
        inner = getattr(model, "_orig_mod", model)
        return model if inner is model else self.unwrapped(inner)

    def children(self, module: nn.Module) -> list[nn.Module]:
        module = self.unwrapped(module)
        return [*map(self.unwrapped, getattr(module, "layers", module).children())]

    def before_pooling(self, features: nn.Sequential) -> nn.Sequential:
        return features[:-2]

    def own(self, model: nn.Module) -> dict[str, torch.Tensor]:
        # With what a quantised layer keeps outside its parameters.
        arrays = model.state_dict(keep_vars=True).items()
        return {n: a for n, a in arrays if not n.endswith("num_batches_tracked")}

    def learning(self, model: nn.Module) -> list[nn.Parameter]:
        return [array for array in model.parameters() if array.requires_grad]

    def freeze(self, layer: nn.Module) -> Callable[[], None]:
        learning = [p for p in layer.parameters(recurse=False) if p.requires_grad]
        for parameter in learning:
            parameter.requires_grad_(False)
        return lambda: [parameter.requires_grad_() for parameter in learning]

    def dropout_rate(self, layer: nn.Module) -> float:
        return layer.p if isinstance(layer, nn.Dropout) else 0.0

    def shape(self, array: torch.Tensor) -> tuple[int, ...]:
        return tuple(array.shape)

    def read(self, array: torch.Tensor) -> np.ndarray:
        return to_numpy(array).copy()

    def write(self, array: torch.Tensor, new: np.ndarray) -> None:
        with torch.no_grad():
            array.copy_(torch.as_tensor(new))

    def forward(self, model: nn.Module) -> Predict:
        # Others may use the model meanwhile: no switch of it is touched.
        if any(module.training for module in model.modules()):
            arrays = *model.parameters(), *model.buffers()
            model = devices.twin(model, arrays).eval()

        @torch.inference_mode()
        def forward(images):
            # Convolutions follow the images' layout, whatever that of the weights is.
            X = _images(model, images).to(memory_format=torch.channels_last)
            return to_numpy(model(X))

        return forward

    @torch.enable_grad()
    def gradients(
        self, model: nn.Module, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        trainable = self.trainable(model)
        # It has running statistics of its own.
        model = devices.twin(model, model.parameters()).train()
        X = _images(model, images)
        logits = model(X)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = F.cross_entropy(logits, to_tensor(labels).to(X.device))
        gradients = torch.autograd.grad(loss, list(trainable.values()))
        return loss.item(), dict(zip(trainable, map(to_numpy, gradients)))


backend = PyTorch()
# `build`, `load`, `predict` and the others of `backend.PUBLIC`.
globals().update(backend.functions())


def _images(model: nn.Module, images: np.ndarray) -> torch.Tensor:
    """Images where the model's first parameter is, and of its type."""
    first = next(model.parameters(), None)
    return to_tensor(images) if first is None else to_tensor(images).to(first)


class Trainer(trainer.Trainer):
    """Trains a `torch.nn.Module`; see `d2l_lite.training.trainer.Trainer`.

    For several devices torchrun starts a process each, which run the same program. With
    `sync_batch_norm=False` the running statistics are the means of the devices' own.
    """

    backend = backend

    @property
    def primary(self) -> bool:
        return devices.group().rank == 0

    def prepare(self, model: nn.Module) -> Step:
        group = devices.join(self.devices)
        context, scaler = devices.mixed(self.precision, device())
        # Channels last: equal values, and the layout of the fastest convolutions.
        model = backend.unwrapped(model)
        model.to(device(), memory_format=torch.channels_last)
        check = backend.training_check(model, "Trainer.fit")
        trainable = backend.trainable(model)
        still = backend.parts(model, self.freeze, "Trainer")
        network = group.replica(model, self.sync_batch_norm)
        if self.compile:
            network = torch.compile(network)
        optimizer = torch.optim.SGD(
            trainable.values(),
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            weight_decay=self.weight_decay,
            fused=True,  # one call for all parameters: the same sums, less Python
        )
        velocities = {name: torch.zeros_like(p) for name, p in trainable.items()}
        for name, parameter in trainable.items():
            optimizer.state[parameter]["momentum_buffer"] = velocities[name]
        dtype = next(model.parameters()).dtype
        wide = torch.promote_types(dtype, torch.float32)
        apart = group.size > 1 and not self.sync_batch_norm

        def train(images, labels, learning_rate):
            model.train()
            for layer in still:
                layer.eval()
            X, y = map(to_tensor, group.part(*check(images, labels)))
            X = X.to(dtype, memory_format=torch.channels_last)
            with context():
                logits = network(X)
            loss = F.cross_entropy(logits.to(wide), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            optimizer.param_groups[0]["lr"] = learning_rate
            scaler.step(optimizer)
            scaler.update()
            if apart:
                group.average(model)
            return group.whole(loss.detach(), (logits.argmax(dim=1) == y).sum())

        def read():
            return {name: backend.read(v) for name, v in velocities.items()}

        def write(arrays):
            for name, v in velocities.items():
                backend.write(v, arrays[name])

        def reseed(seed):
            torch.manual_seed(seed + group.rank)

        drops = any(map(backend.dropout_rate, model.modules()))
        return Step(train, read, write, reseed if drops else None)
