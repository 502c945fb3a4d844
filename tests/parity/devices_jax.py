"""What `test_devices_jax.py` looks at: JAX in a process with two devices, or a host.

`devices_jax.py FILE` writes the facts of a process with two devices as an .npz file;
`devices_jax.py FILE host`, started once for each of two hosts, those of a training.
"""

import os
import sys

import numpy as np
import two_devices
from two_devices import APART, RATE, Facts, batch, data

from d2l_lite import devices

HOST = sys.argv[2:] == ["host"]
devices.provide("jax", 1 if HOST else 2)

import jax  # noqa: E402, after `provide`
from flax import nnx  # noqa: E402

from d2l_lite import jax as d2l  # noqa: E402

X, y = batch()


def build(precision="float64", **changes):
    net = two_devices.build(d2l, **changes)

    def cast(array):
        return array.astype(precision) if array.dtype == "float32" else array

    nnx.update(net, jax.tree.map(cast, nnx.state(net)))
    return net


def one_step(facts):
    facts.before()
    for case, options in {"one": {}, "two": {"devices": 2}, "apart": APART}.items():
        net = facts.step(case, **options)
        leaves = jax.tree.leaves(nnx.state(net))
        facts[f"{case}: devices of the model"] = max(len(a.devices()) for a in leaves)


def dropout(facts):
    """Two steps with dropout, and one of parts whose images are alike."""
    for count in (1, 2):
        first, second = build(dropout=0.5), build(dropout=0.5)
        step = d2l.Trainer(max_epochs=1, devices=count).prepare(first)
        step.reseed(1)
        step(X, y, RATE)
        weights, velocities = d2l.get_weights(first), step.read()
        step.reseed(2)
        facts.note(f"dropout, {count}", d2l.get_weights(first), *step(X, y, RATE))
        # Another training, put where the first was after one step.
        step = d2l.Trainer(max_epochs=1, devices=count).prepare(second)
        step(-X, y, RATE)
        d2l.set_weights(second, weights)
        step.write(velocities)
        step.reseed(2)
        facts.note(f"gone on, {count}", d2l.get_weights(second), *step(X, y, RATE))

    def loss(images, labels, place=None, **options):
        net = build(dropout=0.5)
        step = d2l.Trainer(max_epochs=1, **options).prepare(net)
        step.reseed(11)
        if place is not None:
            for _, part in nnx.iter_graph(net):
                if isinstance(part, nnx.RngStream):
                    part.key.value = jax.random.fold_in(part.key.value, place)
        return float(step(images, labels, RATE)[0])

    half = X[:4], y[:4]
    twice = (np.concatenate([a, a]) for a in half)
    facts["masks apart"] = loss(*twice, **APART)
    facts["masks by hand"] = [loss(*half, place) for place in (0, 1)]


def provide(facts):
    """What `XLA_FLAGS` is after it, for some that it was before."""
    flag = "--xla_force_host_platform_device_count"
    facts["flags"] = []
    for count, before in ((1, "--other=1"), (2, "--other=1"), (2, f"{flag}=4")):
        os.environ["XLA_FLAGS"] = before
        devices.provide("jax", count)
        facts["flags"].append(os.environ["XLA_FLAGS"])


if __name__ == "__main__":
    facts = Facts(d2l, build, (X, y))
    if HOST:
        facts.epochs("host", build(dropout=0.5), data())
    else:
        one_step(facts)
        dropout(facts)
        facts.epochs("1", build(dropout=0.5), data())
        facts.epochs("2", build(dropout=0.5), data(), devices=2)
        both = {"precision": "bfloat16", "devices": 2}
        low = {"bfloat16": {"precision": "bfloat16"}, "bfloat16 on two": both}
        facts.mixed_precision({"float32": {}} | low)
        cases = {
            "3 devices": {"devices": 3, "batch_size": 6},
            "float16": {"precision": "float16"},
            "compile": {"compile": True},
            "5 images": {"devices": 2},
        }
        facts.errors(cases)
        provide(facts)
        os.environ["JAX_COORDINATOR_ADDRESS"] = "localhost:1"
        facts.errors({"not joined": {}})
    facts.write()
