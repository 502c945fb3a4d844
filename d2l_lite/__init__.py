"""Data, training and tools of the book, the same in four frameworks."""

__version__ = "0.1.0"

# The book's frameworks in its order, and the package in which each one comes.
PACKAGES = {
    "pytorch": "torch",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "mxnet": "mxnet",
}


class DataError(RuntimeError):
    """Data that are missing, damaged or not storable; the message has the remedy."""
