"""Layers of a network alone, each by itself, in a framework's own operations."""

import importlib

from benchmarks.contender import Run
from benchmarks.workload import Workload


def convolutions(framework: str, workload: Workload, training: bool) -> Run:
    """All convolutions of the network, backward too in training."""
    layers = [layer for layer in workload.layers() if layer.kind == "convolution"]
    run = importlib.import_module(f"benchmarks.contenders.{framework}").layers
    return run(layers, workload, training)


def of_dense_layers(framework: str, kind: str, workload: Workload) -> Run:
    """All layers of a kind that the dense layers have, forward and backward."""
    layers = [
        layer
        for layer in workload.layers()
        if (layer.kind, layer.place) == (kind, "dense layer")
    ]
    run = importlib.import_module(f"benchmarks.contenders.{framework}").layers
    return run(layers, workload, training=True)
