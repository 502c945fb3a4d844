"""What `test_devices_mxnet.py` looks at: MXNet on two processor contexts, or hosts.

`devices_mxnet.py FILE` writes all facts of two contexts as an .npz file;
`devices_mxnet.py FILE host`, started once for each of two hosts, those of a step there.
"""

import os
import sys

import numpy as np
import two_devices
from two_devices import APART, HALVES, PLAIN_SGD, RATE, Facts, batch, data

from d2l_lite.devices import gluon_replicas, provide

# What this sets, MXNet reads once.
provide("mxnet", 2)

from d2l_lite import mxnet as d2l  # noqa: E402

X, y = batch(16, 10)


def build(precision="float32", **changes):
    config = {"block_config": (1, 1), "num_classes": 10}
    net = two_devices.build(d2l, "densenet-bc-40-12", **config | changes)
    net.cast(precision)
    return net


def all_together(facts):
    facts.note("before", d2l.get_weights(build()))
    facts.step("one")
    net = facts.step("two", devices=2)
    parameters = net.collect_params().values()
    facts["contexts of the model"] = max(len(p.list_ctx()) for p in parameters)
    # The user's own network has no batch norm that waits for another device.
    facts["loss after"] = d2l.loss_and_gradients(net, X[:4], y[:4])[0]
    d2l.set_weights(
        one := build(), {n: facts[f"one: {n}"] for n in d2l.get_weights(net)}
    )
    facts["loss expected"] = d2l.loss_and_gradients(one, X[:4], y[:4])[0]


def each_by_itself(facts):
    facts.before("float64")
    facts.note("before, float64", d2l.get_weights(build("float64")))
    facts.step("apart", build("float64"), **APART)
    facts.step("efficient", build("float64", memory_efficient=True), **APART)
    for number, half in enumerate(HALVES):
        facts.step(f"half {number} alone", build("float64"), (X[half], y[half]))


def written_between_steps(facts):
    """A second step after weights and velocities were set from outside."""
    for count in (1, 2):
        net = build()
        step = d2l.Trainer(max_epochs=1, devices=count).prepare(net)
        step(X, y, RATE)
        kept = d2l.get_weights(net), step.read()
        other = build()
        again = d2l.Trainer(max_epochs=1, devices=count).prepare(other)
        again(-X, y, RATE)
        d2l.set_weights(other, kept[0])
        again.write(kept[1])
        for label, which, go in (
            ("straight on", net, step),
            ("written", other, again),
        ):
            go(X, y, RATE)
            facts.note(f"{label}, {count}", d2l.get_weights(which))


def dropout(facts):
    """Losses of two equal halves: they differ if the devices draw other masks."""

    def loss(images, labels, **options):
        net = build(dropout=0.5)
        step = d2l.Trainer(**PLAIN_SGD, **options).prepare(net)
        step.reseed(11)
        return float(step(images, labels, RATE)[0])

    twice = np.concatenate([X[:4], X[:4]]), np.concatenate([y[:4], y[:4]])
    facts["dropout, half"] = loss(X[:4], y[:4])
    facts["dropout, apart"] = [loss(*twice, **APART) for _ in range(2)]


def errors(facts):
    efficient, drops = {"memory_efficient": True}, {"dropout": 0.2}
    for case, changes, options in (
        ("compile", {}, {"compile": True}),
        ("float16", {}, {"precision": "float16"}),
        ("bfloat16, efficient", efficient, {"precision": "bfloat16"}),
        ("bfloat16, dropout", drops, {"precision": "bfloat16"}),
        ("float64", {"precision": "float64"}, {"devices": 2}),
        ("efficient", efficient, {"devices": 2}),
        ("dropout", drops, {"devices": 2}),
        ("parts", {}, {"devices": 2}),
    ):
        facts.errors({case: options}, **changes)
    os.environ[gluon_replicas.BUFFERS] = "4"
    facts.errors({"buffers": {"devices": 2}})


if __name__ == "__main__":
    facts = Facts(d2l, build, (X, y))
    if sys.argv[2:] == ["host"]:
        facts.step("hosts", build("float64"), sync_batch_norm=False)
        facts["primary"] = d2l.Trainer(max_epochs=1).primary
    else:
        each_by_itself(facts)
        all_together(facts)
        written_between_steps(facts)
        dropout(facts)
        for count in (1, 2):
            options = {"learning_rate": 0.01, "devices": count}
            facts.epochs(f"{count}", build(), data(16, 10), **options)
        facts["has bfloat16"] = gluon_replicas.has_bfloat16()
        if facts["has bfloat16"]:
            facts.step("bfloat16", precision="bfloat16")
        errors(facts)
    facts.write()
