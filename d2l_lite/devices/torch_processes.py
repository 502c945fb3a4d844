"""Several devices in PyTorch: one process for each, and torchrun starts them."""

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType, MethodType

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from d2l_lite.checks import check_parts


def provide(count: int) -> None:
    """Nothing: each of `count` processes has the processor, or a GPU of its own."""


@dataclass(frozen=True)
class Group:
    """The processes that train one network together, and this one's place.

    Args:
        rank: of this process, from 0.
        size: number of processes, on all machines.
        local_rank, local_size: the same among the processes of this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    def part(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        """This process's equal, contiguous part of a batch.

        Raises:
            ValueError: the batch has no equal parts.
        """
        check_parts(len(labels), self.size, "Trainer.fit")
        count = len(labels) // self.size
        rows = slice(self.rank * count, (self.rank + 1) * count)
        return images[rows], labels[rows]

    def replica(self, model: nn.Module, sync_batch_norm: bool) -> nn.Module:
        """A network that trains `model`: its gradients are means over the processes.

        It shares the arrays of `model`, which stays as it is.
        """
        if self.size == 1:
            return model
        if sync_batch_norm:
            norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
            replaced = {id(norm): BatchNormOfAll(norm, self) for norm in norms}
            arrays = *model.parameters(), *model.buffers()
            model = twin(model, arrays, replaced).train()
        return DistributedDataParallel(model)

    def whole(
        self, loss: torch.Tensor, correct: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The whole batch's mean loss and right predictions, from the parts' own."""
        if self.size == 1:
            return loss, correct
        both = torch.stack([loss / self.size, correct.to(loss.dtype)])
        dist.all_reduce(both)
        return both[0], both[1]

    @torch.no_grad()
    def average(self, model: nn.Module) -> None:
        """Give all processes the mean of their running statistics."""
        arrays = [array for array in model.buffers() if array.is_floating_point()]
        means = torch.cat([array.flatten() for array in arrays]) / self.size
        dist.all_reduce(means)
        for array, mean in zip(arrays, means.split([a.numel() for a in arrays])):
            array.copy_(mean.view_as(array))


def twin(
    model: nn.Module,
    arrays: Iterable[torch.Tensor],
    replaced: Mapping[int, nn.Module] = MappingProxyType({}),
) -> nn.Module:
    """A copy of a model's modules that shares some of its arrays, and all the rest.

    `replaced` has other modules for some, by their `id`.

    Raises:
        ValueError: a part of it cannot be copied.
    """
    # What may hold modules is copied; a hook, or a lock, stays its owner's.
    copied = nn.Module, dict, list, set, tuple, partial, MethodType
    rest = (
        value
        for module in model.modules()
        for name, value in vars(module).items()
        if name.endswith("_hooks") or not isinstance(value, copied)
    )
    # What the memo names, deepcopy takes instead of a copy.
    memo = {id(one): one for one in (*arrays, *rest)} | replaced
    try:
        return copy.deepcopy(model, memo)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            "the model is to stay as it is, and cannot be copied: call its eval() "
            f"before it predicts ({error})"
        ) from error


def group() -> Group:
    """The processes that torchrun has started, or this one alone."""
    found = os.environ
    if dist.is_initialized():
        rank, size = dist.get_rank(), dist.get_world_size()
    elif {"WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR"} <= found.keys():
        rank, size = int(found["RANK"]), int(found["WORLD_SIZE"])
    else:
        return Group()
    local = {"LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size} | found
    return Group(rank, size, int(local["LOCAL_RANK"]), int(local["LOCAL_WORLD_SIZE"]))


def gpu(group: Group) -> torch.device:
    """This process's GPU.

    Raises:
        ValueError: there are more processes than GPUs.
    """
    if (count := torch.cuda.device_count()) < group.local_size:
        raise ValueError(
            f"torchrun --nproc-per-node={group.local_size}: each process needs a GPU, "
            f"and this machine has {count}; start that many"
        )
    return torch.device("cuda", group.local_rank)


def join(devices: int) -> Group:
    """Connect this process with the others, if there are others.

    Raises:
        ValueError: torchrun has started another number of processes on this machine
            than `devices`; one, the default, takes as many as there are.
    """
    found = group()
    if devices not in (1, found.local_size):
        raise ValueError(
            f"Trainer(devices={devices}): PyTorch has a process for each device, and "
            f"here {'is' if found.local_size == 1 else 'are'} {found.local_size}; "
            f"start the program by `torchrun --standalone --nproc-per-node={devices} "
            "program.py`; `python -m d2l_lite train` does so itself"
        )
    if found.size > 1 and not dist.is_initialized():
        if cuda := torch.cuda.is_available():
            torch.cuda.set_device(gpu(found))
        dist.init_process_group("nccl" if cuda else "gloo")
    return found


def mixed(
    precision: str, device: torch.device
) -> tuple[Callable[[], AbstractContextManager], torch.amp.GradScaler]:
    """The context of a forward pass in a precision, and the scaler of its loss.

    Raises:
        ValueError: the device has no such precision.
    """
    cuda, call = device.type == "cuda", f"Trainer(precision={precision!r})"
    if precision == "bfloat16" and cuda and not torch.cuda.is_bf16_supported():
        raise ValueError(f"{call}: this GPU has none; choose float16 or float32")
    if precision == "float16" and not cuda:
        raise ValueError(f"{call}: needs a CUDA GPU; choose bfloat16 or float32")
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    if precision == "float32":
        return nullcontext, scaler
    return partial(torch.autocast, device.type, getattr(torch, precision)), scaler


class _Sum(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx, array):
        array = array.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(array)
        return array

    @staticmethod
    def backward(ctx, gradient):
        return _Sum.forward(ctx, gradient)


class BatchNormOfAll(nn.Module):
    """Batch norm by the statistics of all processes' images, N×C×H×W.

    It shares another one's arrays. PyTorch's `SyncBatchNorm` keeps unbiased variances.
    """

    def __init__(self, norm: nn.BatchNorm2d, group: Group) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        for name, array in norm.named_buffers():
            self.register_buffer(name, array)
        self.eps, self.momentum, self.group = norm.eps, norm.momentum, group

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        exact = X.to(self.weight.dtype)
        var, mean = torch.var_mean(exact, dim=(0, 2, 3), correction=0)
        # Every process fills its own row: the sum of all tables has them all.
        own = torch.stack([mean, var])
        rows = [torch.zeros_like(own)] * self.group.size
        rows[self.group.rank] = own
        means, vars = _Sum.apply(torch.stack(rows)).unbind(1)
        mean = means.mean(0)
        # The mean variance within the parts, and the variance between their means.
        var = vars.mean(0) + means.var(0, correction=0)
        self.running_mean.lerp_(mean.detach(), self.momentum)
        self.running_var.lerp_(var.detach(), self.momentum)
        scale = self.weight * torch.rsqrt(var + self.eps)
        shift = self.bias - mean * scale
        return (exact * scale[:, None, None] + shift[:, None, None]).to(X.dtype)
