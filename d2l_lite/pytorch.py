"""The book's tools for PyTorch: networks, canonical weights, training."""

import random
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from d2l_lite import common
from d2l_lite.backend import Backend, Predict
from d2l_lite.common import *
from d2l_lite.data import scale
from d2l_lite.devices import torch_processes as devices
from d2l_lite.models import pytorch as models
from d2l_lite.models.pytorch import *
from d2l_lite.networks import layer_names as naming
from d2l_lite.training import trainer as training

__all__ = common.offers(models)

KINDS = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "norm",
    nn.Linear: "linear",
    nn.AvgPool2d: "pool",
}


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


scale.accelerator_found(device().type != "cpu")


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """NumPy images N×C×H×W, or labels, as a tensor of the same shape, on the device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device())


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a NumPy array; feature maps N×C×H×W."""
    return tensor.detach().cpu().numpy()


class Trainer(training.Trainer):
    """Trains a `torch.nn.Module`; see `d2l_lite.training.trainer.Trainer`.

    For several devices torchrun starts a process each, which run the same program. With
    `sync_batch_norm=False` the running statistics are the means of the devices' own.
    """

    @property
    def primary(self) -> bool:
        return devices.group().rank == 0

    def prepare(self, model: nn.Module) -> training.Step:
        group = devices.join(self.devices)
        context, scaler = devices.mixed(self.precision, device())
        # Channels last: equal values, and the layout of the fastest convolutions.
        model.to(device(), memory_format=torch.channels_last)
        network = group.replica(model, self.sync_batch_norm)
        if self.compile:
            network = torch.compile(network)
        optimizer = torch.optim.SGD(
            model.parameters(),
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            weight_decay=self.weight_decay,
            fused=True,  # one call for all parameters: the same sums, less Python
        )

        check = _backend.batch_check(model, "Trainer.fit")
        trainable = _backend.trainable(model)
        dtype = next(model.parameters()).dtype
        apart = group.size > 1 and not self.sync_batch_norm

        def train(images, labels, learning_rate):
            model.train()
            X, y = map(to_tensor, group.part(*check(images, labels)))
            X = X.to(memory_format=torch.channels_last)
            with context():
                logits = network(X)
            loss = F.cross_entropy(logits.to(dtype), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            optimizer.param_groups[0]["lr"] = learning_rate
            scaler.step(optimizer)
            scaler.update()
            if apart:
                group.average(model)
            return group.whole(loss.detach(), (logits.argmax(dim=1) == y).sum())

        def velocity(parameter):
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            return state["momentum_buffer"]

        def read():
            return {name: to_numpy(velocity(p)) for name, p in trainable.items()}

        def write(velocities):
            for name, parameter in trainable.items():
                _write(velocity(parameter), velocities[name])

        def reseed(seed):
            torch.manual_seed(seed + group.rank)

        draws = any(isinstance(m, nn.Dropout) and m.p for m in model.modules())
        return training.Step(train, read, write, reseed if draws else None)

    def forward(self, model: nn.Module) -> Predict:
        return _backend.evaluator(model)


def _gradients(
    model: nn.Module, images: np.ndarray, labels: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    mode = model.training
    trainable = _backend.trainable(model)
    try:
        loss = F.cross_entropy(model.train()(to_tensor(images)), to_tensor(labels))
        gradients = torch.autograd.grad(loss, list(trainable.values()))
    finally:
        model.train(mode)
    return loss.item(), dict(zip(trainable, map(to_numpy, gradients)))


def _forward(model: nn.Module) -> Predict:
    @torch.inference_mode()
    def forward(images):
        mode = model.training
        # Convolutions follow the images' layout, whatever that of the weights is.
        X = to_tensor(images).to(memory_format=torch.channels_last)
        try:
            return to_numpy(model.eval()(X))
        finally:
            model.train(mode)

    return forward


def _children(module: nn.Module) -> list[nn.Module]:
    return list(getattr(module, "layers", module).children())


def _write(array: torch.Tensor, new: np.ndarray) -> None:
    with torch.no_grad():
        array.copy_(torch.as_tensor(new))


_backend = Backend(
    framework="pytorch",
    network=models.DenseNet,
    place=lambda model, seed: model.to(device()),
    children=_children,
    kind=partial(naming.kind_of, kinds=KINDS),
    names={},
    shape=lambda array: tuple(array.shape),
    read=lambda array: to_numpy(array).copy(),
    write=_write,
    forward=_forward,
    gradients=_gradients,
)
build = _backend.build
save = _backend.save
load = _backend.load
pretrained = _backend.pretrained
classify = _backend.classify
initialize = _backend.initialize
get_weights = _backend.get_weights
set_weights = _backend.set_weights
count_parameters = _backend.count_parameters
predict = _backend.predict
loss_and_gradients = _backend.loss_and_gradients
backend = _backend
