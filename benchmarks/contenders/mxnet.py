"""MXNet without the book's library: bare loops, and Gluon's model zoo.

python -m benchmarks.contenders.mxnet WAY NETWORK SIZE BATCH STEPS
"""

from collections.abc import Callable

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import autograd, gluon

from benchmarks.contenders.tasks import Task, convolutions, take_part
from d2l_lite.models.mxnet import DenseNet
from d2l_lite.networks import zoo

mx.npx.set_np()
SGD = {"learning_rate": 0.01, "momentum": 0.9, "wd": 1e-4}


def bare(task: Task) -> Callable[[], float]:
    """The book's network as an expert trains it: a static graph, no wait in a step."""
    model = DenseNet(**zoo.NETWORKS[task.network])
    return _training(task, model, mx.np.array, expert=True)


def reference(task: Task) -> Callable[[], float]:
    """Gluon's loop, which reads the loss of each step."""
    return _training(task, *_network(task), expert=False)


def _training(task, model, array, expert):
    model.initialize()
    model.hybridize(static_alloc=expert, static_shape=expert)
    trainer = gluon.Trainer(model.collect_params(), "nag", SGD)
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
    loss_function.hybridize(static_alloc=expert, static_shape=expert)
    images, labels = (list(map(array, part)) for part in task.batches())

    def run() -> None:
        running_loss, losses = 0.0, []
        for X, y in zip(images, labels):
            with autograd.record():
                loss = loss_function(model(X), y)
            loss.backward()
            trainer.step(task.batch_size)
            if expert:
                losses.append(loss)
            else:
                running_loss += loss.mean().asnumpy().item()
        mx.npx.waitall()

    return task.timed(run)


def inference(task: Task) -> Callable[[], float]:
    """The model zoo's network, hybridised."""
    model, array = _network(task)
    model.initialize()
    model.hybridize()
    images = list(map(array, task.batches()[0]))

    def run() -> None:
        for X in images:
            model(X).asnumpy()

    return task.timed(run)


def _network(task: Task) -> tuple[gluon.HybridBlock, Callable]:
    """Gluon's own network, else the book's, and what makes arrays for it."""
    if task.network in ("densenet121", "densenet161", "densenet169", "densenet201"):
        # The zoo is older than MXNet's NumPy interface, and does not run under it.
        mx.npx.reset_np()
        return gluon.model_zoo.vision.get_model(task.network), mx.nd.array
    return DenseNet(**zoo.NETWORKS[task.network]), mx.np.array


def alone(training: bool, task: Task) -> Callable[[], float]:
    """The network's convolutions, each by itself: GFLOP/s."""
    layers = []
    for number, c in enumerate(convolutions(task.network, task.size)):
        layer = gluon.nn.Conv2D(
            c.out_channels,
            c.kernel_size,
            c.stride,
            padding=c.kernel_size // 2,
            use_bias=False,
            in_channels=c.in_channels,
        )
        layer.initialize()
        layer.hybridize(static_alloc=True, static_shape=True)
        X = mx.np.random.normal(
            size=(task.batch_size, c.in_channels, c.pixels, c.pixels)
        )
        # Nobody asks for the gradient of the images.
        if training and number:
            X.attach_grad()
        layers.append((layer, X))

    def run() -> None:
        for _ in range(task.steps):
            for layer, X in layers:
                if training:
                    with autograd.record():
                        Y = layer(X)
                    Y.backward(Y)
                else:
                    layer(X)
        mx.npx.waitall()

    return task.timed_flops(run, training)


if __name__ == "__main__":
    take_part(alone, bare=bare, reference=reference, inference=inference)
