"""A student's block at work: made, run in both modes, every failure in words."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2l_classroom import structure
from d2l_classroom.differences import Finding, Walk
from d2l_classroom.failures import Refused, describe, untouched
from d2l_classroom.framework import Call, Framework, Seen
from d2l_classroom.programs import Program
from d2l_classroom.reference import Reference, drawn
from d2l_classroom.report import Message, shape
from d2l_classroom.time_limit import TimeUp

Array = np.ndarray
BUILDERS = {
    "conv_block": "conv_block",
    "dense_block": "DenseBlock",
    "transition_block": "transition_block",
    "bottleneck_block": "bottleneck_block",
    "densenet": "DenseNet",
    "memory_efficient_block": "DenseBlock",
}


# What the frameworks call a block's way forward.
FORWARD = ("forward", "call", "__call__", "hybrid_forward")
LIBRARIES = ("torch", "keras", "tensorflow", "flax", "mxnet", "d2l_lite")


def is_library(cls: type) -> bool:
    """Whether a class is not the student's."""
    return cls.__module__.partition(".")[0] in LIBRARIES


@dataclass
class Run:
    """One call of a block: what it made, or why it made nothing."""

    seen: Seen = field(default_factory=Seen)
    output: Array | None = None
    problem: str = ""
    untouched: bool = False


def make(framework: Framework, program: Program, answer: Any) -> Any:
    """A block of the student's, with memory for its weights.

    Raises:
        Refused: the answer is nothing that makes a block.
    """
    book = BUILDERS[program.task]
    call = f'check("{program.task}", {book})'
    if isinstance(answer, framework.module):
        raise Refused(f"give the checker {book} itself, not a block made by it: {call}")
    if not callable(answer):
        kind = (
            "None" if answer is None else f"an object of type {type(answer).__name__}"
        )
        raise Refused(f"the checker got {kind}; give it your {book}: {call}")
    extras = _bound(framework, program, answer)
    given = program.arguments
    arguments = () if program.keywords else tuple(given.values())
    model = answer(*arguments, **(given if program.keywords else {}), **extras)
    if model is None:
        raise Refused(f"your {book} makes None: is there a `return` at its end?")
    if isinstance(model, type):
        raise Refused(f"your {book} returns the class {model.__name__}, not a block")
    if isinstance(model, (list, tuple)):
        kind = type(model).__name__
        raise Refused(
            f"your {book} returns a {kind} of {len(model)} parts; put them one after "
            f"the other with {framework.row}"
        )
    if not isinstance(model, framework.module):
        kind = type(model).__name__
        raise Refused(
            f"your {book} makes an object of type {kind}; it should be "
            f"{framework.a_module}"
        )
    framework.settle(model)
    return model


def _bound(framework: Framework, program: Program, answer: Any) -> dict[str, Any]:
    """What the answer's signature asks for beyond the book's arguments."""
    function = answer.__init__ if isinstance(answer, type) else answer
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}
    parameters = signature.parameters
    extras = framework.extras(parameters)
    if program.task == "memory_efficient_block" and "memory_efficient" in parameters:
        extras["memory_efficient"] = True
    given = program.arguments
    names = [name for name in parameters if name in given]
    if not program.keywords and set(names) == set(given) and names != list(given):
        raise Refused(
            f"the arguments of your {BUILDERS[program.task]} stand in the order "
            f"{', '.join(names)}; the book's order is {', '.join(given)}"
        )
    values = [None] if isinstance(answer, type) else []
    values += [] if program.keywords else given.values()
    try:
        signature.bind(*values, **(given if program.keywords else {}), **extras)
    except TypeError as error:
        book = BUILDERS[program.task]
        raise Refused(
            f"your {book} cannot be called as {book}({', '.join(given)}): {error}"
        ) from None
    return extras


class Trial:
    """A block with weights far from the first ones, the same in every framework."""

    def __init__(self, framework: Framework, reference: Reference, answer: Any):
        self.framework, self.reference = framework, reference
        self.program = reference.program
        self.answer = answer
        self.model = make(framework, self.program, answer)
        # What is built by its first call is built now, which may call a layer twice.
        self.run(training=False)
        first = self.run(training=False)
        names = structure.name(
            framework, self.program, self.model, first.seen, not first.problem
        )
        self.layers, self.messages = names
        self.customs = self._customs(first.seen)
        arrays = framework.arrays(self.layers)
        shapes = {name: self._shape(array) for name, array in arrays.items()}
        self.weights = drawn(shapes)
        if self.layers:
            self.messages = structure.misfits(self.program, shapes) + self.messages
        self.reset()

    def _customs(self, seen: Seen) -> list[Message]:
        """What is done as another framework does it."""
        framework, messages = self.framework, []
        axis, lie = framework.channel_axis, framework.lie
        for part in framework.parts(self.model):
            own = [c for c in type(part).__mro__ if not is_library(c)]
            defined = [n for n in FORWARD if any(n in vars(c) for c in own)]
            if defined and not {*defined} & {*framework.forward}:
                messages.append(
                    Message(
                        f"in {framework.title} the way forward is the method "
                        f"`{framework.forward[0]}`; yours is called {defined[0]}"
                    )
                )
        other = [a for a in seen.axes if a != axis]
        if other:
            messages.append(
                Message(f"{lie}; your code lays maps side by side on axis {other[0]}")
            )
        norms = [x for x in framework.layers(self.model) if framework.kind(x) == "norm"]
        other = [a for a in map(framework.axis, norms) if a != axis]
        if other:
            messages.append(Message(f"{lie}; your batch norm's axis is {other[0]}"))
        return messages

    def _shape(self, array: Any) -> tuple[int, ...]:
        return tuple(self.framework.backend.shape(array))

    def reset(self) -> None:
        """Set all weights and running statistics."""
        for name, array in self.framework.arrays(self.layers).items():
            # What has no size yet gets it in a first call that did not come so far.
            if all(length > 0 for length in self._shape(array)):
                self.framework.backend.write(array, self.weights[name])

    def run(self, training: bool) -> Run:
        """Call the block; exceptions of its code become a problem in words."""
        framework, images = self.framework, self.reference.images
        run = Run()
        X = framework.tensor(images.copy())
        with framework.watched() as run.seen:
            try:
                Y = (framework.train if training else framework.evaluate)(self.model, X)
                run.problem = self._unfit(Y)
                if not run.problem:
                    run.output = framework.array(Y)
                changed = not np.array_equal(framework.array(X), images)
            except (KeyboardInterrupt, TimeUp):
                raise
            except BaseException as error:
                run.problem = describe(error)
                run.untouched = untouched(error)
                return run
        if changed and not run.problem:
            run.problem = (
                "your code writes into its input: others read it, too, so make a new "
                "array"
            )
        return run

    def _unfit(self, Y: Any) -> str:
        """What is wrong with the kind and the shape of an output."""
        framework, noun = self.framework, f"your {self.program.noun}"
        if Y is None:
            return f"{noun} returns None when it is called: is there a `return`?"
        if isinstance(Y, (list, tuple)):
            return (
                f"{noun} returns a {type(Y).__name__} of {len(Y)} parts when it is "
                "called, not one tensor: lay them side by side"
            )
        if not framework.is_tensor(Y):
            kind = f"{type(Y).__module__.partition('.')[0]}.{type(Y).__name__}"
            return f"{noun} returns a {kind}, not a tensor of {framework.title}"
        wanted = self.reference.evaluation.output.shape
        found, own = tuple(map(int, Y.shape)), self.layout(wanted)
        if found != own and found == wanted:
            return (
                f"outputs have shape {shape(found)}, channels first; "
                f"{framework.title} has them last here: {shape(own)}"
            )
        return ""

    def layout(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """A canonical shape as the framework has it."""
        if self.framework.channels_last and len(lengths) == 4:
            n, c, h, w = lengths
            return n, h, w, c
        return lengths

    def findings(self, run: Run, training: bool) -> list[Finding]:
        """Where the block leaves the reference, as far as its layers are known."""
        if not self.layers:
            return []
        walk = Walk(
            self.program,
            self.weights,
            self.named(run.seen.calls),
            self.reference.images,
            run.output,
            training,
        )
        return walk.findings()

    def named(self, calls: list[Call]) -> Mapping[str, Call]:
        """Calls by the canonical names of their layers."""
        names = {id(layer): name for name, layer in self.layers.items()}
        # Of a layer that is called again only the first call has a place.
        return {names[id(c.layer)]: c for c in reversed(calls) if id(c.layer) in names}

    def gradients(self) -> dict[str, Array | None]:
        """By every parameter and the input; moves the running statistics once."""
        X = self.framework.tensor(self.reference.images.copy())
        dY = self.framework.tensor(self.reference.cotangent)
        return self.framework.pull(self.model, X, dY, self.layers)

    def statistics(self) -> dict[str, Array]:
        """The running statistics as they are now."""
        read = self.framework.backend.read
        return {
            name: np.asarray(read(array), float)
            for name, array in self.framework.arrays(self.layers).items()
            if name.endswith(("running_mean", "running_var"))
        }
