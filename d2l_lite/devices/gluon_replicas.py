"""Several contexts or hosts, and bfloat16, for MXNet: replicas and a KVStore."""

import copy
import os
import sys
from collections.abc import Callable
from functools import cache
from itertools import count as numbers

import numpy as np

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

from d2l_lite.backend import Backend
from d2l_lite.checks import check_parts
from d2l_lite.networks.layer_names import name_layers
from d2l_lite.networks.weights import is_trainable
from d2l_lite.training.trainer import Trainer

# CPU contexts share so many buffers, 4 unless told. Operators with the same one run in
# turn: if the first then waits for the other's device, that is for ever.
BUFFERS, ENOUGH = "MXNET_CPU_TEMP_COPY", 4096
_trainings = numbers()


def provide(count: int) -> None:
    """Let `count` CPU contexts synchronise: it must come before `d2l_lite.mxnet`."""
    if count > 1 and "d2l_lite.mxnet" not in sys.modules:
        os.environ.setdefault(BUFFERS, str(ENOUGH))


def room() -> bool:
    """Whether CPU contexts can wait for each other, as `provide` makes them."""
    return int(os.environ.get(BUFFERS, 4)) >= ENOUGH


@cache
def hosts() -> mx.kv.KVStore | None:
    """This process's end of the store between hosts, None if there is one host.

    There are several where `DMLC_ROLE` is "worker", as MXNet's launcher sets it.
    """
    if os.environ.get("DMLC_ROLE") != "worker":
        return None
    return mx.kv.create("dist_sync")


def several(trainer: Trainer) -> bool:
    """Whether a batch is parted, among devices or hosts."""
    return trainer.devices > 1 or hosts() is not None


@cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies such numbers: MXNet needs AVX-512 for it."""
    from mxnet.contrib import amp

    X = mx.nd.amp_cast(mx.nd.ones((1, 1, 3, 3)), dtype=amp.amp.bfloat16)
    try:
        mx.nd.Convolution(X, X, None, (3, 3), num_filter=1, no_bias=True).wait_to_read()
    except mx.MXNetError:
        return False
    return True


class Replicas:
    """Loss and gradients of a batch, each device computing those of its part.

    Each has a copy of the network, which takes the model's weights before each step; a
    KVStore adds up the gradients into those of the model.

    Without synchronised batch norm, the running statistics that the model keeps are
    the mean of those of all devices. With it, MXNet's variance is the mean of squares
    less the square of the mean, and rounding grows with the latter.

    Args:
        trainer: says how many devices, and which precision.
        model: the network, on the first device.
        backend: of `d2l_lite.mxnet`.
        hybridize: makes graphs of a network's parts.
        loss: of logits and labels, the mean.
    """

    def __init__(
        self,
        trainer: Trainer,
        model: gluon.Block,
        backend: Backend,
        hybridize: Callable[[gluon.Block], None],
        loss: Callable[[mx.np.ndarray, mx.np.ndarray], mx.np.ndarray],
    ) -> None:
        kind = mx.gpu if mx.context.num_gpus() else mx.cpu
        self.contexts = [kind(i) for i in range(trainer.devices)]
        self.store = hosts() or mx.kv.create("device")
        self.parts = self.store.num_workers * trainer.devices
        self.sync = several(trainer) and trainer.sync_batch_norm
        self.loss, self.arrays = loss, backend.arrays(model)
        self.networks, self.copies = [], []
        # Stores and batch norms know each other by keys, of which no two may be equal.
        self.prefix = f"training{next(_trainings)}/"
        for context in self.contexts:
            network = copy.deepcopy(model)
            network.collect_params().reset_ctx([context])
            self.copies.append(backend.arrays(network))
            if self.sync:
                self._synchronise(network, backend)
            if trainer.precision == "bfloat16":
                network = _in_bfloat16(network)
            hybridize(network)
            self.networks.append(network)
        for name, array in self.arrays.items():
            self.store.init(self.prefix + name, mx.np.zeros(array.shape, array.dtype))
        self.store.init(self.prefix + "result", mx.np.zeros(2, array.dtype))

    def _synchronise(self, network: gluon.Block, backend: Backend) -> None:
        """Give a copy MXNet's own synchronised batch norm, with the weights it has."""
        for name, layer in name_layers(network, backend.children, backend.kind):
            if isinstance(layer, nn.BatchNorm):
                options = {k: v for k, v in layer._kwargs.items() if k != "axis"}
                options |= {"ndev": self.parts, "key": self.prefix + name}
                layer.hybrid_forward = _synchronised(options)

    def __call__(self, images: np.ndarray, labels: np.ndarray) -> tuple:
        """Put the gradients of a batch's mean loss into the model's own.

        Returns its mean loss and its number of right predictions, as lazy arrays.

        Raises:
            ValueError: the batch has no equal parts.
        """
        check_parts(len(images), self.parts, "Trainer.fit")
        size = len(images) // self.parts
        self._hand_out()
        # A NumPy array waits for the first context, where a batch norm may wait.
        first, batches = self.store.rank * len(self.contexts), []
        for part, context in enumerate(self.contexts, first):
            rows = slice(part * size, (part + 1) * size)
            batch = images[rows], labels[rows]
            batches.append([mx.np.array(a, a.dtype, ctx=context) for a in batch])
        losses, results = [], []
        for network, (X, y) in zip(self.networks, batches):
            with autograd.record():
                logits = network(X)
                losses.append(self.loss(logits, y) / self.parts)
            correct = (logits.argmax(axis=1) == y).sum().astype(losses[-1].dtype)
            results.append(mx.np.stack([losses[-1].detach(), correct]))
        autograd.backward(losses)
        self._gather()
        total = mx.np.zeros_like(results[0])
        self._add("result", results, total)
        return total[0], total[1]

    def _hand_out(self) -> None:
        for copied in self.copies:
            for name, array in self.arrays.items():
                array.data().copyto(copied[name].data())
        # What a batch norm waits for must not queue behind it.
        mx.nd.waitall()

    def _gather(self) -> None:
        # On CPUs the backward pass moves running statistics; their readers do not wait.
        mx.nd.waitall()
        for name, array in self.arrays.items():
            copied = [arrays[name] for arrays in self.copies]
            if is_trainable(name):
                self._add(name, [c.grad() for c in copied], array.grad())
            elif self.sync:
                copied[0].data().copyto(array.data())
            else:
                self._add(name, [c.data() for c in copied], array.data())
                array.data()[:] /= self.parts

    def _add(self, name: str, arrays: list, total: mx.np.ndarray) -> None:
        self.store.push(self.prefix + name, arrays)
        self.store.pull(self.prefix + name, out=total)


def _synchronised(options: dict) -> Callable:
    """MXNet's operator as what a layer's forward pass calls."""

    def hybrid_forward(F, X, gamma, beta, running_mean, running_var):
        arrays = X, gamma, beta, running_mean, running_var
        # The operator is older than MXNet's NumPy arrays.
        arrays = [array.as_nd_ndarray() for array in arrays]
        return F.contrib.SyncBatchNorm(*arrays, **options).as_np_ndarray()

    return hybrid_forward


def _in_bfloat16(network: gluon.Block) -> gluon.Block:
    """The network's graph with MXNet's casts to bfloat16, of the same parameters."""
    from mxnet.contrib import amp

    images = mx.sym.var("images", dtype="float32").as_np_ndarray()
    graph = amp.convert_symbol(network(images), "bfloat16", data_names=["images"])
    return gluon.SymbolBlock(graph.as_np_ndarray(), images, network.collect_params())
