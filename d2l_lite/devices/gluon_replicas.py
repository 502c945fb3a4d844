"""MXNet's graphs, and replicas of a network on several contexts or hosts."""

import copy
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count as numbers
from weakref import WeakKeyDictionary, ref

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
_graphs = WeakKeyDictionary()
# While a block is traced, its parts change for a moment.
_lock = threading.Lock()


def provide(count: int) -> None:
    """Let `count` CPU contexts synchronise: it must come before `d2l_lite.mxnet`.

    See chapter `many_devices`.
    """
    if count > 1 and "d2l_lite.mxnet" not in sys.modules:
        os.environ.setdefault(BUFFERS, str(ENOUGH))


def parts(block: gluon.Block) -> Iterator[gluon.Block]:
    """A block and everything in it."""
    yield block
    for child in block._children.values():
        yield from parts(child)


def efficient(block: gluon.Block) -> bool:
    """Whether a part of it computes features twice, which no graph can do."""
    return any(getattr(part, "memory_efficient", False) for part in parts(block))


def hybridize(block: gluon.Block) -> None:
    """Make graphs of the largest parts without recomputation."""
    if not efficient(block):
        # A static graph plans its memory once instead of at every step.
        block.hybridize(static_alloc=True, static_shape=True)
    elif not getattr(block, "memory_efficient", False):
        for child in block._children.values():
            hybridize(child)


def copied(block: gluon.Block, context: mx.Context) -> gluon.Block:
    """A copy of a block in a context, imperative, with gradients of its own."""
    # deepcopy takes None for the compiled graphs that a part has, which it cannot copy.
    graphs = (getattr(part, "_cached_op", None) for part in parts(block))
    with _lock:
        found = copy.deepcopy(block, {id(graph): None for graph in graphs if graph})
    found.hybridize(False)
    for parameter in found.collect_params().values():
        if parameter.grad_req == "add":
            parameter.grad_req = "write"
    found.collect_params().reset_ctx([context])
    return found


def graph(network: gluon.Block) -> gluon.Block:
    """A network as one graph of the same parameters, or itself with parts as graphs.

    The graph is kept for as long as the network lives and consists of the same blocks
    and parameters; values of these may change. The network itself stays imperative.
    """
    if efficient(network) or not isinstance(network, gluon.HybridBlock):
        hybridize(network)
        return network
    _, *blocks = parts(network)
    parameters = list(network.collect_params().values())
    # Once a block is traced, its parts hold it: held here, they would keep it for ever.
    made_of = [*map(ref, blocks), *parameters, *(array.dtype for array in parameters)]
    # A frozen batch norm makes another graph.
    made_of += [getattr(b, "_kwargs", {}).get("use_global_stats") for b in blocks]
    with _lock:
        known, traced = _graphs.get(network, (None, None))
        if known != made_of:
            images = mx.sym.var("images", dtype=parameters[0].dtype).as_np_ndarray()
            outputs = network(images)
            traced = gluon.SymbolBlock(outputs, images, network.collect_params())
            hybridize(traced)
            _graphs[network] = made_of, traced
    return traced


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


def check(trainer: Trainer, model: gluon.Block, drops: bool) -> None:
    """Raise `ValueError` for what MXNet, the machine or the model cannot do.

    `drops` says whether the model has dropout.
    """
    gpus, twice = mx.context.num_gpus(), efficient(model)
    parameters = model.collect_params().values()
    types = {np.dtype(p.dtype).name for p in parameters}
    if any(p.grad_req == "add" for p in parameters):
        raise ValueError(
            "Trainer.fit: grad_req='add' sums all steps; set it to 'write'"
        )
    low = trainer.precision != "float32"

    def refuse(option, problem, reason):
        if problem:
            call = f"Trainer({option}={getattr(trainer, option)!r})"
            raise ValueError(f"{call}: {reason}")

    refuse("compile", trainer.compile, "MXNet makes graphs anyway; leave it out")
    refuse("devices", 0 < gpus < trainer.devices, f"MXNet finds {gpus} GPUs")
    in_graphs = "MXNet has it in graphs, which memory_efficient=True is not"
    if low:
        precision, wide = partial(refuse, "precision"), "choose float32"
        half = trainer.precision == "float16"
        precision(half, "needs GPUs and a loss scale; choose bfloat16 or float32")
        precision(gpus, f"MXNet has it on CPUs only; {wide}")
        precision(twice, f"{in_graphs}; {wide}")
        precision(drops, f"MXNet has it without dropout only; {wide}")
        precision(not has_bfloat16(), f"needs a CPU with AVX-512; {wide}")
    if trainer.sync_batch_norm and several(trainer):
        sync, apart = partial(refuse, "sync_batch_norm"), "choose sync_batch_norm=False"
        sync(hosts(), f"MXNet has it within one host only; {apart}")
        sync(low or types != {"float32"}, f"MXNet has it in float32 only; {apart}")
        sync(twice, f"{in_graphs}; {apart}")
        if not gpus:
            sync(drops, f"with dropout MXNet has it on GPUs only; {apart}")
            setting = f"{BUFFERS}={ENOUGH}"
            sync(not room(), f"start Python with {setting}, or {apart}")


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
        loss: of logits and labels, the mean.
    """

    def __init__(
        self,
        trainer: Trainer,
        model: gluon.Block,
        backend: Backend,
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
            network = copied(model, context)
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
                if array.grad_req != "null":
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
