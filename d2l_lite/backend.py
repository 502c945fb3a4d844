"""What the framework modules share: weights in and out, first weights, predictions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from d2l_lite.checks import check_integer, check_switch
from d2l_lite.networks import layer_names as naming
from d2l_lite.networks import weights, zoo
from d2l_lite.networks.input_checks import batch_check

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
        kind: what a part is, as `layer_names.name_layers` asks for it.
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

    def load(self, path: str | Path, memory_efficient: bool = False) -> Any:
        """The network in a file that `save` or `python -m d2l_lite convert` wrote.

        Its weights are float32, whatever the file's are.

        Raises:
            ValueError: `memory_efficient`, as for `build`, is neither True nor False.
            WeightsError: not such a file, or its weights do not fit its network.
        """
        call = f"load(memory_efficient={memory_efficient!r})"
        check_switch(memory_efficient, call)
        arrays, metadata = weights.read(path)
        try:
            weights.check_real(arrays)
            described = zoo.describe({name: a.shape for name, a in arrays.items()})
            dropout = zoo.noted_dropout(metadata)
            arguments = described["arguments"] | {
                "dropout": dropout,
                "memory_efficient": memory_efficient,
            }
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
        """What checks a model's batches: see `input_checks.batch_check`."""
        arrays = self.arrays(model)
        dtype = self.read(next(iter(arrays.values()))).dtype
        shapes = {name: self.shape(array) for name, array in arrays.items()}
        return batch_check(shapes, dtype, call)

    def pretrained(self, name: str, memory_efficient: bool = False) -> Any:
        """A DenseNet of the paper that torchvision's published weights make.

        They were trained on ImageNet. The first call downloads them into the cache, 31
        MB for "densenet121", and converts them, for which it needs PyTorch.

        Raises:
            ValueError: another name than "densenet121", "densenet161", "densenet169"
                or "densenet201"; or there is no PyTorch.
            DataError: they cannot be downloaded or kept.
        """
        # Here, as in `classify`: it imports Pillow, which few programs need.
        from d2l_lite.networks import imagenet

        return self.load(imagenet.checkpoint(name), memory_efficient)

    def classify(self, model: Any, image: Any, top: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes of a picture and their probabilities, best first.

        Args:
            model: a network for ImageNet, of 1,000 classes and 3 channels.
            image: what `networks.imagenet.prepare` takes: a file, a picture of Pillow,
                or an H×W×3 array of uint8.
            top: how many classes, 1 to 1,000.

        Raises:
            ValueError: another network, no picture, or `top` out of its range.
        """
        from d2l_lite.networks import imagenet

        imagenet.check(self._shapes(model), top)
        return imagenet.ranked(self.predict(model, imagenet.prepare(image))[0], top)

    def arrays(self, model: Any) -> dict[str, Any]:
        """The model's own arrays under their canonical names, in forward order."""
        return {
            f"{name}.{array}".lstrip("."): found
            for name, layer in naming.name_layers(model, self.children, self.kind)
            for array in weights.ARRAYS
            if (found := self.find(layer, array)) is not None
        }

    def find(self, layer: Any, array: str) -> Any:
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
