"""`Backend`: what a framework has to do, and what the library makes of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from d2l_lite.checks import check_integer, check_switch
from d2l_lite.data.transforms import resize
from d2l_lite.networks import layer_names, weights, zoo
from d2l_lite.networks.input_checks import batch_check

# So many images at a time `predict` computes.
BATCH = 256
Predict = Callable[[np.ndarray], np.ndarray]
# Names of parts: "features", "denseblock1", or several.
Parts = str | Sequence[str] | None
# The methods that each framework module offers as functions.
PUBLIC = (
    "build",
    "classify",
    "count_parameters",
    "get_weights",
    "heat_map",
    "initialize",
    "load",
    "loss_and_gradients",
    "make",
    "predict",
    "pretrained",
    "save",
    "set_weights",
)


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


class Backend(ABC):
    """A framework; the abstract methods say what it does, each in its own way.

    Attributes:
        framework: its name, for the metadata of files.
        kinds: the classes of its layers, as `layer_names.name_layers` calls them.
        names: for each kind of layer the framework's names of `weight`, `bias`,
            `running_mean` and `running_var`, where they are others.
    """

    framework: ClassVar[str]
    kinds: ClassVar[Mapping[type, str]]
    names: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    def __init__(self) -> None:
        # What the file of a loaded network says of its pictures and classes.
        self.about: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()

    @abstractmethod
    def accelerator(self) -> str:
        """The name of the GPU, or TPU, that the framework has found; "" if none."""

    def peak_memory(self) -> int | None:
        """Bytes of the accelerator's memory held at most so far, as it counts itself.

        None without an accelerator, or where the framework does not tell.
        """
        return None

    @abstractmethod
    def network(self, **arguments: Any) -> Any:
        """A `DenseNet` with these arguments; its weights are still to be set."""

    def create(self, block: Callable, *arguments: Any, **options: Any) -> Any:
        """What `block` makes of these arguments; its weights are still to be set."""
        return block(*arguments, **options)

    @abstractmethod
    def place(self, model: Any, seed: int) -> None:
        """Put a model on the device, with memory for its weights.

        The seed is for generators that it keeps, those of dropout in Flax.
        """

    def unwrapped(self, model: Any) -> Any:
        """The network itself of one that a framework's wrapper holds."""
        return model

    @abstractmethod
    def children(self, module: Any) -> list[Any]:
        """The parts of a module, in forward order."""

    @abstractmethod
    def before_pooling(self, features: Any) -> Any:
        """The `features` of a network up to its last feature maps N×C×H×W."""

    @abstractmethod
    def own(self, model: Any) -> Mapping[str, Any]:
        """All arrays of a model's state, counters and random keys aside.

        Under the framework's own names, for errors.
        """

    @abstractmethod
    def learning(self, model: Any) -> Iterable[Any]:
        """The arrays that the framework itself would train, by its own mark."""

    @abstractmethod
    def freeze(self, layer: Any) -> Callable[[], None]:
        """Mark a layer's arrays as frozen; returns what takes the marks away again.

        A batch norm then computes with its running statistics, which stay.
        """

    @abstractmethod
    def dropout_rate(self, layer: Any) -> float:
        """The rate of a dropout layer; 0 for all other modules."""

    @abstractmethod
    def shape(self, array: Any) -> tuple[int, ...]:
        """The shape that one of the framework's own arrays has in PyTorch's layout."""

    @abstractmethod
    def read(self, array: Any) -> np.ndarray:
        """A NumPy copy of one of the framework's own arrays, in PyTorch's layout.

        bfloat16, which NumPy does not know, becomes float32 without loss.
        """

    @abstractmethod
    def write(self, array: Any, new: np.ndarray) -> None:
        """Set one of the framework's own arrays from one in PyTorch's layout."""

    @abstractmethod
    def forward(self, model: Any) -> Predict:
        """A model in evaluation mode as a function of N×C×H×W NumPy images."""

    @abstractmethod
    def gradients(
        self, model: Any, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """What `loss_and_gradients` returns; the model stays as it was."""

    def functions(self) -> dict[str, Callable]:
        """The methods that the framework's module offers as functions, by name."""
        return {name: getattr(self, name) for name in PUBLIC}

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
        `changes` replace its other arguments, those of `DenseNet`. See chapters
        `densenet` and `densenet_zoo`.

        Raises:
            ValueError: an unknown name or argument, or a value out of its range.
        """
        given = {"in_channels": in_channels, "num_classes": num_classes}
        changes |= {key: value for key, value in given.items() if value is not None}
        return self.initialize(self.network(**zoo.arguments(name, **changes)), seed)

    def make(
        self, block: Callable, *arguments: Any, seed: int = 0, **options: Any
    ) -> Any:
        """`block(*arguments, **options)` with the weights of `seed`.

        A block of Flax gets `rngs` as well. See chapter `transition_layers`.

        Raises:
            ValueError: the seed is no integer of at least 0.
        """
        return self.initialize(self.create(block, *arguments, **options), seed)

    def save(self, model: Any, path: str | Path, data: Any = None) -> None:
        """Write a network's weights, canonical and whole, as a safetensors file.

        Its metadata name the network, its arguments and the framework; `load` of every
        framework module reads it. With the data set on which it was trained they also
        have its `classes`, `mean`, `std`, and the `size` of its images, (height,
        width); a network from a file that has them keeps them. See chapters
        `four_frameworks` and `your_pictures`.

        Raises:
            WeightsError: weights of a network that `load` cannot build.
            ValueError: the data have other channels or classes than the network.
            OSError: the file cannot be written.
        """
        model = self.unwrapped(model)
        arrays = self.get_weights(model)
        described = zoo.describe({name: a.shape for name, a in arrays.items()})
        weights.check(arrays, zoo.shapes(described["arguments"]))
        described["arguments"]["dropout"] = self._dropout(model.features)
        described["framework"] = self.framework
        about = self.about.get(model, {})
        if data is not None:
            size = data.train.size or data.train.images.shape[2:]
            about = {name: getattr(data, name) for name in ("classes", "mean", "std")}
            about |= {"size": size}
            weights.about(
                about, described["arguments"], f"save(data={type(data).__name__})"
            )
        weights.save(path, arrays, described | about)

    def load(
        self,
        path: str | Path,
        in_channels: int | None = None,
        num_classes: int | None = None,
        seed: int = 0,
        memory_efficient: bool = False,
    ) -> Any:
        """The network in a file that `save` or `python -m d2l_lite convert` wrote.

        Its weights are float32, whatever the file's are. With another number of classes
        it gets a new last layer, drawn from `seed`, and says so. With `in_channels=1`
        the weights of the first convolution are summed over its channels: a grey
        picture gives what it gives as a picture of equal colours. See chapters
        `four_frameworks` and `your_pictures`.

        Raises:
            ValueError: `memory_efficient`, as for `build`, is neither True nor False,
                or a number is below 1.
            WeightsError: not such a file, weights that do not fit its network or are
                no finite numbers, or other channels than 1 or the file's.
            OSError: the file cannot be read.
        """
        call = f"load(memory_efficient={memory_efficient!r})"
        check_switch(memory_efficient, call)
        asked = {"in_channels": in_channels, "num_classes": num_classes}
        given = {key: value for key, value in asked.items() if value is not None}
        for name, value in given.items():
            check_integer(value, 1, None, f"load({name}={value!r})")
        check_integer(seed, 0, None, f"load(seed={seed!r})")
        arrays, metadata = weights.read(path)
        weights.check_values(arrays, path)
        shapes = {name: array.shape for name, array in arrays.items()}
        try:
            arguments = zoo.describe(shapes, metadata)["arguments"]
            arguments["memory_efficient"] = memory_efficient
            weights.check(arrays, zoo.shapes(zoo.checked(arguments, "load")))
            about = weights.about(metadata, arguments, "its metadata")
        except ValueError as error:
            raise weights.WeightsError(
                f"{path}: {error}; checkpoints with other names are for "
                "`python -m d2l_lite convert`"
            ) from None
        model = self.network(**arguments | given)
        self.place(model, seed)
        self.set_weights(model, weights.adapted(arrays, path, **given, seed=seed))
        if num_classes not in (None, classes := arguments["num_classes"]):
            print(
                f"{Path(path).name} knows {classes} classes; a new last layer for "
                f"{num_classes} is drawn from seed {seed}"
            )
        elif in_channels in (None, arguments["in_channels"]):
            self.about[model] = about
        return model

    def pretrained(
        self,
        name: str,
        in_channels: int | None = None,
        num_classes: int | None = None,
        seed: int = 0,
        memory_efficient: bool = False,
    ) -> Any:
        """A DenseNet of the paper that torchvision's published weights make.

        They were trained on ImageNet. The first call downloads them into the cache, 31
        MB for "densenet121", and converts them, for which it needs PyTorch. The other
        arguments are those of `load`. See chapters `densenet_zoo` and `your_pictures`.

        Raises:
            ValueError: another name than "densenet121", "densenet161", "densenet169"
                or "densenet201"; or there is no PyTorch.
            DataError: they cannot be downloaded or kept.
        """
        # Here, as in `classify`: it imports Pillow, which few programs need.
        from d2l_lite.networks import imagenet

        path = imagenet.checkpoint(name)
        return self.load(path, in_channels, num_classes, seed, memory_efficient)

    def classify(self, model: Any, image: Any, top: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes of a picture and their probabilities, best first.

        See chapters `densenet_zoo` and `your_pictures`.

        Args:
            model: a network of a file with `classes`, `mean`, `std` and `size`, or
                one for ImageNet, of 1,000 classes and 3 channels.
            image: what `networks.imagenet.prepare` takes: a file, a picture of Pillow,
                or an H×W×3 array of uint8.
            top: how many classes at most.

        Raises:
            ValueError: another network, no picture, or `top` below 1.
        """
        from d2l_lite.networks import imagenet

        about = self.about.get(self.unwrapped(model)) or imagenet.about(
            self._shapes(model)
        )
        check_integer(top, 1, None, f"classify(top={top!r})")
        logits = self.predict(model, imagenet.prepare(image, about))[0]
        return imagenet.ranked(logits, about["classes"], top)

    def heat_map(
        self, model: Any, image: np.ndarray, label: int | None = None
    ) -> np.ndarray:
        """Where in an image the evidence for a class is: float32 H×W, 0 to 1.

        Grad-CAM of the last feature maps (Selvaraju et al. 2017, arXiv:1610.02391):
        the maps, each times the mean gradient of the class's logit by it, summed, cut
        off at 0, resized and divided by the largest value. Behind these maps are a mean
        and a linear layer, so that this gradient is the classifier's weight over the
        number of positions. See chapter `your_pictures`.

        Args:
            model: a whole network.
            image: C×H×W, as the network takes it.
            label: the class; None for the one that the network predicts.

        Raises:
            ValueError: an image of a wrong shape or too small, or no such class.
        """
        model, image = self.unwrapped(model), np.asarray(image)
        if image.ndim != 3:
            raise ValueError(f"heat_map: an image of {image.shape}: must be C×H×W")
        maps = self.predict(self.before_pooling(model.features), image[None])[0]
        head = self.arrays(model)
        weight, bias = (
            self.read(head[f"classifier.{name}"]) for name in ("weight", "bias")
        )
        if label is None:
            label = int(np.argmax(weight @ maps.mean(axis=(1, 2)) + bias))
        check_integer(label, 0, len(bias) - 1, f"heat_map(label={label!r})")
        heat = np.maximum(np.tensordot(weight[label], maps, axes=1), 0)
        heat = resize(heat[None, None], image.shape[1:])[0, 0]
        return heat / (heat.max() or 1)

    def initialize(self, model: Any, seed: int = 0) -> Any:
        """Give a network, or a part of one, the weights of `seed`; returns it.

        See chapter `dense_blocks`.

        Raises:
            ValueError: the seed is no integer of at least 0.
        """
        check_integer(seed, 0, None, f"initialize(seed={seed!r})")
        new = weights.initial(self._shapes(model), seed)
        self.place(model, seed)
        self.set_weights(model, new)
        return model

    def get_weights(self, model: Any) -> dict[str, np.ndarray]:
        """Copies of all weights: canonical names, PyTorch's layout.

        bfloat16, which NumPy does not know, becomes float32. See chapter
        `four_frameworks`.

        Raises:
            WeightsError: the model has an array without a canonical name.
        """
        return {name: self.read(array) for name, array in self.arrays(model).items()}

    def set_weights(self, model: Any, new: Mapping[str, np.ndarray]) -> None:
        """Set all weights. See chapter `four_frameworks`.

        Raises:
            WeightsError: they do not fit; it lists every entry, and nothing is changed.
        """
        weights.check(new, self._shapes(model))
        for name, array in self.arrays(model).items():
            self.write(array, np.asarray(new[name]))

    def count_parameters(self, model: Any, freeze: Parts = None) -> int:
        """The number of trainable parameters, frozen ones aside.

        What is frozen the framework's own mark says: `requires_grad` in PyTorch,
        `trainable` in Keras, `grad_req` of MXNet; in Flax, what is no `nnx.Param`.
        `freeze` names parts that are frozen as well, as in `Trainer`. See chapter
        `dense_blocks`.

        Raises:
            ValueError: the model has no part of such a name.
        """
        with self.frozen(model, freeze, "count_parameters"):
            arrays = self.trainable(model).values()
            return sum(int(np.prod(self.shape(array))) for array in arrays)

    def efficient(self, part: Any) -> bool:
        """Whether a block in a part of a network has `memory_efficient=True`."""
        own = getattr(part, "memory_efficient", False)
        return own or any(map(self.efficient, self.children(part)))

    @contextmanager
    def frozen(self, model: Any, freeze: Parts, call: str) -> Iterator[None]:
        """Have the named parts of a model frozen, as `freeze` does it."""
        with ExitStack() as stack:
            for layer in self.parts(model, freeze, call):
                stack.callback(self.freeze(layer))
            yield

    def parts(self, model: Any, names: Parts, call: str) -> list[Any]:
        """The layers with weights of the named parts of a model.

        A part is named as its weights are, "features.denseblock1"; "features." may be
        left out.

        Raises:
            ValueError: there is no such part; it lists those that are.
        """
        names = [names] if isinstance(names, str) else list(names or ())
        if not names:
            return []
        model = self.unwrapped(model)
        layers = dict(layer_names.name_layers(model, self.children, self.kind))
        short = {layer: layer.removeprefix("features.") for layer in layers}
        found = set()
        for name in names:
            inside = {
                layer
                for layer in layers
                if any(f"{n}.".startswith(f"{name}.") for n in (layer, short[layer]))
            }
            if not inside:
                known = dict.fromkeys(n.partition(".")[0] for n in short.values())
                raise ValueError(
                    f"{call}(freeze={name!r}): the model has no such part; choose from "
                    f"features, {', '.join(known)}, or a layer's whole name"
                )
            found |= inside
        return [layers[name] for name in layers if name in found]

    def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
        """A network's N×K logits of N×C×H×W images, or a part's N×C×H×W maps.

        In evaluation mode, 256 images at a time; the model stays as it was, and other
        threads may read it. See chapter `dense_blocks`.

        Raises:
            ValueError: images of a wrong shape, or too small for the network.
        """
        images = np.atleast_1d(images)
        # No images are one batch, too: it is refused.
        starts = range(0, len(images) or 1, BATCH)
        batches = (images[start : start + BATCH] for start in starts)
        return in_batches(self.evaluator(model, "predict"), batches)

    def evaluator(self, model: Any, call: str) -> Predict:
        """A model in evaluation mode as a function that checks its images first.

        It may take the weights as they are now; errors open with `call`.
        """
        model = self.unwrapped(model)
        check, forward = self.batch_check(model, call), self.forward(model)
        return lambda images: forward(check(images)[0])

    def loss_and_gradients(
        self, model: Any, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Mean cross-entropy in training mode, and its gradient by every parameter.

        Takes N×C×H×W images and N labels. The gradients have the parameters' canonical
        names and layout; frozen ones have none. The model, its running statistics
        included, stays as it was. See chapter `four_frameworks`.

        Raises:
            ValueError: images of a wrong shape, too small or too few, labels beyond
                the classes; or all parameters are frozen.
        """
        model = self.unwrapped(model)
        check = self.training_check(model, "loss_and_gradients")
        return self.gradients(model, *check(images, labels))

    def batch_check(
        self, model: Any, call: str, training: bool = False
    ) -> Callable[..., tuple]:
        """What checks a model's batches: see `input_checks.batch_check`."""
        # Who only looks at outputs needs no names: what has none is not checked.
        named = self._named(model)
        shapes = {name: self.shape(array) for name, array in named.items()}
        found = [self.read(array).dtype for array in list(named.values())[:1]]
        dtype = found[0] if found and found[0].kind == "f" else np.dtype(np.float32)
        return batch_check(shapes, dtype, call, training)

    def training_check(self, model: Any, call: str) -> Callable[..., tuple]:
        """What checks the batches that train a model, which has something to learn."""
        model = self.unwrapped(model)
        if not self.trainable(model):
            raise ValueError(f"{call}: all of the model's parameters are frozen")
        return self.batch_check(model, call, training=True)

    def kind(self, module: Any) -> layer_names.Kind:
        """What a layer is, as `layer_names.name_layers` asks for it."""
        matches = (k for cls, k in self.kinds.items() if isinstance(module, cls))
        return next(matches, None)

    def arrays(self, model: Any) -> dict[str, Any]:
        """The model's own arrays under their canonical names, in forward order.

        Raises:
            WeightsError: some have no such name, or share one; it lists them.
        """
        model = self.unwrapped(model)
        named = self._named(model)
        known = {id(array): name for name, array in named.items()}
        own = self.own(model).items()
        wrong = [f"{name}: not in a DenseNet" for name, a in own if id(a) not in known]
        wrong += [
            f"{name}: the same array as {known[id(array)]}"
            for name, array in named.items()
            if known[id(array)] != name
        ]
        if wrong:
            rest = [f"and {len(wrong) - 5} more"] if len(wrong) > 5 else []
            lines = "\n  ".join(wrong[:5] + rest)
            raise weights.WeightsError(
                f"the model has arrays without a name:\n  {lines}"
            )
        return named

    def _named(self, model: Any) -> dict[str, Any]:
        return {
            f"{name}.{array}".lstrip("."): found
            for name, layer in layer_names.name_layers(model, self.children, self.kind)
            for array in weights.ARRAYS
            if (found := self.find(layer, array)) is not None
        }

    def find(self, layer: Any, array: str) -> Any:
        """A layer's own `weight`, `bias`, `running_mean` or `running_var`, or None."""
        names = self.names.get(self.kind(layer), {})
        return getattr(layer, names.get(array, array), None)

    def trainable(self, model: Any) -> dict[str, Any]:
        """The model's own arrays that learn: no running statistics, nothing frozen."""
        arrays = self.arrays(model).items()
        learning = {id(array) for array in self.learning(self.unwrapped(model))}
        return {name: array for name, array in arrays if id(array) in learning}

    def _shapes(self, model: Any) -> dict[str, tuple[int, ...]]:
        return {name: self.shape(array) for name, array in self.arrays(model).items()}

    def _dropout(self, part: Any) -> float:
        """The rate of the first dropout in a part of a network, 0 if it has none."""
        rates = (self._dropout(child) for child in self.children(part))
        return self.dropout_rate(part) or next(filter(None, rates), 0.0)
