"""What `test_devices_mxnet.py` looks at: MXNet on two processor contexts, or hosts.

`devices_mxnet.py FILE` writes all facts of two contexts as an .npz file;
`devices_mxnet.py FILE host`, started once for each of two hosts, those of a step there.
"""

import os
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import two_devices
from networks import NARROW, perturbed
from two_devices import APART, HALVES, PLAIN_SGD, RATE, batch, images

from d2l_lite.devices import gluon_replicas as devices

# What this sets, MXNet reads once.
devices.provide(2)

from d2l_lite import mxnet as d2l  # noqa: E402

X, y = batch(16, 10)
facts = {}
note = partial(two_devices.note, facts)


def build(weights="float32", **changes):
    net = d2l.build(
        "densenet-bc-40-12", seed=3, **NARROW | {"block_config": (1, 1)} | changes
    )
    d2l.set_weights(net, perturbed(d2l.get_weights(net)))
    net.cast(weights)
    return net


def one_step(case, images=X, labels=y, weights="float32", changes=None, **options):
    """Loss, right predictions and all weights after one plain step."""
    net = build(weights, **changes or {})
    step = d2l.Trainer(**PLAIN_SGD, **options).prepare(net)
    loss, correct = step(images, labels, RATE)
    note(case, d2l.get_weights(net), loss, correct)
    return net


def all_together():
    note("before", d2l.get_weights(build()))
    one_step("one")
    net = one_step("two", devices=2)
    parameters = net.collect_params().values()
    facts["contexts of the model"] = max(len(p.list_ctx()) for p in parameters)
    # The user's own network has no batch norm that waits for another device.
    facts["loss after"] = d2l.loss_and_gradients(net, X[:4], y[:4])[0]
    d2l.set_weights(one := build(), case("one"))
    facts["loss expected"] = d2l.loss_and_gradients(one, X[:4], y[:4])[0]


def case(name):
    return {n: facts[f"{name}: {n}"] for n in d2l.get_weights(build())}


def each_by_itself():
    note("before, float64", d2l.get_weights(build("float64")))
    one_step("apart", weights="float64", **APART)
    changes = {"memory_efficient": True}
    one_step("efficient", weights="float64", changes=changes, **APART)
    for number, half in enumerate(HALVES):
        net = build("float64")
        loss, gradients = d2l.loss_and_gradients(net, X[half], y[half])
        note(f"half {number}", gradients, loss)
        one_step(f"half {number} alone", X[half], y[half], "float64")


def written_between_steps():
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
        for which, go in ((net, step), (other, again)):
            go(X, y, RATE)
            label = "straight on" if which is net else "written"
            note(f"{label}, {count}", d2l.get_weights(which))


def dropout():
    """Losses of two equal halves: they differ if the devices draw other masks."""

    def loss(images, labels, **options):
        net = build(dropout=0.5)
        step = d2l.Trainer(**PLAIN_SGD, **options).prepare(net)
        step.reseed(11)
        return float(step(images, labels, RATE)[0])

    twice = np.concatenate([X[:4], X[:4]]), np.concatenate([y[:4], y[:4]])
    facts["dropout, half"] = loss(X[:4], y[:4])
    facts["dropout, apart"] = [loss(*twice, **APART) for _ in range(2)]


def three_epochs():
    rng = np.random.default_rng(6)
    data = SimpleNamespace(
        train=images(rng, 20, 16, 10), validation=images(rng, 7, 16, 10)
    )
    for count in (1, 2):
        trainer = d2l.Trainer(
            3,
            batch_size=8,
            learning_rate=0.01,
            augment=True,
            devices=count,
            progress="none",
        )
        history = trainer.fit(build(), data)
        for name in ("train_loss", "train_error", "validation_loss"):
            facts[f"{name}, {count}"] = getattr(history, name)


def mixed_precision():
    facts["has bfloat16"] = devices.has_bfloat16()
    if facts["has bfloat16"]:
        one_step("bfloat16", precision="bfloat16")


def errors():
    efficient = {"memory_efficient": True}
    for name, changes, options in (
        ("compile", {}, {"compile": True}),
        ("float16", {}, {"precision": "float16"}),
        ("bfloat16, efficient", efficient, {"precision": "bfloat16"}),
        ("bfloat16, dropout", {"dropout": 0.2}, {"precision": "bfloat16"}),
        ("float64", {"weights": "float64"}, {"devices": 2}),
        ("efficient", efficient, {"devices": 2}),
        ("dropout", {"dropout": 0.2}, {"devices": 2}),
        ("parts", {}, {"devices": 2}),
    ):
        try:
            step = d2l.Trainer(max_epochs=1, **options).prepare(build(**changes))
            step(X[:5], y[:5], RATE)
        except ValueError as error:
            facts[f"error: {name}"] = str(error)
    os.environ[devices.BUFFERS] = "4"
    try:
        d2l.Trainer(max_epochs=1, devices=2).prepare(build())
    except ValueError as error:
        facts["error: buffers"] = str(error)


if __name__ == "__main__":
    if sys.argv[2:] == ["host"]:
        one_step("hosts", weights="float64", sync_batch_norm=False)
        facts["primary"] = d2l.Trainer(max_epochs=1).primary
    else:
        all_together()
        each_by_itself()
        written_between_steps()
        dropout()
        three_epochs()
        mixed_precision()
        errors()
    np.savez(sys.argv[1], **facts)
