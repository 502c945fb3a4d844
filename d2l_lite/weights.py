"""Weights as NumPy arrays in PyTorch's layout: named, checked, drawn from a seed."""

from collections.abc import Mapping

import numpy as np

# The arrays of a layer, in the order in which a network lists them.
ARRAYS = ("weight", "bias", "running_mean", "running_var")
Weights = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


class WeightsError(ValueError):
    """Weights that do not fit the network they were given to."""


def is_trainable(name: str) -> bool:
    """All arrays are trained but the running statistics of batch norm."""
    return not name.endswith(("running_mean", "running_var"))


def check(weights: Weights, shapes: Shapes) -> None:
    """Raise one WeightsError that lists every missing, extra or misshapen entry."""
    problems = [
        f"{name}: missing, expected {tuple(shape)}"
        for name, shape in shapes.items()
        if name not in weights
    ]
    for name, array in weights.items():
        if name not in shapes:
            problems.append(f"{name}: not in this network, found {np.shape(array)}")
        elif np.shape(array) != tuple(shapes[name]):
            problems.append(
                f"{name}: expected {tuple(shapes[name])}, found {np.shape(array)}"
            )
    if problems:
        raise WeightsError(
            "weights do not fit the network:\n  " + "\n  ".join(problems)
        )


def initial(shapes: Shapes, seed: int = 0) -> dict[str, np.ndarray]:
    """A network's first weights from one NumPy generator, in the order of `shapes`.

    Convolutions and the classifier: normal with variance 2 / fan-in (He et al. 2015,
    which the DenseNet paper follows in section 4.2). Biases and running means are 0;
    scales and running variances of batch norm are 1. Returns float32 arrays.
    """
    generator = np.random.default_rng(seed)
    drawn = {}
    for name, shape in shapes.items():
        array = name.rpartition(".")[2]
        if len(shape) > 1:
            deviation = np.float32(np.sqrt(2 / np.prod(shape[1:])))
            drawn[name] = generator.standard_normal(shape, dtype=np.float32) * deviation
        elif array in ("weight", "running_var"):
            drawn[name] = np.ones(shape, dtype=np.float32)
        else:
            drawn[name] = np.zeros(shape, dtype=np.float32)
    return drawn


def to_channels_last(array: np.ndarray) -> np.ndarray:
    """PyTorch's layout to Keras' and Flax's: O×I×H×W to H×W×I×O, O×I to I×O."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def from_channels_last(array: np.ndarray) -> np.ndarray:
    """Keras' and Flax's layout to PyTorch's: H×W×I×O to O×I×H×W, I×O to O×I."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def canonical_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in PyTorch's layout of an array with `shape` in Keras' and Flax's."""
    return from_channels_last(np.empty(shape)).shape
