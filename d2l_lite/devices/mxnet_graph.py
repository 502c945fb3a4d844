"""MXNet's networks as graphs, which run faster than their layers one by one."""

import json
from collections.abc import Callable, Iterator, Mapping
from weakref import WeakKeyDictionary, ref

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import gluon

from d2l_lite.training.trainer import Trainer

# Of a parameter, in the graph that moves it.
ARRAYS = "weight", "gradient", "velocity"
_graphs = WeakKeyDictionary()


def parts(block: gluon.Block) -> Iterator[gluon.Block]:
    """A block and everything in it."""
    yield block
    for child in block._children.values():
        yield from parts(child)


def efficient(block: gluon.Block) -> bool:
    """Whether a part of it computes features twice, which no graph can do."""
    return any(getattr(part, "memory_efficient", False) for part in parts(block))


def graph(network: gluon.Block) -> gluon.Block:
    """A network as one graph of the same parameters, or itself with parts as graphs.

    The graph is kept for as long as the network lives and consists of the same blocks
    and parameters; values of these may change.
    """
    if efficient(network) or not isinstance(network, gluon.HybridBlock):
        hybridize(network)
        return network
    _, *blocks = parts(network)
    parameters = list(network.collect_params().values())
    # Once a block is traced, its parts hold it: held here, they would keep it for ever.
    made_of = [*map(ref, blocks), *parameters, *(array.dtype for array in parameters)]
    if _graphs.get(network, [None])[0] != made_of:
        _graphs[network] = made_of, _traced(network, parameters)
    return _graphs[network][1]


def _traced(
    network: gluon.HybridBlock, parameters: list[gluon.Parameter]
) -> gluon.SymbolBlock:
    images = mx.sym.var("images", dtype=parameters[0].dtype).as_np_ndarray()
    description = json.loads(network(images).tojson())
    channels = []  # of what each node makes
    for node in description["nodes"]:
        entering = [channels[source] for source, *_ in node["inputs"]]
        made = entering[0] if entering else 0
        if node["op"] == "Convolution":
            made = int(node["attrs"]["num_filter"])
        if node["op"] == "_npi_concatenate":
            made = sum(entering)
            # NumPy's operator wants plain layout: what convolutions make is copied into
            # it, and back for the next ones. oneDNN's takes it in packs of 8 or 16
            # channels, as it is; but its gradient cuts no pack.
            if all(count % 16 == 0 for count in entering):
                node["op"] = "Concat"
                node["attrs"]["dim"] = node["attrs"].pop("axis")
        channels.append(made)
    symbol = mx.sym.load_json(json.dumps(description)).as_np_ndarray()
    traced = gluon.SymbolBlock(symbol, images, network.collect_params())
    hybridize(traced)
    return traced


def hybridize(block: gluon.Block) -> None:
    """Make graphs of the largest parts without recomputation."""
    if not efficient(block):
        # A static graph plans its memory once instead of at every step.
        block.hybridize(static_alloc=True, static_shape=True)
    elif not getattr(block, "memory_efficient", False):
        for child in block._children.values():
            hybridize(child)


def updater(
    trainer: Trainer,
    trainable: Mapping[str, gluon.Parameter],
    velocities: Mapping[str, mx.np.ndarray],
) -> Callable[[float], None]:
    """A function of the learning rate that moves velocities and parameters in place."""
    # By hand, for gluon.Trainer keeps the learning rate inside the velocity: where the
    # rate changes, its updates are other than PyTorch's. One graph for all parameters,
    # for hundreds of calls from Python take longer than what they compute.
    rate, moved = mx.sym.var("rate").as_np_ndarray(), []
    for name in trainable:
        weight, gradient, velocity = (
            mx.sym.var(f"{name}/{array}").as_np_ndarray() for array in ARRAYS
        )
        # A prediction may leave a weight in oneDNN's layout, which a copy puts right.
        weight = mx.sym.identity(weight.as_nd_ndarray()).as_np_ndarray()
        gradient = gradient + trainer.weight_decay * weight
        velocity = trainer.momentum * velocity + gradient
        move = gradient + trainer.momentum * velocity if trainer.nesterov else velocity
        moved += [velocity.as_nd_ndarray(), (weight - rate * move).as_nd_ndarray()]
    graph = mx.sym.Group(moved).as_np_ndarray()
    inputs, move_all = graph.list_inputs(), mx.nd.CachedOp(graph)

    def update(learning_rate):
        arrays, targets = {}, []
        for name, parameter in trainable.items():
            own = parameter.data(), parameter.grad(), velocities[name]
            arrays |= zip((f"{name}/{array}" for array in ARRAYS), own)
            targets += [velocities[name], parameter.data()]
        place = {"dtype": targets[0].dtype, "ctx": targets[0].ctx}
        arrays["rate"] = mx.np.array(learning_rate, **place)
        move_all(*(arrays[name] for name in inputs), out=targets)

    return update
