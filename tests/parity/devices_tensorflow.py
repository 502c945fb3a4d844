"""What `test_devices_tensorflow.py` looks at: two logical devices, or one of two hosts.

`devices_tensorflow.py FILE` writes the facts of a process with two devices as an .npz
file; `devices_tensorflow.py FILE host`, where TF_CONFIG names two hosts, a training's.
"""

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import two_devices
from networks import NARROW, perturbed
from two_devices import APART, HALVES, PLAIN_SGD, RATE, batch, images

from d2l_lite.devices import keras_strategy as devices

HOST = sys.argv[2:] == ["host"]
devices.provide(1 if HOST else 2)

import keras  # noqa: E402, after `provide`

from d2l_lite import tensorflow as d2l  # noqa: E402

# Of one layer, for each kind of step is traced anew.
SHORT = {"block_config": (1,), "num_classes": 3}
X, y = batch(8, 3)
facts = {}
note = partial(two_devices.note, facts)


def build(precision="float64", **changes):
    # The first is of inputs, the second of layers, once there has been one.
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)
    net = d2l.build("densenet-40-12", seed=3, **NARROW | SHORT | changes)
    d2l.set_weights(net, perturbed(d2l.get_weights(net)))
    return net


def one_step():
    facts["X"] = X
    note("before", d2l.get_weights(build()))
    for case, options in {"one": {}, "two": {"devices": 2}, "apart": APART}.items():
        net = build()
        results = d2l.Trainer(**PLAIN_SGD, **options).prepare(net)(X, y, RATE)
        note(case, d2l.get_weights(net), *results)
        note(f"{case}, gradients", *d2l.loss_and_gradients(net, X, y)[::-1])
    for number, half in enumerate(HALVES):
        loss, gradients = d2l.loss_and_gradients(build(), X[half], y[half])
        note(f"half {number}", gradients, loss)
    for case, options in {"one": {}, "apart": APART}.items():
        net = build()
        step = d2l.Trainer(**PLAIN_SGD, **options, compile=True).prepare(net)
        results = step(X, y, RATE)
        note(f"{case}, compiled", d2l.get_weights(net), *results)


def goes_on():
    """A step taken twice from the same weights and velocities; half is read again."""
    for count in (1, 2):
        # In each of the two passes the threads of the devices take turns.
        net = build(memory_efficient=True)
        trainer = d2l.Trainer(max_epochs=1, devices=count)
        step = trainer.prepare(net)
        step(X, y, RATE)
        weights, velocities = d2l.get_weights(net), step.read()
        for case in ("second", "again"):
            results = step(X, y, RATE)
            note(f"{case}, {count}", d2l.get_weights(net), *results)
            facts[f"{case}, {count}: logits"] = d2l.predict(net, X)
            d2l.set_weights(net, weights)
            step.write(velocities)


def masks():
    """The losses of a part with two seeds, and of a batch of two such parts."""

    def losses(images, labels, seeds, **options):
        step = d2l.Trainer(max_epochs=1, **options).prepare(build(dropout=0.5))
        for seed in seeds:
            step.reseed(seed)
            yield float(step(images, labels, 0.0)[0])

    half = X[:4], y[:4]
    twice = (np.concatenate([part, part]) for part in half)
    facts["masks by hand"] = list(losses(*half, (11, 12, 21, 22)))
    facts["masks apart"] = list(losses(*twice, (11, 21), **APART))


def three_epochs(case, **options):
    rng = np.random.default_rng(6)
    data = SimpleNamespace(train=images(rng, 20, 8, 3), validation=images(rng, 7, 8, 3))
    net = build()
    trainer = d2l.Trainer(3, batch_size=8, augment=True, progress="none", **options)
    history = vars(trainer.fit(net, data))
    note(case, {n: np.array(history[n]) for n in history if n != "seconds"})
    note(f"{case}, weights", d2l.get_weights(net))
    facts["primary"] = trainer.primary
    kinds = {type(variable.value).__name__ for variable in net.variables}
    facts[f"{case}, variables"] = sorted(kinds)


def mixed_precision():
    net = build("float32")
    weights = d2l.get_weights(net)
    for case in ("float32", "bfloat16"):
        trainer = d2l.Trainer(**PLAIN_SGD, precision=case)
        step = trainer.prepare(net)
        results = step(X, y, RATE)
        after = d2l.get_weights(net)
        note(case, {n: after[n] - weights[n] for n in after}, *results)
        kept = [results[0].numpy(), *after.values(), *step.read().values()]
        facts[f"{case}: types"] = sorted({str(array.dtype) for array in kept})
        d2l.set_weights(net, weights)
        facts[f"{case}: logits"] = d2l.predict(net, X)


def errors():
    net = build()
    for case, options in {
        "3 devices": {"devices": 3, "batch_size": 6},
        "float16": {"precision": "float16"},
        "compile": {"devices": 2, "compile": True},
        "5 images": {"devices": 2},
    }.items():
        try:
            d2l.Trainer(max_epochs=1, **options).prepare(net)(X[:5], y[:5], RATE)
        except ValueError as error:
            facts[f"error: {case}"] = str(error)
    try:
        devices.provide(3)
    except RuntimeError as error:
        facts["too late"] = str(error)


if __name__ == "__main__":
    if HOST:
        three_epochs("epochs, host")
    else:
        one_step()
        goes_on()
        masks()
        three_epochs("epochs, 1")
        three_epochs("epochs, 2", devices=2)
        mixed_precision()
        errors()
    np.savez(sys.argv[1], **facts)
