"""The book's `Trainer` and `predict`, as its readers use them.

python -m benchmarks.contenders.ours FRAMEWORK train|predict NETWORK SIZE BATCH STEPS
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType

from benchmarks.contender import serve
from benchmarks.contenders.tasks import Task


def train(d2l: ModuleType, task: Task) -> Callable[[], float]:
    """The step of `Trainer`, as its loop calls it."""
    model = d2l.build(task.network)
    step = d2l.Trainer(max_epochs=1).prepare(model)
    batches = list(zip(*task.batches()))

    def run() -> None:
        pending = [step(images, labels, 0.01)[0] for images, labels in batches]
        for loss in pending:
            float(loss)
        if d2l.__name__ == "d2l_lite.mxnet":
            # It answers before it has finished: only a weight that is read is there.
            d2l.get_weights(model)

    return task.timed(run)


def predict(d2l: ModuleType, task: Task) -> Callable[[], float]:
    model = d2l.build(task.network)
    batches, _ = task.batches()

    def run() -> None:
        for images in batches:
            d2l.predict(model, images)

    return task.timed(run)


WAYS = {"train": train, "predict": predict}

if __name__ == "__main__":
    framework, way, *words = sys.argv[1:]
    library = importlib.import_module(f"d2l_lite.{framework}")
    serve(partial(WAYS[way], library, Task.parse(words)))
