"""A network's file as ONNX, which runs without any of the four frameworks.

Explained in chapters/your_pictures.md.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from d2l_lite.files import replacing
from d2l_lite.networks import weights, zoo
from d2l_lite.networks.checkpoints import EPSILON
from d2l_lite.networks.weights import WeightsError

# The first with which onnxruntime 1.12, of 2022, and all later ones run.
OPSET, IR = 17, 8
# What travels from our file's metadata into that of ONNX, beside the network's name.
ABOUT = ("network", "classes", "mean", "std", "size")


def export(source: str | Path, target: str | Path) -> dict[str, Any]:
    """Write a file of `save` as an ONNX file; returns its metadata.

    Its input "images" is float32 N×C×H×W, normalised, its output "logits" N×K, for any
    N, H and W. The metadata are JSON: `network` and, where the source has them,
    `classes`, `mean`, `std` and `size`.

    Raises:
        WeightsError: the source is no file of `save`, or the package onnx is missing.
        OSError: a file cannot be read or written.
    """
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        rule = 'pip install "d2l-lite[export]"'
        raise WeightsError(
            f"{target}: to write it takes onnx ({error}): {rule}"
        ) from None
    arrays, metadata = weights.read(source)
    weights.check_values(arrays, source)
    shapes = {name: array.shape for name, array in arrays.items()}
    try:
        described = zoo.describe(shapes, metadata)
        weights.check(arrays, zoo.shapes(described["arguments"]))
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}") from None
    arguments = described["arguments"]
    nodes = [
        helper.make_node(kind, inputs, [output], name=output, **attributes)
        for kind, inputs, output, attributes in _nodes(arguments)
    ]
    channels, classes = arguments["in_channels"], arguments["num_classes"]
    images, logits = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (
            ("images", ["N", channels, "height", "width"]),
            ("logits", ["N", classes]),
        )
    )
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    stored = [numpy_helper.from_array(array, name) for name, array in single.items()]
    graph = helper.make_graph(nodes, "DenseNet", [images], [logits], stored)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(
        graph, producer_name="d2l_lite", opset_imports=[opset], ir_version=IR
    )
    about = metadata | {"network": described["network"]}
    about = {key: about[key] for key in ABOUT if key in about}
    helper.set_model_props(model, {key: json.dumps(about[key]) for key in about})
    onnx.checker.check_model(model, full_check=True)
    with replacing(target, "wb") as file:
        file.write(model.SerializeToString())
    return about


def _nodes(arguments: dict[str, Any]) -> Iterator[tuple[str, list[str], str, dict]]:
    """The operators in forward order: kind, inputs, output, attributes."""
    bias = ["bias"] if arguments["bias"] else []

    def conv(name, X, size, stride=1):
        inputs = [X, *(f"{name}.{array}" for array in ("weight", *bias))]
        rule = {"pads": [size // 2] * 4, "strides": [stride] * 2}
        return "Conv", inputs, name, rule

    def unit(norm, X):
        inputs = [X, *(f"{norm}.{array}" for array in weights.ARRAYS)]
        yield "BatchNormalization", inputs, norm, {"epsilon": EPSILON}
        yield "Relu", [norm], f"{norm}.relu", {}

    X, small = "features.conv0", arguments["small_inputs"]
    yield conv(X, "images", 3 if small else 7, 1 if small else 2)
    if not small:
        yield from unit("features.norm0", X)
        window = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}
        yield "MaxPool", ["features.norm0.relu"], "features.pool0", window
        X = "features.pool0"
    config = arguments["block_config"]
    for block, num_layers in enumerate(config, start=1):
        for number in range(1, num_layers + 1):
            layer, Y = f"features.denseblock{block}.denselayer{number}", X
            sizes = (1, 3) if arguments["bottleneck"] else (3,)
            for half, size in enumerate(sizes, start=1):
                yield from unit(f"{layer}.norm{half}", Y)
                Y = f"{layer}.conv{half}"
                yield conv(Y, f"{layer}.norm{half}.relu", size)
            yield "Concat", [X, Y], layer, {"axis": 1}
            X = layer
        if block < len(config):
            name = f"features.transition{block}"
            yield from unit(f"{name}.norm", X)
            yield conv(f"{name}.conv", f"{name}.norm.relu", 1)
            window = {"kernel_shape": [2, 2], "strides": [2, 2]}
            yield "AveragePool", [f"{name}.conv"], name, window
            X = name
    yield from unit("features.norm5", X)
    yield "GlobalAveragePool", ["features.norm5.relu"], "mean", {}
    yield "Flatten", ["mean"], "flat", {}
    head = ["flat", "classifier.weight", "classifier.bias"]
    yield "Gemm", head, "logits", {"transB": 1}
