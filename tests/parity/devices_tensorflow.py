"""What `test_devices_tensorflow.py` looks at: two logical devices, or one of two hosts.

`devices_tensorflow.py FILE` writes the facts of a process with two devices as an .npz
file; `devices_tensorflow.py FILE host`, where TF_CONFIG names two hosts, a training's.
"""

import json
import os
import sys

import numpy as np
import two_devices
from two_devices import APART, RATE, Facts, batch, data

from d2l_lite import devices

HOST = sys.argv[2:] == ["host"]
devices.provide("tensorflow", 1 if HOST else 2)

import keras  # noqa: E402, after `provide`

from d2l_lite import tensorflow as d2l  # noqa: E402

X, y = batch()


def build(precision="float64", **changes):
    # The first is of inputs, the second of layers, once there has been one.
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)
    return two_devices.build(d2l, **changes)


def one_step(facts):
    facts.before()
    for case, options in {"one": {}, "two": {"devices": 2}, "apart": APART}.items():
        net = facts.step(case, **options)
        facts.note(f"{case}, gradients", *d2l.loss_and_gradients(net, X, y)[::-1])
    for case, options in {"one": {}, "apart": APART}.items():
        facts.step(f"{case}, compiled", **options, compile=True)


def goes_on(facts):
    """A step taken twice from the same weights and velocities; half is read again."""
    for count in (1, 2):
        # In each of the two passes the threads of the devices take turns.
        net = build(memory_efficient=True)
        step = d2l.Trainer(max_epochs=1, devices=count).prepare(net)
        step(X, y, RATE)
        weights, velocities = d2l.get_weights(net), step.read()
        for case in ("second", "again"):
            results = step(X, y, RATE)
            facts.note(f"{case}, {count}", d2l.get_weights(net), *results)
            facts[f"{case}, {count}: logits"] = d2l.predict(net, X)
            d2l.set_weights(net, weights)
            step.write(velocities)


def masks(facts):
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


def epochs(facts, case, **options):
    net = build()
    facts.epochs(case, net, data(), **options)
    kinds = {type(variable.value).__name__ for variable in net.variables}
    facts[f"epochs, {case}, variables"] = sorted(kinds)


def too_late(facts):
    """What is said of `provide` after TensorFlow's first use, and of other hosts."""
    try:
        devices.provide("tensorflow", 3)
    except RuntimeError as error:
        facts["too late"] = str(error)
    devices.keras_strategy.workers.cache_clear()
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    task = {"type": "worker", "index": 0}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    facts.errors({"not joined": {}})


if __name__ == "__main__":
    facts = Facts(d2l, build, (X, y))
    if HOST:
        epochs(facts, "host")
    else:
        one_step(facts)
        goes_on(facts)
        masks(facts)
        epochs(facts, "1")
        epochs(facts, "2", devices=2)
        cases = {"float32": {}, "bfloat16": {"precision": "bfloat16"}}
        facts.mixed_precision(cases)
        cases = {
            "3 devices": {"devices": 3, "batch_size": 6},
            "float16": {"precision": "float16"},
            "compile": {"devices": 2, "compile": True},
            "5 images": {"devices": 2},
        }
        facts.errors(cases)
        too_late(facts)
    facts.write()
