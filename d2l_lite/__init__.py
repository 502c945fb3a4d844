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
    """Whether a framework's package is there; it is not imported."""
    return find_spec(PACKAGES[framework]) is not None


class DataError(RuntimeError):
    """Data that are missing, damaged or not storable; the message has the remedy."""
