"""What `test_devices_jax.py` looks at: JAX in a process with two devices, or a host.

`devices_jax.py FILE` writes the facts of a process with two devices as an .npz file;
`devices_jax.py FILE host`, started once for each of two hosts, those of a training.
"""

import os
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import two_devices
from networks import NARROW, perturbed
from two_devices import APART, HALVES, PLAIN_SGD, RATE, batch, images

from d2l_lite.devices import jax_mesh as devices

HOST = sys.argv[2:] == ["host"]
devices.provide(1 if HOST else 2)

import jax  # noqa: E402, after `provide`
from flax import nnx  # noqa: E402

from d2l_lite import jax as d2l  # noqa: E402

# Of one layer, for each kind of step is compiled anew.
SHORT = {"block_config": (1,), "num_classes": 3}
X, y = batch(8, 3)
facts = {}
note = partial(two_devices.note, facts)


def build(precision="float64", **changes):
    net = d2l.build("densenet-40-12", seed=3, **NARROW | SHORT | changes)
    d2l.set_weights(net, perturbed(d2l.get_weights(net)))

    def cast(array):
        return array.astype(precision) if array.dtype == "float32" else array

    nnx.update(net, jax.tree.map(cast, nnx.state(net)))
    return net


def one_step():
    facts["X"] = X
    note("before", d2l.get_weights(build()))
    cases = {
        "one": {},
        "two": {"devices": 2},
        "apart": APART,
    }
    for case, options in cases.items():
        net = build()
        results = d2l.Trainer(**PLAIN_SGD, **options).prepare(net)(X, y, RATE)
        note(case, d2l.get_weights(net), *results)
        leaves = jax.tree.leaves(nnx.state(net))
        facts[f"{case}: devices of the model"] = max(len(a.devices()) for a in leaves)
    for number, half in enumerate(HALVES):
        loss, gradients = d2l.loss_and_gradients(build(), X[half], y[half])
        note(f"half {number}", gradients, loss)


def dropout():
    """Two steps with dropout, and one of parts whose images are alike."""
    for count in (1, 2):
        first, second = build(dropout=0.5), build(dropout=0.5)
        step = d2l.Trainer(max_epochs=1, devices=count).prepare(first)
        step.reseed(1)
        step(X, y, RATE)
        weights, velocities = d2l.get_weights(first), step.read()
        step.reseed(2)
        note(f"dropout, {count}", d2l.get_weights(first), *step(X, y, RATE))
        # Another training, put where the first was after one step.
        step = d2l.Trainer(max_epochs=1, devices=count).prepare(second)
        step(-X, y, RATE)
        d2l.set_weights(second, weights)
        step.write(velocities)
        step.reseed(2)
        note(f"gone on, {count}", d2l.get_weights(second), *step(X, y, RATE))

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


def three_epochs(case, **options):
    rng = np.random.default_rng(6)
    data = SimpleNamespace(train=images(rng, 20, 8, 3), validation=images(rng, 7, 8, 3))
    net = build(dropout=0.5)
    trainer = d2l.Trainer(3, batch_size=8, augment=True, progress="none", **options)
    history = vars(trainer.fit(net, data))
    note(case, {n: np.array(history[n]) for n in history if n != "seconds"})
    note(f"{case}, weights", d2l.get_weights(net))
    facts["primary"] = trainer.primary


def mixed_precision():
    weights = d2l.get_weights(build("float32"))
    for case, options in {
        "float32": {},
        "bfloat16": {"precision": "bfloat16"},
        "bfloat16 on two": {"precision": "bfloat16", "devices": 2},
    }.items():
        net = build("float32")
        trainer = d2l.Trainer(**PLAIN_SGD, **options)
        step = trainer.prepare(net)
        results = step(X, y, RATE)
        after = d2l.get_weights(net)
        note(case, {n: after[n] - weights[n] for n in after}, *results)
        kept = [results[0], *after.values(), *step.read().values()]
        facts[f"{case}: types"] = sorted({str(array.dtype) for array in kept})
        d2l.set_weights(net, weights)
        facts[f"{case}: logits"] = d2l.predict(net, X)


def errors():
    net = build("float32")
    for case, options in {
        "3 devices": {"devices": 3, "batch_size": 6},
        "float16": {"precision": "float16"},
        "compile": {"compile": True},
        "5 images": {"devices": 2},
    }.items():
        try:
            d2l.Trainer(max_epochs=1, **options).prepare(net)(X[:5], y[:5], RATE)
        except ValueError as error:
            facts[f"error: {case}"] = str(error)


def provide():
    """What `XLA_FLAGS` is after it, for some that it was before."""
    flag = "--xla_force_host_platform_device_count"
    facts["flags"] = []
    for count, before in ((1, "--other=1"), (2, "--other=1"), (2, f"{flag}=4")):
        os.environ["XLA_FLAGS"] = before
        devices.provide(count)
        facts["flags"].append(os.environ["XLA_FLAGS"])


if __name__ == "__main__":
    if HOST:
        three_epochs("epochs, host")
    else:
        one_step()
        dropout()
        three_epochs("epochs, 1")
        three_epochs("epochs, 2", devices=2)
        mixed_precision()
        errors()
        provide()
    np.savez(sys.argv[1], **facts)
