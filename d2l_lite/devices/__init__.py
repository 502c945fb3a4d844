"""Training on several devices: each framework's own engine, a module each."""

import importlib

ENGINES = {
    "pytorch": "torch_processes",
    "tensorflow": "keras_strategy",
    "jax": "jax_mesh",
    "mxnet": "gluon_replicas",
}


def provide(framework: str, count: int) -> None:
    """Start what `count` devices, and other hosts, need before a framework computes.

    To be called before `d2l_lite.<framework>` is imported: later it is too late for
    virtual devices of a processor, and for joining other hosts. See chapter
    `many_devices`.

    Raises:
        KeyError: no framework of the book.
        RuntimeError: the framework has computed something already.
    """
    importlib.import_module(f"d2l_lite.devices.{ENGINES[framework]}").provide(count)
