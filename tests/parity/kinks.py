"""How near the batches of a network come to its kinks, where gradients may jump.

ReLU and max-pooling are continuous, their gradients are not. Where an input of ReLU is
zero but for rounding, or two rivals for a maximum are equal but for rounding, float32
may fall on the other side than float64. One such flip among the positions over which a
gradient is summed changes it by several percent, whatever the framework.

As a script it prints, for each network of the table, the first seed whose batches keep
clear of kinks.
"""

import itertools
from dataclasses import replace

import torch
from measured import PRECISIONS, RATES, build, trainer
from networks import NETWORKS, Network, batch, perturbed
from torch import nn

from d2l_lite import pytorch

# Rounding errors of one framework's float32 are at most a few times another's.
CLEAR = 4


def kinks(network: Network) -> float:
    """The smallest distance to a kink, in units of float32's error in its channel.

    In PyTorch, over the first `network.clear_steps` steps of training.
    """
    inputs = {precision: [] for precision in PRECISIONS}
    steps = [training(network, *pair) for pair in inputs.items()]
    nearest = float("inf")
    for number in range(network.clear_steps):
        for seen, step in zip(inputs.values(), steps):
            seen.clear()
            step(number)
        for (distance, exact), (_, rounded) in zip(*inputs.values()):
            error = (rounded - exact).abs().amax(dim=(0, 2, 3), keepdim=True)
            # A channel that is the same in both has no error.
            nearest = min(nearest, (distance(exact) / error.clamp_min(1e-12)).min())
    return float(nearest)


def training(network, precision, seen):
    """A function that takes one step, and fills `seen` with what enters each kink."""
    net = build("pytorch", pytorch, network, precision)
    weights = perturbed(pytorch.get_weights(net))
    pytorch.set_weights(net, weights)
    distances = {nn.ReLU: torch.abs, nn.MaxPool2d: between_rivals}

    def look(module, inputs):
        seen.append((distances[type(module)], inputs[0].detach().double()))

    for module in net.modules():
        if type(module) in distances:
            module.register_forward_pre_hook(look)
    prepared = trainer(pytorch, network).prepare(net)

    def step(number):
        X, y = batch(network, weights["features.conv0.weight"].shape[1], number)
        prepared(X.astype(precision), y, RATES[number])

    return step


def between_rivals(X):
    """Half the distance between the largest two of each window that the stem pools."""
    windows = nn.functional.pad(X, (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2)
    first, second = windows.flatten(-2).topk(2).values.unbind(-1)
    # Where the largest is zero, ReLU has stopped the gradient already.
    return torch.where(first > 0, (first - second) / 2, torch.inf)


if __name__ == "__main__":
    for network in filter(lambda network: network.trained, NETWORKS):
        seeds = (replace(network, seed=seed) for seed in itertools.count())
        clear = next(row for row in seeds if kinks(row) > CLEAR)
        print(f"{network.name}: seed={clear.seed}", flush=True)
