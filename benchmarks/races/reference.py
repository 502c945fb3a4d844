"""Training DenseNet-121 on large images, against each framework's own network."""

from dataclasses import replace

from benchmarks.contenders.tasks import Task, flops
from benchmarks.entries import limits, ours, peer
from benchmarks.race import Benchmark, Race

TASK = Task("densenet121", size=224, batch_size=8, steps=2)
# Flax has no network of its own: its users train one like the book's.
REFERENCES = {
    "pytorch": "torchvision",
    "tensorflow": "keras.applications, fit",
    "jax": "Flax loop, nnx.jit",
    "mxnet": "Gluon's model zoo, hybridised",
}


def race(framework: str, reference: str) -> Race:
    return Race(
        framework,
        "densenet121-224",
        "training DenseNet-121, 224×224, batch 8",
        "images/s",
        [
            ours("Trainer", framework, "train", TASK),
            peer(reference, framework, "reference", TASK, goal=1.0),
            *limits(framework, "training", replace(TASK, steps=1)),
        ],
        flops=flops(TASK, training=True),
    )


BENCHMARK = Benchmark(
    [race(framework, reference) for framework, reference in REFERENCES.items()],
    rounds=3,
    packages=["optax", "torchvision"],
)
