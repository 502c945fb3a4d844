"""JAX without the book's library: a bare loop, and Flax as its guide has it."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.contender import Run
from benchmarks.workload import Layer, Workload
from d2l_lite.models.jax import DenseNet

SGD = optax.chain(
    optax.add_decayed_weights(1e-4), optax.sgd(0.01, momentum=0.9, nesterov=True)
)


def bare(workload: Workload, optimised: bool = True) -> Run:
    """The book's network as an expert trains it: one pure step, its state donated."""
    graphdef, parameters, statistics = nnx.split(_network(workload), nnx.Param, ...)
    state = parameters, statistics, SGD.init(parameters)
    images, labels = _batches(workload)
    options = {} if optimised else {"xla_backend_optimization_level": 0}

    def loss_function(parameters, statistics, X, y):
        model = nnx.merge(graphdef, parameters, statistics, copy=True)
        loss = optax.softmax_cross_entropy_with_integer_labels(model(X), y).mean()
        return loss, nnx.split(model, nnx.Param, ...)[2]

    @partial(jax.jit, donate_argnums=0, compiler_options=options)
    def step(state, X, y):
        parameters, statistics, optimizer = state
        differentiate = jax.value_and_grad(loss_function, has_aux=True)
        (loss, statistics), found = differentiate(parameters, statistics, X, y)
        moves, optimizer = SGD.update(found, optimizer, parameters)
        parameters = optax.apply_updates(parameters, moves)
        return (parameters, statistics, optimizer), loss

    def run() -> None:
        nonlocal state
        losses = []
        for X, y in zip(images, labels):
            state, loss = step(state, X, y)
            losses.append(loss)
        jax.block_until_ready((state, losses))

    return run


def reference(workload: Workload) -> Run:
    """`nnx.jit`, `nnx.Optimizer` and `nnx.MultiMetric`, as in Flax's guide."""
    return _loop(_network(workload), workload)


def mixed(workload: Workload) -> Run:
    """The same with Flax's layers computing in bfloat16."""
    model = _network(workload)
    for _, layer in nnx.iter_graph(model):
        if isinstance(layer, nnx.BatchNorm | nnx.Conv | nnx.Linear):
            layer.dtype = jnp.bfloat16
    return _loop(model, workload)


def _loop(model: nnx.Module, workload: Workload) -> Run:
    optimizer = nnx.Optimizer(model, SGD, wrt=nnx.Param)
    metrics = nnx.MultiMetric(
        accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss")
    )
    images, labels = _batches(workload)

    def loss_function(model, X, y):
        logits = model(X).astype(jnp.float32)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        return losses.mean(), logits

    @nnx.jit
    def train_step(model, optimizer, metrics, X, y):
        differentiate = nnx.value_and_grad(loss_function, has_aux=True)
        (loss, logits), gradients = differentiate(model, X, y)
        metrics.update(loss=loss, logits=logits, labels=y)
        optimizer.update(model, gradients)

    def run() -> None:
        for X, y in zip(images, labels):
            train_step(model, optimizer, metrics, X, y)
        metrics.compute()
        metrics.reset()
        jax.block_until_ready(nnx.state(model))

    return run


def inference(workload: Workload) -> Run:
    """`nnx.jit` of the network in evaluation mode."""
    model = _network(workload)
    model.eval()
    images, _ = _batches(workload)

    @nnx.jit
    def logits(model, X):
        return model(X)

    def run() -> None:
        for X in images:
            jax.device_get(logits(model, X))

    return run


def _batches(workload: Workload):
    images, labels = workload.batches()
    images = images.transpose(0, 1, 3, 4, 2)
    return list(map(jnp.asarray, images)), list(map(jnp.asarray, labels))


def _network(workload: Workload) -> nnx.Module:
    """The book's network: Flax itself has none."""
    # Compiled as a whole, for each weight by itself would compile a draw of its own.
    make = nnx.jit(lambda: DenseNet(**workload.arguments, rngs=nnx.Rngs(0)))
    return make()


class Concatenation(nnx.Module):
    """Joins arrays along their channels."""

    def __call__(self, *Xs: jax.Array) -> jax.Array:
        return jnp.concatenate(Xs, axis=-1)


class ReLU(nnx.Module):
    def __call__(self, X: jax.Array) -> jax.Array:
        return jax.nn.relu(X)


MAKERS: dict[str, Callable[[Layer, nnx.Rngs], nnx.Module]] = {
    "concatenation": lambda layer, rngs: Concatenation(),
    "normalisation": lambda layer, rngs: nnx.BatchNorm(
        layer.channels, use_fast_variance=False, rngs=rngs
    ),
    "ReLU": lambda layer, rngs: ReLU(),
    "convolution": lambda layer, rngs: nnx.Conv(
        *layer.inputs,
        layer.channels,
        (layer.kernel_size, layer.kernel_size),
        layer.stride,
        padding=layer.kernel_size // 2,
        use_bias=layer.bias,
        rngs=rngs,
    ),
}


def layers(found: Sequence[Layer], workload: Workload, training: bool) -> Run:
    """Layers, each by itself on arrays of its own."""
    rngs, calls = nnx.Rngs(0), []

    @partial(jax.jit, static_argnums=(0, 1))
    def compute(graphdef, of_images, weights, rest, Xs):
        def forward(weights, Xs):
            return nnx.merge(graphdef, weights, rest, copy=True)(*Xs)

        if not training:
            return forward(weights, Xs)
        if of_images:  # nobody asks for their gradient
            Y, back = jax.vjp(lambda weights: forward(weights, Xs), weights)
        else:
            Y, back = jax.vjp(forward, weights, Xs)
        # With Y, or XLA would see that what is joined here is only taken apart again.
        return Y, back(Y)

    for layer in found:
        graphdef, *state = nnx.split(MAKERS[layer.kind](layer, rngs), nnx.Param, ...)
        pixels = (layer.pixels, layer.pixels)
        sizes = [(workload.batch_size, *pixels, c) for c in layer.inputs]
        Xs = [jax.random.normal(rngs(), size) for size in sizes]
        calls.append((graphdef, layer.place == "stem", *state, Xs))

    def run() -> None:
        for _ in range(workload.steps):
            jax.block_until_ready([compute(*call) for call in calls])

    return run
