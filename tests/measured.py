"""One list of measurements of the plain network, taken alike in every framework.

As a script, `measured.py FRAMEWORK FILE`, it takes them in float64 and writes an .npz.
"""

import sys

import numpy as np
from frameworks import d2l

# Rates that change at each step: where the learning rate stands inside the velocity, as
# in Keras and Gluon, the second step already differs.
RATES = (0.02, 0.05, 0.1, 0.05, 0.02)


def images(channels, size, count=4, seed=0):
    """Random N×C×H×W float32 images and N labels."""
    rng = np.random.default_rng(seed)
    shape = (count, channels, size, size)
    return rng.standard_normal(shape, np.float32), rng.integers(0, 10, count)


def measure(module, net, dtype):
    """Logits, loss, gradients; then losses, weights and statistics of five steps of SGD
    with Nesterov momentum and five without."""
    X, y = images(1, 32, count=16)
    X = X.astype(dtype)
    found = {"logits": module.predict(net, X)}
    loss, gradients = module.loss_and_gradients(net, X, y)
    found["loss"] = np.float64(loss)
    found |= {f"gradient, {name}": array for name, array in gradients.items()}
    for nesterov in (True, False):
        trainer = module.Trainer(max_epochs=1, nesterov=nesterov, weight_decay=1e-2)
        step = trainer.prepare(net)
        results = []
        for number, rate in enumerate(RATES):
            X, y = images(1, 32, count=16, seed=number)
            loss, correct = step(X.astype(dtype), y, rate)
            results.append([float(loss), float(correct)])
        found[f"losses and right predictions, {nesterov}"] = np.array(results)
        weights = module.get_weights(net)
        found |= {f"{name}, {nesterov}": array for name, array in weights.items()}
    return found


def build_float64(framework):
    """The plain network in float64."""
    module = d2l(framework)
    if framework == "tensorflow":
        import keras

        keras.config.set_floatx("float64")
    net = module.build("densenet", seed=3)
    if framework == "pytorch":
        net.double()
    elif framework == "mxnet":
        net.cast("float64")
    elif framework == "jax":
        import jax
        from flax import nnx

        nnx.update(net, jax.tree.map(lambda a: a.astype("float64"), nnx.state(net)))
    return net


if __name__ == "__main__":
    framework, path = sys.argv[1:]
    np.savez(path, **measure(d2l(framework), build_float64(framework), np.float64))
