"""The same training step run in another mode of its framework: its rate, or its start.

python -m benchmarks.contenders.modes FRAMEWORK MODE rate|first|child
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.contender import serve
from benchmarks.contenders.tasks import Task

TASK = Task("densenet", size=32, batch_size=64, steps=15)
# What an earlier process has compiled must not help: here the first start is measured.
NO_CACHE = {
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
}


def pytorch(mode: str) -> Callable:
    import torch
    import torch.nn.functional as F

    from d2l_lite import pytorch as d2l

    model, form = d2l.build(TASK.network), torch.channels_last
    if mode == "eager":
        form = torch.contiguous_format
    model.to(memory_format=form).train()
    network = torch.compile(model) if mode == "torch.compile" else model
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(X: np.ndarray, y: np.ndarray) -> torch.Tensor:
        X = torch.from_numpy(X).to(memory_format=form)
        loss = F.cross_entropy(network(X), torch.from_numpy(y))
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss.detach()

    return step


def tensorflow(mode: str) -> Callable:
    import tensorflow as tf

    from d2l_lite import tensorflow as d2l

    model = d2l.build(TASK.network)
    weights = [variable.value for variable in model.trainable_variables]
    velocities = [tf.Variable(tf.zeros_like(w)) for w in weights]

    def step(X, y):
        with tf.GradientTape() as tape:
            logits = model(tf.transpose(X, (0, 2, 3, 1)), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_mean(losses)
        for w, v, gradient in zip(weights, velocities, tape.gradient(loss, weights)):
            v.assign(0.9 * v + gradient)
            w.assign_sub(0.01 * v)
        return loss

    if mode == "eager":
        return step
    return tf.function(step, jit_compile=mode == "jit_compile")


def jax(mode: str) -> Callable:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from d2l_lite import jax as d2l

    model = d2l.build(TASK.network)
    model.train()
    graphdef, weights, statistics = nnx.split(model, nnx.Param, ...)
    state = weights, statistics, jax.tree.map(jnp.zeros_like, weights)

    def loss_function(weights, statistics, X, y):
        net = nnx.merge(graphdef, weights, statistics, copy=True)
        logp = jax.nn.log_softmax(net(X.transpose(0, 2, 3, 1)))
        picked = jnp.take_along_axis(logp, y[:, None], axis=1)
        return -picked.mean(), nnx.split(net, nnx.Param, ...)[2]

    def update(state, X, y):
        weights, statistics, velocity = state
        differentiate = jax.value_and_grad(loss_function, has_aux=True)
        (loss, statistics), found = differentiate(weights, statistics, X, y)
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, found)
        weights = jax.tree.map(lambda w, v: w - 0.01 * v, weights, velocity)
        return (weights, statistics, velocity), loss

    options = {"xla_backend_optimization_level": 0} if mode == "level 0" else None
    compiled = jax.jit(update, compiler_options=options)

    def step(X: np.ndarray, y: np.ndarray) -> jax.Array:
        nonlocal state
        state, loss = compiled(state, X, y)
        return loss

    return step


def mxnet(mode: str) -> Callable:
    from d2l_lite import mxnet as d2l

    # isort: split
    import mxnet as mx
    from mxnet import autograd, gluon

    model = d2l.build(TASK.network)
    if mode != "imperative":
        static = mode == "static"
        model.hybridize(static_alloc=static, static_shape=static)
    settings = {"learning_rate": 0.01, "momentum": 0.9}
    trainer = gluon.Trainer(model.collect_params(), "sgd", settings)
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(X: np.ndarray, y: np.ndarray) -> mx.np.ndarray:
        X, y = mx.np.array(X), mx.np.array(y)
        with autograd.record():
            loss = loss_function(model(X), y).mean()
        loss.backward()
        trainer.step(1)
        mx.npx.waitall()  # else the first step is over before it has begun
        return loss

    return step


def rate(framework: str, mode: str) -> Callable[[], float]:
    """Images per second, once everything is compiled."""
    batches = list(zip(*TASK.batches()))
    step = globals()[framework](mode)

    def run() -> None:
        for loss in [step(X, y) for X, y in batches]:
            float(loss)

    return TASK.timed(run)


def first(framework: str, mode: str) -> Callable[[], float]:
    """Seconds to the end of the first step, in a process of its own each time."""
    command = [sys.executable, "-m", __spec__.name, framework, mode, "child"]

    def measure() -> float:
        done = subprocess.run(
            command, env=os.environ | NO_CACHE, stdout=subprocess.PIPE, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    return measure


def child(framework: str, mode: str) -> None:
    """Print the seconds from the imports' end to that of the first step."""
    importlib.import_module(f"d2l_lite.{framework}")
    images, labels = TASK.batches()
    start = time.perf_counter()
    float(globals()[framework](mode)(images[0], labels[0]))
    print(json.dumps(time.perf_counter() - start))


if __name__ == "__main__":
    framework, mode, what = sys.argv[1:]
    if what == "child":
        child(framework, mode)
    else:
        serve(lambda: {"rate": rate, "first": first}[what](framework, mode))
