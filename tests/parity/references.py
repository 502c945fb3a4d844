"""DenseNet-121 as Keras and Gluon ship it, and ours, with one set of float64 weights.

As a script, `references.py FRAMEWORK FILE`, it writes an .npz of logits under names
such as "ours, training" and "Gluon, evaluation".
"""

import importlib
import re
import sys

import numpy as np
from measured import build, in_training_mode
from networks import Network, batch, perturbed

from d2l_lite.networks.weights import to_channels_last

# Gluon's last pooling is fixed to 7×7, which is what is left of 224 pixels.
NETWORK = Network(
    "DenseNet-121",
    "others wrote it, too",
    "densenet121",
    {"num_classes": 10},
    size=224,
    batch=1,
)
BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "running_mean",
    "running_var": "running_var",
}


def ours(framework, module, net, weights, X):
    """Yield (name, logits) of our network."""
    module.set_weights(net, weights)
    yield "ours, evaluation", module.predict(net, X)
    yield "ours, training", in_training_mode(framework, module, net, X)


def keras(weights, X):
    """Yield (name, logits) of Keras' network: as it is, and with our epsilon."""
    import keras

    net = keras.applications.DenseNet121(
        weights=None,
        classifier_activation=None,
        classes=NETWORK.changes["num_classes"],
        input_shape=(NETWORK.size, NETWORK.size, 3),
    )
    unset = {id(variable) for variable in net.variables}
    for name, array in weights.items():
        layer, _, entry = name.rpartition(".")
        if "norm" in layer:
            entry = BATCH_NORM[entry].replace("running", "moving")
            entry = entry.replace("var", "variance")
        elif entry == "weight":
            entry = "kernel"
        variable = getattr(net.get_layer(keras_name(layer)), entry)
        variable.assign(to_channels_last(array))
        unset.remove(id(variable))
    assert not unset
    X = X.transpose(0, 2, 3, 1)
    yield "Keras as it is, evaluation", np.array(net(X, training=False))
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-5
    yield "Keras, evaluation", np.array(net(X, training=False))
    yield "Keras, training", np.array(net(X, training=True))


def keras_name(layer: str) -> str:
    """Keras' name of a layer, from its canonical name."""
    if match := re.fullmatch(r"features\.denseblock(.)\.denselayer(\d+)\.(.*)", layer):
        part = {"norm1": "0_bn", "conv1": "1_conv", "norm2": "1_bn", "conv2": "2_conv"}
        return f"conv{int(match[1]) + 1}_block{match[2]}_{part[match[3]]}"
    if match := re.fullmatch(r"features\.transition(.)\.(.*)", layer):
        return f"pool{int(match[1]) + 1}_{match[2].replace('norm', 'bn')}"
    return {
        "features.conv0": "conv1_conv",
        "features.norm0": "conv1_bn",
        "features.norm5": "bn",
        "classifier": "predictions",
    }[layer]


def gluon(weights, X):
    """Yield (name, logits) of Gluon's network."""
    import mxnet as mx
    from mxnet.gluon.model_zoo import vision

    # The zoo is older than MXNet's NumPy interface, and does not run under it.
    mx.npx.reset_np()
    net = vision.densenet121(classes=NETWORK.changes["num_classes"])
    net.initialize()
    net.cast("float64")
    X = mx.nd.array(X, dtype="float64")
    # Shapes are known after a first call.
    net(X)
    parameters = net._collect_params_with_prefix()
    for name, array in weights.items():
        layer, _, entry = name.rpartition(".")
        entry = BATCH_NORM[entry] if "norm" in layer else entry
        parameter = parameters.pop(f"{gluon_name(layer)}.{entry}")
        parameter.set_data(mx.nd.array(array, dtype="float64"))
    assert not parameters
    yield "Gluon, evaluation", net(X).asnumpy()
    with mx.autograd.train_mode():
        yield "Gluon, training", net(X).asnumpy()


def gluon_name(layer: str) -> str:
    """Where Gluon's network holds a layer, from its canonical name."""
    if match := re.fullmatch(r"features\.denseblock(.)\.denselayer(\d+)\.(.*)", layer):
        # Part 0 of a dense layer hands its input on, part 1 makes the new channels.
        part = {"norm1": 0, "conv1": 2, "norm2": 3, "conv2": 5}[match[3]]
        return f"features.{2 + 2 * int(match[1])}.{int(match[2]) - 1}.1.{part}"
    if match := re.fullmatch(r"features\.transition(.)\.(.*)", layer):
        part = {"norm": 0, "conv": 2}[match[2]]
        return f"features.{3 + 2 * int(match[1])}.{part}"
    return {
        "features.conv0": "features.0",
        "features.norm0": "features.1",
        "features.norm5": "features.11",
        "classifier": "output",
    }[layer]


if __name__ == "__main__":
    framework, file = sys.argv[1:]
    module = importlib.import_module(f"d2l_lite.{framework}")
    net = build(framework, module, NETWORK, "float64")
    weights = perturbed(module.get_weights(net))
    X = batch(NETWORK, 3, step=0)[0].astype("float64")
    logits = dict(ours(framework, module, net, weights, X))
    if framework == "tensorflow":
        logits |= keras(weights, X)
    elif framework == "mxnet":
        logits |= gluon(weights, X)
    np.savez(file, **logits)
