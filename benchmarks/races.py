"""The benchmarks by name: who races whom, at what, and what ours is to reach."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.machine import dry_run
from benchmarks.race import Benchmark, Entry, Race
from benchmarks.workload import Workload
from d2l_lite import PACKAGES
from d2l_lite.command.environment import SHARED_GPU

PLAIN = Workload("densenet", size=32, batch_size=64, steps=16)
LARGE = Workload("densenet121", size=224, batch_size=8, steps=2)

# How a framework's users write the loop over a network of their own.
LOOPS = {
    "pytorch": "plain loop",
    "tensorflow": "Keras fit",
    "jax": "Flax loop, nnx.jit",
    "mxnet": "Gluon loop, hybridised",
}
# And who trains DenseNet-121; Flax has none of its own.
REFERENCES = {
    "pytorch": "torchvision",
    "tensorflow": "keras.applications, fit",
    "jax": "Flax loop, nnx.jit",
    "mxnet": "Gluon's model zoo, hybridised",
}
# By framework the names of those who predict, and their functions.
PREDICTING = {
    "pytorch": {"torchvision, no_grad": "inference"},
    "tensorflow": {
        "keras.applications, predict": "predict",
        "keras.applications, call": "call",
    },
    "jax": {"nnx.jit": "inference"},
    "mxnet": {"Gluon's model zoo, hybridised": "inference"},
}
# The bare loop's options by the name of a mode; the first is the Trainer's.
MODES: dict[str, dict[str, dict[str, bool]]] = {
    "pytorch": {
        "channels last": {},
        "eager": {"channels_last": False},
        "torch.compile": {"compiled": True},
    },
    "tensorflow": {
        "tf.function": {},
        "eager": {"graph": False},
        "jit_compile": {"jit_compile": True},
    },
    "jax": {"jit": {}, "level 0": {"optimised": False}},
    "mxnet": {
        "static": {},
        "imperative": {"hybridised": False, "static": False},
        "hybridised": {"static": False},
    },
}
# What a framework's users import, whoever's network it is.
IMPORTS = {
    "pytorch": ["torch"],
    "tensorflow": ["tensorflow", "keras"],
    "jax": ["jax", "flax.nnx", "optax"],
    "mxnet": ["d2l_lite.numpy_aliases", "mxnet"],
}
# Images a batch, and steps that make turns about as long as each other.
STEPS = {8: 60, 32: 20, 64: 10, 128: 5}
KINDS = ("convolution", "concatenation", "normalisation", "ReLU")


def library(name: str, function: str, **options: Any) -> Entry:
    """The book's library."""
    return Entry(name, function, options, ours=True)


def trainer(framework: str, workload: Workload) -> Entry:
    """The book's `Trainer`."""
    return library("Trainer", "library.train", framework=framework, workload=workload)


def peer(name: str, function: str, goal: float | None = None, **options: Any) -> Entry:
    """What readers would use instead."""
    return Entry(name, function, options, goal=goal)


def limits(framework: str, workload: Workload, training: bool) -> Iterator[Entry]:
    """The workload's convolutions alone, and a matrix product of as many operations."""
    product = {"workload": workload, "training": training}
    alone = {"framework": framework, **product}
    yield Entry("matmul", "processor.matrix_product", product, limit=True)
    yield Entry("convolutions", "layers.convolutions", alone, limit=True)


def step() -> Benchmark:
    """A training step of the plain network: ours, bare code, and the usual loop."""
    title = "training the plain network, 32×32, batch 64"
    races = []
    for framework, loop in LOOPS.items():
        entries = [
            trainer(framework, PLAIN),
            peer("bare loop", f"{framework}.bare", 0.98, workload=PLAIN),
            peer(loop, f"{framework}.reference", 1.0, workload=PLAIN),
            *limits(framework, replace(PLAIN, steps=5), training=True),
        ]
        races.append(Race(framework, "plain-32", title, "images/s", entries))
    return Benchmark(races, rounds=10, packages=["optax"])


def reference() -> Benchmark:
    """Training DenseNet-121 on large images, against each framework's own network."""
    title = "training DenseNet-121, 224×224, batch 8"
    races = []
    for framework, name in REFERENCES.items():
        entries = [
            trainer(framework, LARGE),
            peer(name, f"{framework}.reference", 1.0, workload=LARGE),
            *limits(framework, replace(LARGE, steps=1), training=True),
        ]
        races.append(Race(framework, "densenet121-224", title, "images/s", entries))
    return Benchmark(races, rounds=3, packages=["optax", "torchvision"])


def inference() -> Benchmark:
    """Logits of DenseNet-121 on large images, against each framework's own network."""
    title = "logits of DenseNet-121, 224×224, batch 8"
    workload = replace(LARGE, steps=3)
    races = []
    for framework, functions in PREDICTING.items():
        options = {"framework": framework, "workload": workload}
        entries = [
            library("predict", "library.predict", **options),
            *(
                peer(name, f"{framework}.{function}", 1.0, workload=workload)
                for name, function in functions.items()
            ),
            *limits(framework, replace(LARGE, steps=1), training=False),
        ]
        races.append(Race(framework, "densenet121-224", title, "images/s", entries))
    return Benchmark(races, rounds=6, packages=["torchvision"])


def first_step() -> Benchmark:
    """From the framework's import to the end of the first training step."""
    workload, first = vars(replace(PLAIN, steps=1)), "new_process.first_step"

    def race(framework: str, start: str, process: str, seconds: float) -> Race:
        common = {"imports": IMPORTS[framework], "warm": start == "warm"}
        trained = {
            "contender": "library.train",
            "options": {"framework": framework, "workload": workload},
        }
        looped = {
            "contender": f"{framework}.reference",
            "options": {"workload": workload},
        }
        entries = [
            library("Trainer", first, **trained, **common),
            peer(LOOPS[framework], first, **looped, **common),
        ]
        title = f"first step of the plain network in a {process} process"
        task = f"plain-32-{start}"
        return Race(framework, task, title, "s", entries, {"at_most": seconds})

    # Only JAX keeps what it has compiled for the next process.
    races = [race(framework, "cold", "new", 10) for framework in LOOPS]
    races.append(race("jax", "warm", "second", 3))
    return Benchmark(races, rounds=3, packages=["optax"])


def compiling() -> Benchmark:
    """What compilation costs and brings: the first step and the later ones, by mode."""
    races = []
    for framework, modes in MODES.items():
        first, rate = [], []
        for place, (mode, options) in enumerate(modes.items()):
            words = {
                "contender": f"{framework}.bare",
                "options": {"workload": vars(replace(PLAIN, steps=1)), **options},
                "imports": IMPORTS[framework],
            }
            first.append(Entry(mode, "new_process.first_step", words, place == 0))
            words = {"workload": PLAIN, **options}
            rate.append(Entry(mode, f"{framework}.bare", words, place == 0))
        title = "the plain network's {} step{}, 32×32, batch 64"
        races += [
            Race(framework, "first", title.format("first", ""), "s", first),
            Race(framework, "rate", title.format("later", "s"), "images/s", rate),
        ]
    # Two rounds: some compilers take a minute.
    return Benchmark(races, rounds=2, packages=["optax"])


def settings() -> Benchmark:
    """What a reader can set: images a batch and threads, in the book's `Trainer`."""
    races = []
    for framework in PACKAGES:
        entries = {
            size: replace(
                trainer(framework, Workload("densenet", 32, size, steps)),
                name=f"batch {size}",
                ours=size == PLAIN.batch_size,
            )
            for size, steps in STEPS.items()
        }
        alone = replace(
            entries[PLAIN.batch_size], name="one thread", ours=False, threads=1
        )
        title = "plain network, 32×32, by batch and threads"
        entries = [*entries.values(), alone]
        races.append(Race(framework, "settings", title, "images/s", entries))
    return Benchmark(races, rounds=3)


def profile() -> Benchmark:
    """Where the time of a step goes: in the dense layers, by kind of layer."""
    title = "the dense layers' parts alone, milliseconds for one step"
    workload = replace(PLAIN, steps=10)
    races = []
    for framework in PACKAGES:
        options = {"framework": framework, "workload": workload}
        entries = [
            peer(kind, "layers.of_dense_layers", kind=kind, **options) for kind in KINDS
        ]
        races.append(Race(framework, "parts", title, "ms", entries))
    return Benchmark(races, rounds=3)


def roofline() -> Benchmark:
    """The processor's two limits."""
    product = peer("2048×2048", "processor.multiply")
    memory = peer("256 MiB, memory", "processor.copy", mib=256)
    cache = peer("1 MiB, cache", "processor.copy", mib=1)
    races = [
        Race(None, "arithmetic", "multiplying matrices", "GFLOP/s", [product]),
        Race(None, "bandwidth", "copying arrays", "GB/s", [memory, cache]),
    ]
    return Benchmark(races, rounds=5)


def data() -> Benchmark:
    """Reading the full Fashion-MNIST in shuffled order, 64 images at a time."""
    size, shuffled = 96, "full Fashion-MNIST, shuffled"
    title = f"{shuffled}, 28×28 → {size}×{size}"
    loader = "DataLoader with Pillow", "Gluon's DataLoader"
    peers = {
        "pytorch": [(f"{loader[0]}, {n} workers", {"workers": n}) for n in (0, 2)],
        "tensorflow": [("tf.data", {})],
        "mxnet": [(f"{loader[1]}, {n} workers", {"workers": n}) for n in (0, 2)],
    }
    name, batches = "ImageSet.batches", "reading.batches"
    races = []
    for framework, found in peers.items():
        entries = [
            library(name, batches, framework=framework, size=size),
            *(peer(n, f"{framework}.read", size=size, **words) for n, words in found),
        ]
        goal = 10 if framework == "pytorch" else 1
        races.append(Race(framework, "data-96", title, "images/s", entries, goal))

    def alone(task: str, title: str, unit: str, goal: dict, **options: Any) -> Race:
        """Ours, as NumPy arrays, against a number."""
        return Race(None, task, title, unit, [library(name, batches, **options)], goal)

    quick, title = f"{shuffled}, 32×32", f"memory beyond the imports: {title}"
    moved, least = f"{quick}, mirrored and shifted", {"at_least": 40_000}
    most = {"at_most": 300e6 / 2**20}
    races += [
        alone("data-32", quick, "images/s", {"at_least": 100_000}),
        alone("data-32-augmented", moved, "images/s", least, augment=True),
        alone("data-96-memory", title, "MiB", most, size=size, memory=True),
    ]
    return Benchmark(races, rounds=3, packages=["pillow", "torchvision"])


def waiting() -> Benchmark:
    """What an epoch of training loses to the data that are made while it runs."""
    title = "plain network, 32×32 mirrored and shifted, batch 64"
    whole, between = f"an epoch: {title}", f"time between steps: {title}"
    made, rate = "batches made while it trains", "epochs.rate"
    races = []
    for name in PACKAGES:
        entries = [
            library(made, rate, framework=name, held=False),
            peer("batches held in memory", rate, framework=name, held=True),
        ]
        races.append(Race(name, "waiting", whole, "images/s", entries, 0.98))
        entries = [library("Trainer.fit", "epochs.gaps", framework=name)]
        races.append(Race(name, "gaps", between, "%", entries, {"at_most": 2}))
    return Benchmark(races, rounds=4)


def memory_efficient() -> Benchmark:
    """Recomputation in the backward pass, ours against torchvision's."""
    workload = Workload("densenet121", size=64, batch_size=32, steps=1)
    # glibc gives memory back at once, so that a peak is what a step needs.
    give_back = {"MALLOC_MMAP_THRESHOLD_": "32768"}

    def race(what: str, unit: str, title: str, **options: Any) -> Race:
        efficient = {"workload": workload, "memory_efficient": True}
        plain = efficient | {"memory_efficient": False}
        switch, train = "memory_efficient=True", "library.train"
        goal = 1.0 if what == "seconds" else None
        entries = [
            library(f"d2l, {switch}", train, framework="pytorch", **efficient),
            library("d2l, plain", train, framework="pytorch", **plain),
            peer(f"torchvision, {switch}", "pytorch.reference", goal, **efficient),
            peer("torchvision, plain", "pytorch.reference", **plain),
        ]
        entries = [replace(entry, **options) for entry in entries]
        title = f"{title}: DenseNet-121, 64×64, batch 32"
        return Race("pytorch", f"memory-efficient-{what}", title, unit, entries)

    races = [
        race("seconds", "s", "time of a step"),
        race("peak", "MiB", "memory of a step", environment=give_back),
    ]
    return Benchmark(races, rounds=7, packages=["torchvision"])


def gpu() -> Benchmark:
    """Training in bfloat16 on a GPU, against each framework's own way."""
    works = [
        ("plain-32", LOOPS, replace(PLAIN, batch_size=256)),
        ("densenet121-224", REFERENCES, replace(LARGE, batch_size=64, steps=8)),
    ]
    packages = ["optax", "torchvision"]
    if dry_run():
        works = [("plain-32", LOOPS, replace(PLAIN, batch_size=4, steps=1))]
        packages = ["optax"]
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    visible = {"CUDA_VISIBLE_DEVICES": chosen, "JAX_PLATFORMS": ""}
    # Compilers of GPU code use more than two cores.
    shared = {"threads": 8, "environment": SHARED_GPU | visible}

    def entries(framework: str, name: str, work: Workload) -> Iterator[Entry]:
        ours = {"framework": framework, "workload": work, "precision": "bfloat16"}
        yield library("Trainer", "library.train", **ours)
        mixed = f"{framework}.mixed"
        yield peer(name, mixed, workload=work)
        if framework == "pytorch":
            last = {"workload": work, "channels_last": True}
            yield peer(f"{name}, channels last", mixed, **last)

    races = []
    for task, names, work in works:
        sizes = f"{work.size}×{work.size}, batch {work.batch_size}, bfloat16"
        title = f"training {work.network}, {sizes}"
        for framework in ("pytorch", "tensorflow", "jax"):
            found = entries(framework, names[framework], work)
            given = [replace(entry, **shared) for entry in found]
            races.append(Race(framework, task, title, "images/s", given))
    return Benchmark(races, rounds=5, packages=packages, gpu=True)


BENCHMARKS = {
    benchmark.__name__: benchmark()
    for benchmark in (
        compiling,
        data,
        first_step,
        gpu,
        inference,
        memory_efficient,
        profile,
        reference,
        roofline,
        settings,
        step,
        waiting,
    )
}
