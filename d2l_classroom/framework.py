"""What the checker asks of a framework, and how it watches the layers of a block."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from d2l_classroom.programs import LAYERS
from d2l_classroom.report import Message
from d2l_lite import TITLES
from d2l_lite.networks.weights import ARRAYS, is_trainable

Array = np.ndarray


@dataclass
class Call:
    """A layer with weights at work; no output if it raised an exception.

    Attributes:
        layer: the framework's object.
        kind: "norm", "conv" or "linear".
        input: what it read, N×C×H×W in float64.
        output: what it made.
    """

    layer: Any
    kind: str
    input: Array
    output: Array | None = None


@dataclass
class Seen:
    """A block at work: the calls of its layers, and along which axes it joins maps."""

    calls: list[Call] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)


class Framework(ABC):
    """A framework, as the checker uses it.

    Attributes:
        module: the class of all blocks.
        a_module: what to call such an object.
        row: what puts layers one after the other.
        shelf: what keeps a list of layers so that the framework sees them.
        forward: the names that a block's way forward may have, the usual one first.
        channels_last: whether images are N×H×W×C.
        tapped: the classes whose calls are watched.
        joins: the modules and the names of the functions that concatenate.
        join_axis: along which axis these do so unless they are told.
    """

    module: type
    a_module: str
    row: str
    shelf: str
    forward: tuple[str, ...]
    channels_last = False
    tapped: tuple[type, ...]
    joins: tuple[tuple[ModuleType, str], ...]
    join_axis = 0

    def __init__(self, library: ModuleType):
        self.backend = library.backend
        self.title = TITLES[self.backend.framework]
        self.tensor = library.to_tensor
        self._library = library
        self._to_numpy = library.to_numpy

    def own(self, name: str) -> Any:
        """The book's own function or class; a bottleneck is another `conv_block`."""
        return getattr(self._library, name.replace("bottleneck_", "conv_"))

    def array(self, tensor: Any) -> Array:
        """A tensor as an array of its own in float64, maps N×C×H×W."""
        return np.array(self._to_numpy(tensor), dtype=float)

    def kind(self, part: Any) -> str | None:
        """What a layer with weights is; None for all others."""
        kind = self.backend.kind(part)
        return kind if kind in LAYERS else None

    def layers(self, model: Any) -> list[Any]:
        """The layers with weights that the framework sees, as they were made."""
        return [part for part in self.parts(model) if self.kind(part)]

    def arrays(self, layers: Mapping[str, Any]) -> dict[str, Any]:
        """The framework's own arrays of these layers, under canonical names."""
        return {
            f"{name}.{end}": found
            for name, layer in layers.items()
            for end in ARRAYS
            if (found := self.backend.find(layer, end)) is not None
        }

    def trainable(self, layers: Mapping[str, Any]) -> dict[str, Any]:
        """The same without running statistics."""
        arrays = self.arrays(layers).items()
        return {name: array for name, array in arrays if is_trainable(name)}

    def settle(self, model: Any) -> None:
        """Give a new block memory for its weights, on the device."""
        self.backend.place(model, 0)

    def extras(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What a signature with these parameters asks for beyond the book's."""
        return {}

    @property
    def channel_axis(self) -> int:
        """Where channels lie in a batch of images."""
        return 3 if self.channels_last else 1

    @property
    def lie(self) -> str:
        """Where channels lie, in words."""
        layout = "N×H×W×C" if self.channels_last else "N×C×H×W"
        return (
            f"in {self.title} channels lie on axis {self.channel_axis} of images here, "
            f"{layout}"
        )

    def axis(self, norm: Any) -> int:
        """The axis along which a batch norm has a scale for each channel."""
        return getattr(norm, "axis", self.channel_axis) % 4

    def explain(self, error: BaseException, arguments: Mapping) -> Message | None:
        """What an error at the making of a block means, where that is known."""
        if "'_children'" in str(error) or "before Module.__init__()" in str(error):
            return Message("begin `__init__` with the line super().__init__()")
        return None

    @contextmanager
    def watched(self) -> Iterator[Seen]:
        """Notes what layers with weights read and make, in the order of their calls."""
        seen, active = Seen(), set()
        calls = seen.calls

        def joining(original: Callable) -> Callable:
            def join(parts, *arguments, **options):
                axis = options.get("axis", options.get("dim", self.join_axis))
                parts = list(parts)
                if parts and len(getattr(parts[0], "shape", ())) == 4:
                    seen.axes.append((arguments[0] if arguments else axis) % 4)
                return original(parts, *arguments, **options)

            return join

        def watching(original: Callable) -> Callable:
            def __call__(layer, *arguments, **options):
                kind = self.kind(layer)
                known = kind is None or id(layer) in active or not arguments
                if known or not self.concrete(arguments[0]):
                    return original(layer, *arguments, **options)
                # Copied first, for the layer may write into its input.
                call = Call(layer, kind, self.array(arguments[0]))
                calls.append(call)
                active.add(id(layer))
                try:
                    output = original(layer, *arguments, **options)
                finally:
                    active.discard(id(layer))
                call.output = self.array(output)
                return output

            return __call__

        with ExitStack() as stack:
            for cls in self.tapped:
                tap = watching(cls.__call__)
                stack.enter_context(patch.object(cls, "__call__", tap))
            for module, name in self.joins:
                join = joining(getattr(module, name))
                stack.enter_context(patch.object(module, name, join))
            yield seen

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Puts the framework's global state back."""
        yield

    @abstractmethod
    def parts(self, model: Any) -> list[Any]:
        """A block and all blocks and layers in it, as they were made."""

    @abstractmethod
    def is_tensor(self, value: Any) -> bool:
        """Whether a block may return it."""

    def concrete(self, value: Any) -> bool:
        """Whether it is a tensor of numbers, and none that stands for some."""
        return self.is_tensor(value)

    @abstractmethod
    def evaluate(self, model: Any, X: Any) -> Any:
        """What a block makes in evaluation mode."""

    @abstractmethod
    def train(self, model: Any, X: Any) -> Any:
        """What a block makes in training mode."""

    @abstractmethod
    def pull(
        self, model: Any, X: Any, dY: Any, layers: Mapping[str, Any]
    ) -> dict[str, Array | None]:
        """Gradients of sum(Y·dY) in training mode, by parameter and, as "x", by X.

        None where no gradient arrives. It moves the running statistics.
        """

    def kept(self, model: Any, images: Array) -> int | None:
        """Channels kept for the backward pass; None where the framework cannot say."""
        return None

    def canonical(self, gradient: Any) -> Array:
        """The gradient of one of the framework's own arrays in PyTorch's layout."""
        return np.array(self.backend.read(gradient), dtype=float)


@cache
def of(name: str) -> Framework:
    """A framework by its name in `d2l_lite`."""
    layers = import_module(f"d2l_classroom.{name}_layers")
    return getattr(layers, TITLES[name])(import_module(f"d2l_lite.{name}"))
