"""One list of measurements of a network, taken alike in every framework.

As a script, `measured.py FRAMEWORK PRECISION FOLDER [NETWORK ...]`, it writes an .npz
for each network of the table, or for those that are named.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from networks import BY_NAME, Network, batch, perturbed

from d2l_lite.networks.weights import is_trainable

PRECISIONS = ("float64", "float32")
# They change with each step: where the learning rate stands inside the velocity, as in
# Keras and Gluon, the second step differs. They are small so that ten steps in float32
# still say something: see FLOAT32_TEN_STEPS_WITH_KINKS in compare.py.
RATES = (0.0002, 0.0005, 0.001, 0.0005, 0.0002) * 2


def measure(
    framework: str, module: ModuleType, network: Network, precision: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ("quantity: canonical name", array) for one quantity after another.

    The weights of a seed; then, with all of them moved a little: logits, loss and
    gradients; then running statistics and parameters after 1 and after 10 steps of SGD
    with momentum and weight decay. What is not asked for is not computed.
    """
    net = build(framework, module, network, precision)
    seeded = module.get_weights(net)
    yield from named("weights of a seed", seeded)

    weights = perturbed(seeded)
    module.set_weights(net, weights)
    channels = weights["features.conv0.weight"].shape[1]
    X, y = batch(network, channels, step=0)
    X = X.astype(precision)
    yield "logits in evaluation mode: ", module.predict(net, X)
    if not network.trained:
        return
    yield "logits in training mode: ", in_training_mode(framework, module, net, X)
    # That pass moved the running statistics.
    module.set_weights(net, weights)

    loss, gradients = module.loss_and_gradients(net, X, y)
    yield "loss: ", np.array(loss)
    yield from named("gradients", gradients)

    step = trainer(module, network).prepare(net)
    for number, rate in enumerate(RATES):
        X, y = batch(network, channels, step=number)
        step(X.astype(precision), y, rate)
        if number == 0:
            yield from after("1 step", module.get_weights(net))
    yield from after("10 steps", module.get_weights(net))


def named(quantity, arrays):
    for name, array in arrays.items():
        yield f"{quantity}: {name}", array


def after(steps, weights):
    """Running statistics first: they come from the forward pass, before the update."""
    parameters = {name: weights[name] for name in weights if is_trainable(name)}
    rest = {name: weights[name] for name in weights if name not in parameters}
    yield from named(f"running statistics after {steps}", rest)
    yield from named(f"parameters after {steps}", parameters)


def trainer(module: ModuleType, network: Network) -> Any:
    """One whose weight decay is large enough to be seen."""
    return module.Trainer(max_epochs=1, nesterov=network.nesterov, weight_decay=1e-2)


def build(framework: str, module: ModuleType, network: Network, precision: str) -> Any:
    """The network as `build` makes it, or cast to float64 in its framework's way."""
    if framework == "tensorflow":
        import keras

        # Only before the first layer of a process does this have an effect.
        keras.config.set_floatx(precision)
    net = module.build(network.build, seed=3, **network.changes)
    if precision == "float32":
        return net
    if framework == "pytorch":
        net.double()
    elif framework == "mxnet":
        net.cast("float64")
    elif framework == "jax":
        import jax
        from flax import nnx

        def cast(array):
            # The generators of dropout stay as they are.
            return array.astype(precision) if array.dtype == "float32" else array

        nnx.update(net, jax.tree.map(cast, nnx.state(net)))
    return net


def in_training_mode(
    framework: str, module: ModuleType, model: Any, X: np.ndarray
) -> np.ndarray:
    """A network's logits, or a part's maps, in training mode; moves its statistics."""
    X = module.to_tensor(X)
    if framework == "pytorch":
        Y = model.train()(X)
    elif framework == "tensorflow":
        Y = model(X, training=True)
    elif framework == "jax":
        from flax import nnx

        model.train()
        Y = nnx.jit(lambda model, X: model(X))(model, X)
    elif framework == "mxnet":
        from mxnet import autograd

        with autograd.train_mode():
            Y = model(X)
    return module.to_numpy(Y)


def run(script: str, *arguments: str | Path, precision: str) -> None:
    """Run a script of this folder: precision is a process's setting in Keras and JAX.

    XLA leaves out the optimisation of machine code, which would take minutes: the same
    function, and none of these small networks runs for long.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
    x64 = "1" if precision == "float64" else "0"
    settings = os.environ | {
        "JAX_ENABLE_X64": x64,
        "XLA_FLAGS": flags.strip(),
        "PYTHONPATH": str(Path(__file__).parents[2]),  # of the builder
    }
    command = [sys.executable, Path(__file__).with_name(script), *arguments]
    subprocess.run(command, env=settings, check=True)


def file(folder: Path, framework: str, precision: str, network: Network) -> Path:
    """Where `measured.py` writes what it measures."""
    return Path(folder) / f"{framework}, {precision}, {network.name}.npz"


if __name__ == "__main__":
    framework, precision, folder, *names = sys.argv[1:]
    module = importlib.import_module(f"d2l_lite.{framework}")
    for name in names or BY_NAME:
        network = BY_NAME[name]
        found = dict(measure(framework, module, network, precision))
        np.savez(file(folder, framework, precision, network), **found)
