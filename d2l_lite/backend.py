"""What the framework modules share: weights in and out, first weights, predictions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from d2l_lite import naming, weights, zoo
from d2l_lite.checks import check_integer

BATCH = 256
Predict = Callable[[np.ndarray], np.ndarray]


def in_batches(predict: Predict, batches: Iterable[np.ndarray]) -> np.ndarray:
    """What `predict` makes of each batch, concatenated; the last may be smaller."""
    outputs, size = [], 0
    for images in batches:
        count, size = len(images), max(size, len(images))
        if count < size:
            # One shape for all batches: a compiled model is compiled once.
            images = np.resize(images, (size, *images.shape[1:]))
        outputs.append(predict(images)[:count])
    return np.concatenate(outputs)


@dataclass(frozen=True)
class Backend:
    """A framework as a handful of functions; its methods are those of the module.

    Args:
        framework: its name, for the metadata of files.
        network: makes a `DenseNet` from its arguments.
        place: puts a model on the device, with memory for its weights; a seed is for
            generators that it keeps, those of dropout in Flax.
        children: the parts of a module, in forward order.
        kind: what a part is, as `d2l_lite.naming.name_layers` asks for it.
        names: for each kind of layer the framework's names of `weight`, `bias`,
            `running_mean` and `running_var`, where they are others.
        shape: the canonical shape of one of the framework's own arrays.
        read: a NumPy copy of it, in PyTorch's layout.
        write: sets it from a NumPy array in PyTorch's layout.
        forward: a model in evaluation mode as a function of N×C×H×W NumPy images.
        gradients: of a batch, what `loss_and_gradients` returns; may move statistics.
    """

    framework: str
    network: Callable[..., Any]
    place: Callable[[Any, int], None]
    children: Callable[[Any], list[Any]]
    kind: Callable[[Any], naming.Kind]
    names: Mapping[str, Mapping[str, str]]
    shape: Callable[[Any], tuple[int, ...]]
    read: Callable[[Any], np.ndarray]
    write: Callable[[Any, np.ndarray], None]
    forward: Callable[[Any], Predict]
    gradients: Callable[[Any, np.ndarray, np.ndarray], tuple[float, dict]]

    def build(
        self,
        name: str,
        in_channels: int | None = None,
        num_classes: int | None = None,
        seed: int = 0,
        **changes: Any,
    ) -> Any:
        """The network `name` of the zoo, with the weights that `seed` means everywhere.

        `in_channels` and `num_classes` are those of the network's data set if None.
        `changes` replace its other arguments, those of `DenseNet`.

        Raises:
            ValueError: an unknown name or argument, or a value out of its range.
        """
        given = {"in_channels": in_channels, "num_classes": num_classes}
        changes |= {key: value for key, value in given.items() if value is not None}
        return self.initialize(self.network(**zoo.arguments(name, **changes)), seed)

    def save(self, model: Any, path: str | Path) -> None:
        """Write a network's weights, canonical and whole, as a safetensors file.

        Its metadata name the network, its arguments and the framework; `load` of every
        framework module reads it.
        """
        arrays = self.get_weights(model)
        described = zoo.describe(self._shapes(model))
        described["arguments"]["dropout"] = self._dropout(model.features)
        weights.save(path, arrays, described | {"framework": self.framework})

    def load(self, path: str | Path) -> Any:
        """The network in a file that `save` or `python -m d2l_lite convert` wrote.

        Its weights are float32, whatever the file's are.

        Raises:
            WeightsError: not such a file, or its weights do not fit its network.
        """
        arrays = weights.load(path)
        try:
            weights.check_real(arrays)
            described = zoo.describe({name: a.shape for name, a in arrays.items()})
            dropout = zoo.noted_dropout(weights.metadata(path))
            arguments = described["arguments"] | {"dropout": dropout}
            model = self.network(**zoo.checked(arguments, "load"))
            self.place(model, 0)
            self.set_weights(model, arrays)
        except ValueError as error:
            raise weights.WeightsError(
                f"{path}: {error}; `python -m d2l_lite convert` makes a file that fits "
                "of checkpoints with other names"
            ) from None
        return model

    def initialize(self, model: Any, seed: int = 0) -> Any:
        """Give a network, or a part of one, the weights of `seed`; returns it."""
        check_integer(seed, 0, None, f"initialize(seed={seed!r})")
        self.place(model, seed)
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

        In evaluation mode, 256 images at a time; the model stays as it was.

        Raises:
            ValueError: images of a wrong shape, or too small for the network.
        """
        images, _ = self.batch_check(model, "predict")(images)
        starts = range(0, len(images), BATCH)
        return in_batches(self.forward(model), (images[i : i + BATCH] for i in starts))

    def evaluator(self, model: Any) -> Predict:
        """The model's `predict` for the batches of a `Trainer`, each one checked."""
        check, forward = self.batch_check(model, "Trainer"), self.forward(model)
        return lambda images: forward(check(images)[0])

    def loss_and_gradients(
        self, model: Any, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Mean cross-entropy in training mode, and its gradient by every parameter.

        Takes N×C×H×W images and N labels. The gradients have the parameters' canonical
        names and layout. The model, its running statistics included, stays as it was.

        Raises:
            ValueError: images of a wrong shape or too small, labels beyond the classes.
        """
        check = self.batch_check(model, "loss_and_gradients")
        images, labels = check(images, labels)
        before = self.get_weights(model)
        try:
            return self.gradients(model, images, labels)
        finally:
            self.set_weights(model, before)

    def batch_check(self, model: Any, call: str) -> Callable[..., tuple]:
        """A function that checks N×C×H×W images and, if there are any, N labels.

        It returns both, images in the model's dtype and labels as int64, and raises
        ValueError, opening with `call`, for what some framework would take in silence.
        """
        shapes = self._shapes(model)
        name, array = next(iter(self.arrays(model).items()))
        dtype, first = self.read(array).dtype, shapes[name]
        channels = first[1] if len(first) == 4 else first[0]
        classes = shapes.get("classifier.bias", (0,))[0]
        # A transition alone has names without the number that a network gives it.
        ends = (n.rpartition("transition")[2].lstrip("0123456789.") for n in shapes)
        transitions = sum(end == "conv.weight" for end in ends)
        # A stem that pools quarters and rounds up; each transition rounds down.
        pools = "features.norm0.weight" in shapes
        smallest = 2**transitions * (4 if pools else 1) - (3 if pools else 0)

        def check(images: np.ndarray, labels: np.ndarray | None = None) -> tuple:
            images = np.asarray(images)
            if images.ndim != 4 or not len(images):
                rule = "must be N×C×H×W with N at least 1"
                raise ValueError(f"{call}: images of shape {images.shape}: {rule}")
            _, found, height, width = images.shape
            if found != channels:
                reads = f"{found} channels: the model reads {channels}"
                raise ValueError(f"{call}: images of {reads}")
            if min(height, width) < smallest:
                need = f"{transitions} transitions need at least {smallest}×{smallest}"
                raise ValueError(f"{call}: images of {height}×{width} pixels: {need}")
            if labels is None:
                return images.astype(dtype, copy=False), None
            labels = np.asarray(labels)
            if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
                found = f"labels of shape {labels.shape} and type {labels.dtype}"
                rule = f"must be {len(images)} integers, one per image"
                raise ValueError(f"{call}: {found}: {rule}")
            if classes:
                low, high = np.min(labels), np.max(labels)
                if low < 0 or high >= classes:
                    has = f"the network has {classes} classes, 0 to {classes - 1}"
                    raise ValueError(f"{call}: labels from {low} to {high}: {has}")
            return images.astype(dtype, copy=False), labels.astype(np.int64, copy=False)

        return check

    def arrays(self, model: Any) -> dict[str, Any]:
        """The model's own arrays under their canonical names, in forward order."""
        return {
            f"{name}.{array}".lstrip("."): found
            for name, layer in naming.name_layers(model, self.children, self.kind)
            for array in weights.ARRAYS
            if (found := self._find(layer, array)) is not None
        }

    def _find(self, layer: Any, array: str) -> Any:
        names = self.names.get(self.kind(layer), {})
        return getattr(layer, names.get(array, array), None)

    def trainable(self, model: Any) -> dict[str, Any]:
        """The model's own arrays without the running statistics."""
        arrays = self.arrays(model).items()
        return {name: array for name, array in arrays if weights.is_trainable(name)}

    def _shapes(self, model: Any) -> dict[str, tuple[int, ...]]:
        return {name: self.shape(array) for name, array in self.arrays(model).items()}

    def _dropout(self, part: Any) -> float:
        """The rate of the first dropout in a part of a network, 0 if it has none."""
        if type(part).__name__ == "Dropout":
            names = ("p", "rate", "_rate")
            return next(getattr(part, name) for name in names if hasattr(part, name))
        return next(filter(None, map(self._dropout, self.children(part))), 0.0)
