"""Follows a block from layer to layer and names each place where it leaves the book."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from d2l_classroom import known_mistakes as mistakes
from d2l_classroom.framework import Call
from d2l_classroom.programs import INPUT, LAYERS, Program, Step
from d2l_classroom.reference import GLUE, apply, of_layer
from d2l_lite.networks.weights import Weights

Array = np.ndarray
OUTPUT = "the output"
# Relative to the largest value, for a single step in float32.
TOLERANCE = 1e-5
# As many pixels of padding may stand in a layer of their own, both sides together.
MARGIN = 8
# The kind of all that nobody recognises: only the first of them says something.
UNKNOWN = "unknown"
# What to look at where an operation is another one.
WHERE = {
    "norm": "compare the settings of this batch norm with what is asked for",
    "conv": "look at its border of zeros, its stride and its bias",
    "linear": "look at what the classifier does",
    "relu": "what stands between batch norm and convolution, and in which order?",
    "concat": "which maps should it read, and in which order do they lie?",
    "average": "what should become of 2×2 pixels?",
    "maximum": "how does the stem pool?",
    "mean": "how should each map become one number?",
    "as it is": "does something stand in front of it that should not be there?",
    "": "compare what it reads with what it should read",
}


class Finding(NamedTuple):
    """A place where a block does something else than the reference.

    Attributes:
        text: what it does, without the place.
        kind: the same without the reader, alike for all readers.
        why: why it matters, or where the book explains it; may be empty.
        op: the operation that is another.
        place: the layer, or "the output".
    """

    text: str
    kind: str
    why: str
    op: str
    place: str

    @property
    def hint(self) -> str:
        """Where to look."""
        return f"{self.place} is the first that differs: {WHERE[self.op]}"


def close(found: Array, expected: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays are the same up to rounding; NaN is never."""
    if found.shape != expected.shape:
        return False
    size = max(abs(expected).max(initial=0), 1e-6)
    return bool(abs(found - expected).max(initial=0) <= tolerance * size)


class Walk:
    """A block's calls beside a program's steps.

    Each step is computed from what the block itself had made before, so that a mistake
    is seen where it is made, and does not hide the next one.

    Args:
        program: the reference.
        weights: the block's own, by canonical names.
        calls: of its layers, by canonical names.
        images: its input.
        output: what it made; None if it did not come so far.
        training: in which mode.
    """

    def __init__(
        self,
        program: Program,
        weights: Weights,
        calls: Mapping[str, Call],
        images: Array,
        output: Array | None,
        training: bool,
    ):
        self.program = program
        self.weights = weights
        self.calls = calls
        self.output = output
        self.training = training
        self.steps = {step.name: step for step in program.steps}
        self.made = {INPUT: images.astype(float)}

    def findings(self) -> list[Finding]:
        """All places that differ, in forward order."""
        found: list[Finding] = []
        for finding in self._findings():
            if found and _turned(found[-1], finding):
                text = "your ReLU stands before the batch norm, the reference's behind"
                found[-1] = found[-1]._replace(text=text, kind=text, op="relu")
                continue
            found.append(finding)
        return found

    def _findings(self) -> Iterator[Finding]:
        for step in self.program.layers:
            call = self.calls.get(step.name)
            if call is None:
                return
            x = self._unpadded(step, call.input)
            yield from self._reading(step.reads[0], x, step.name)
            if call.output is None:
                return
            yield from self._layer(step, x, call.output)
            self.made[step.name] = call.output
        if self.output is not None:
            yield from self._reading(self.program.steps[-1].name, self.output, OUTPUT)

    def _unpadded(self, step: Step, x: Array) -> Array:
        """What a convolution reads, without zeros that a layer of its own has laid."""
        expected = self._try(step.reads[0], {})
        if step.op != "conv" or expected is None or x.shape[:2] != expected.shape[:2]:
            return x
        height, width = expected.shape[2:]
        more = x.shape[2] - height, x.shape[3] - width
        if max(more) > MARGIN:
            return x
        for top, left in product(range(more[0] + 1), range(more[1] + 1)):
            inside = x[:, :, top : top + height, left : left + width]
            around = np.count_nonzero(x) - np.count_nonzero(inside)
            if not around and close(inside, expected):
                return inside
        return x

    def _layer(self, step: Step, x: Array, found: Array) -> Iterator[Finding]:
        arrays = of_layer(step, self.weights)
        try:
            if close(found, apply(step, [x], arrays, self.training)):
                return
        except ValueError:
            # Its own arrays do not fit its input: the structure's message says so.
            return
        others: Iterator[mistakes.Variant] = iter(())
        if step.op == "norm":
            others = mistakes.norm(x, found, arrays, self.training)
        elif step.op == "conv":
            others = mistakes.conv(x, arrays, step.stride)
        for variant in others:
            if close(found, variant.array):
                text = variant.text
                yield Finding(text, text, variant.why, step.op, step.name)
                return
        text = (
            f"{step.name} is the first layer that differs: it makes something else of "
            "what it reads than the reference"
        )
        yield Finding(text, UNKNOWN, "", step.op, step.name)

    def _reading(self, name: str, found: Array, reader: str) -> Iterator[Finding]:
        """What a reader should get under this name, and what it gets."""
        expected = self._try(name, {})
        if expected is None or close(found, expected):
            return
        glue = self._glue(name)
        for count in (1, 2):
            for places in combinations(glue, count):
                for chosen in self._chosen(places, {}, name, found, reader):
                    yield from chosen
                    return
        for variant in mistakes.glue("as it is", [expected], found):
            if close(found, variant.array):
                text = variant.text.replace("{reads}", _reads(reader, self.program))
                yield Finding(text, variant.text, variant.why, "as it is", reader)
                return
        text = f"{reader} is the first layer that differs: it does not read "
        if reader == OUTPUT:
            text = "the output is the first that differs: it is not "
        yield Finding(text + self._words(name), UNKNOWN, "", "", reader)

    def _chosen(
        self,
        places: tuple[str, ...],
        replaced: dict[str, Array],
        name: str,
        found: Array,
        reader: str,
    ) -> Iterator[list[Finding]]:
        """The findings of each way to replace these places that makes `found`."""
        if not places:
            array = self._try(name, replaced)
            if array is not None and close(found, array):
                yield []
            return
        place, *rest = places
        op, inputs = self._inputs(place, replaced)
        if inputs is None:
            return
        for variant in mistakes.glue(op, inputs, found if place == name else inputs[0]):
            with_it = replaced | {place: variant.array}
            for others in self._chosen(tuple(rest), with_it, name, found, reader):
                text = variant.text.replace("{reads}", _reads(reader, self.program))
                this = Finding(text, variant.text, variant.why, op, reader)
                yield [this, *others]

    def _inputs(
        self, place: str, replaced: Mapping[str, Array]
    ) -> tuple[str, list[Array] | None]:
        step = self.steps.get(place)
        if step is None or step.op in LAYERS:
            return "as it is", [self.made[place]]
        inputs = [self._try(read, replaced) for read in step.reads]
        return step.op, None if any(x is None for x in inputs) else inputs

    def _glue(self, name: str) -> list[str]:
        """The steps without weights that lead to a name, inputs first; or itself."""
        step = self.steps.get(name)
        if step is None or step.op in LAYERS:
            return [name]
        before = [
            place
            for read in step.reads
            if (above := self.steps.get(read)) and above.op not in LAYERS
            for place in self._glue(read)
        ]
        return [*dict.fromkeys(before), name]

    def _try(self, name: str, replaced: Mapping[str, Array]) -> Array | None:
        """A step's result from what the block has made; None if shapes forbid it."""
        if name in replaced:
            return replaced[name]
        if name in self.made:
            return self.made[name]
        inputs = [self._try(read, replaced) for read in self.steps[name].reads]
        if any(x is None for x in inputs):
            return None
        glue: Callable[..., Array] = GLUE[self.steps[name].op]
        try:
            return glue(*inputs)
        except ValueError:
            return None

    def _words(self, name: str) -> str:
        if name == INPUT:
            return "the block's input"
        step = self.steps[name]
        if step.op == "concat":
            return "all features before it, side by side"
        words = {"relu": "ReLU", "average": "average", "maximum": "maximum"}
        if step.op in LAYERS:
            return f"what {name} made"
        return f"the {words.get(step.op, 'mean')} of {self._words(step.reads[0])}"


def _turned(first: Finding, second: Finding) -> bool:
    """Whether a ReLU too many and one too few are one that stands too early."""
    prefixes = {finding.place.rpartition(".")[0] for finding in (first, second)}
    early = first.text.startswith("your code has a ReLU too many")
    return early and "no ReLU" in second.text and len(prefixes) == 1


def _reads(reader: str, program: Program) -> str:
    if reader == OUTPUT:
        return f"your {program.noun} returns"
    return f"{reader.rpartition('.')[0] or reader} reads"
