"""What the framework modules share: weights in and out, first weights, predictions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2l_lite import weights, zoo

BATCH = 256
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Backend:
    """A framework as a handful of functions; its methods are those of the module.

    Args:
        network: makes a `DenseNet` from its arguments.
        place: puts a model on the device, with memory for its weights.
        arrays: a model's own arrays under their canonical names, in forward order.
        shape: the canonical shape of such an array.
        read: a NumPy copy of it, in PyTorch's layout.
        write: sets it from a NumPy array in PyTorch's layout.
        forward: a model in evaluation mode as a function of N×C×H×W NumPy images.
    """

    network: Callable[..., Any]
    place: Callable[[Any], None]
    arrays: Callable[[Any], dict[str, Any]]
    shape: Callable[[Any], tuple[int, ...]]
    read: Callable[[Any], np.ndarray]
    write: Callable[[Any, np.ndarray], None]
    forward: Callable[[Any], Predict]

    def build(
        self, name: str, in_channels: int = 1, num_classes: int = 10, seed: int = 0
    ) -> Any:
        """The network `name` of the zoo, with the weights that `seed` means everywhere.

        Raises:
            ValueError: unknown name, or a number below 1; the message says which.
        """
        for argument, value in (
            ("in_channels", in_channels),
            ("num_classes", num_classes),
        ):
            if value < 1:
                raise ValueError(f"build({argument}={value}): must be at least 1")
        arguments = zoo.arguments(name)
        model = self.network(in_channels, num_classes, **arguments)
        return self.initialize(model, seed)

    def initialize(self, model: Any, seed: int = 0) -> Any:
        """Give a network, or a part of one, the weights of `seed`; returns it."""
        self.place(model)
        self.set_weights(model, weights.initial(self._shapes(model), seed))
        return model

    def get_weights(self, model: Any) -> dict[str, np.ndarray]:
        """Copies of all weights: canonical names, PyTorch's layout."""
        return {name: self.read(array) for name, array in self.arrays(model).items()}

    def set_weights(self, model: Any, new: Mapping[str, np.ndarray]) -> None:
        """Set all weights.

        Raises:
            WeightsError: they do not fit; it lists every entry, and nothing is changed.
        """
        weights.check(new, self._shapes(model))
        for name, array in self.arrays(model).items():
            self.write(array, np.asarray(new[name]))

    def count_parameters(self, model: Any) -> int:
        """The number of trainable parameters."""
        shapes = self._shapes(model).items()
        return sum(int(np.prod(s)) for name, s in shapes if weights.is_trainable(name))

    def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
        """A network's N×K logits of N×C×H×W images, or a part's N×C×H×W maps.

        In evaluation mode, 256 images at a time.
        """
        forward = self.forward(model)
        starts = range(0, len(images), BATCH)
        return np.concatenate([forward(images[i : i + BATCH]) for i in starts])

    def trainable(self, model: Any) -> dict[str, Any]:
        """The model's own arrays without the running statistics."""
        arrays = self.arrays(model).items()
        return {name: array for name, array in arrays if weights.is_trainable(name)}

    def _shapes(self, model: Any) -> dict[str, tuple[int, ...]]:
        return {name: self.shape(array) for name, array in self.arrays(model).items()}
