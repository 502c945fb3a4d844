"""Logits of DenseNet-121 on large images, against each framework's own network."""

from dataclasses import replace

from benchmarks.contenders.tasks import Task, flops
from benchmarks.entries import limits, ours, peer
from benchmarks.race import Benchmark, Race

TASK = Task("densenet121", size=224, batch_size=8, steps=3)
# By framework the peers' names, and their ways in its module.
PEERS = {
    "pytorch": {"torchvision, no_grad": "inference"},
    "tensorflow": {
        "keras.applications, predict": "predict",
        "keras.applications, call": "call",
    },
    "jax": {"nnx.jit": "inference"},
    "mxnet": {"Gluon's model zoo, hybridised": "inference"},
}


def race(framework: str, peers: dict[str, str]) -> Race:
    return Race(
        framework,
        "densenet121-224",
        "logits of DenseNet-121, 224×224, batch 8",
        "images/s",
        [
            ours("predict", framework, "predict", TASK),
            *(peer(name, framework, way, TASK, 1.0) for name, way in peers.items()),
            *limits(framework, "inference", replace(TASK, steps=1)),
        ],
        flops=flops(TASK, training=False),
    )


BENCHMARK = Benchmark(
    [race(framework, peers) for framework, peers in PEERS.items()],
    rounds=8,
    packages=["torchvision"],
)
