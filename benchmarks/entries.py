"""The entries that several benchmarks have in common."""

from benchmarks.contenders.tasks import Task
from benchmarks.race import Entry

# How a framework's users write the loop over a network of their own.
LOOPS = {
    "pytorch": "plain loop",
    "tensorflow": "Keras fit",
    "jax": "Flax loop, nnx.jit",
    "mxnet": "Gluon loop, hybridised",
}


def ours(name: str, framework: str, way: str, task: Task) -> Entry:
    """`Trainer` ("train") or `predict`."""
    words = (framework, way, *task.words)
    return Entry(name, "benchmarks.contenders.ours", words, ours=True)


def peer(name: str, framework: str, way: str, task: Task, goal: float) -> Entry:
    """What `benchmarks.contenders.<framework>` can do without the book's library."""
    words = (way, *task.words)
    return Entry(name, f"benchmarks.contenders.{framework}", words, goal=goal)


def limits(framework: str, way: str, task: Task) -> list[Entry]:
    """The processor's rate in a matrix product and in the convolutions alone."""
    words = (f"{way}-convolutions", *task.words)
    return [
        Entry("matmul", "benchmarks.contenders.matmul", limit=True),
        Entry("convolutions", f"benchmarks.contenders.{framework}", words, limit=True),
    ]
