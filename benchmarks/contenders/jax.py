"""JAX without the book's library: a bare loop, and Flax as its guide has it.

python -m benchmarks.contenders.jax WAY NETWORK SIZE BATCH STEPS
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.contenders.tasks import Task, convolutions, take_part
from d2l_lite.models.jax import DenseNet
from d2l_lite.networks import zoo

SGD = optax.chain(
    optax.add_decayed_weights(1e-4), optax.sgd(0.01, momentum=0.9, nesterov=True)
)


def bare(task: Task) -> Callable[[], float]:
    """The book's network as an expert trains it: one pure step, its state donated."""
    graphdef, parameters, statistics = nnx.split(_network(task), nnx.Param, ...)
    state = parameters, statistics, SGD.init(parameters)
    images, labels = _batches(task)

    def loss_function(parameters, statistics, X, y):
        model = nnx.merge(graphdef, parameters, statistics, copy=True)
        loss = optax.softmax_cross_entropy_with_integer_labels(model(X), y).mean()
        return loss, nnx.split(model, nnx.Param, ...)[2]

    @partial(jax.jit, donate_argnums=0)
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

    return task.timed(run)


def reference(task: Task) -> Callable[[], float]:
    """`nnx.jit`, `nnx.Optimizer` and `nnx.MultiMetric`, as in Flax's guide."""
    model = _network(task)
    optimizer = nnx.Optimizer(model, SGD, wrt=nnx.Param)
    metrics = nnx.MultiMetric(
        accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss")
    )
    images, labels = _batches(task)

    def loss_function(model, X, y):
        logits = model(X)
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

    return task.timed(run)


def inference(task: Task) -> Callable[[], float]:
    """`nnx.jit` of the network in evaluation mode."""
    model = _network(task)
    model.eval()
    images, _ = _batches(task)

    @nnx.jit
    def logits(model, X):
        return model(X)

    def run() -> None:
        for X in images:
            jax.device_get(logits(model, X))

    return task.timed(run)


def _batches(task: Task):
    images, labels = task.batches()
    images = images.transpose(0, 1, 3, 4, 2)
    return list(map(jnp.asarray, images)), list(map(jnp.asarray, labels))


def _network(task: Task) -> nnx.Module:
    """The book's network: Flax itself has none."""
    # Compiled as a whole, for each weight by itself would compile a draw of its own.
    make = nnx.jit(lambda: DenseNet(**zoo.NETWORKS[task.network], rngs=nnx.Rngs(0)))
    return make()


def alone(training: bool, task: Task) -> Callable[[], float]:
    """The network's convolutions, each by itself: GFLOP/s."""
    keys = iter(jax.random.split(jax.random.key(0), 500))
    layers = []
    for c in convolutions(task.network, task.size):
        pixels = (task.batch_size, c.pixels, c.pixels, c.in_channels)
        size = (c.kernel_size, c.kernel_size, c.in_channels, c.out_channels)
        layers.append(
            (c.stride, *(jax.random.normal(next(keys), s) for s in (pixels, size)))
        )

    @partial(jax.jit, static_argnums=(0, 1))
    def compute(stride, first, X, W):
        convolve = partial(
            jax.lax.conv_general_dilated,
            window_strides=(stride, stride),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        if not training:
            return convolve(X, W)
        # Nobody asks for the gradient of the images.
        Y, back = jax.vjp(partial(convolve, X), W) if first else jax.vjp(convolve, X, W)
        return back(Y)

    def run() -> None:
        for _ in range(task.steps):
            results = [
                compute(stride, number == 0, X, W)
                for number, (stride, X, W) in enumerate(layers)
            ]
            jax.block_until_ready(results)

    return task.timed_flops(run, training)


if __name__ == "__main__":
    take_part(alone, bare=bare, reference=reference, inference=inference)
