"""Data, training and tools of the book, the same in four frameworks."""

__version__ = "0.1.0"


class DataError(RuntimeError):
    """Data that are missing, damaged or not storable; the message has the remedy."""
