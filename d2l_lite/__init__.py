"""Data, training and tools of the book, the same in four frameworks."""

from importlib.util import find_spec

__version__ = "0.1.0"

# The book's frameworks in its order, and the package in which each one comes.
PACKAGES = {
    "pytorch": "torch",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "mxnet": "mxnet",
}
TITLES = {
    "pytorch": "PyTorch",
    "tensorflow": "TensorFlow",
    "jax": "JAX",
    "mxnet": "MXNet",
}


def installed(framework: str) -> bool:
    """Whether what a framework needs is there; nothing is imported."""
    needed = [PACKAGES[framework], *(["flax"] if framework == "jax" else [])]
    return all(map(find_spec, needed))


def installation(framework: str) -> str:
    """How a framework is installed, with all that it needs."""
    alone = " and pip install --no-deps mxnet==1.9.1" if framework == "mxnet" else ""
    return f"pip install 'd2l-lite[{framework}]'{alone}"


class DataError(RuntimeError):
    """Data that are missing, damaged or not storable; the message has the remedy."""
