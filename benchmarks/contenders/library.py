"""The book's `Trainer` and `predict`, as its readers use them."""

import importlib

from benchmarks.contender import Run
from benchmarks.workload import Workload


def train(
    framework: str,
    workload: Workload,
    memory_efficient: bool = False,
    precision: str = "float32",
) -> Run:
    """The step of `Trainer`, as its loop calls it."""
    d2l = importlib.import_module(f"d2l_lite.{framework}")
    model = d2l.build(workload.network, memory_efficient=memory_efficient)
    step = d2l.Trainer(max_epochs=1, precision=precision).prepare(model)
    batches = list(zip(*workload.batches()))

    def run() -> None:
        pending = [step(images, labels, 0.01)[0] for images, labels in batches]
        for loss in pending:
            float(loss)
        if framework == "mxnet":
            # It answers before it has finished: only a weight that is read is there.
            d2l.get_weights(model)

    return run


def predict(framework: str, workload: Workload) -> Run:
    """Logits of one batch after the other."""
    d2l = importlib.import_module(f"d2l_lite.{framework}")
    model = d2l.build(workload.network)
    batches, _ = workload.batches()

    def run() -> None:
        for images in batches:
            d2l.predict(model, images)

    return run
