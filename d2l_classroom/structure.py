"""Which of a block's layers is which, and how its arrays differ from the book's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from d2l_classroom.explanations import LAID, NOT_COUNTED, ORDER, THROUGH
from d2l_classroom.framework import Framework, Seen
from d2l_classroom.programs import Program, Step
from d2l_classroom.report import Message, listed, shape

WORDS = {"norm": "batch norm", "conv": "convolution", "linear": "linear layer"}
Shapes = Mapping[str, tuple[int, ...]]
ORDER_OF_ARGUMENTS = "do the arguments stand in the right order where it is made?"
COMPARE = "compare its layers, one after the other, with what is asked for"


class Names(NamedTuple):
    """A block's layers under canonical names, or what prevents that.

    Attributes:
        layers: by name, in forward order; empty if they cannot be named.
        messages: what is wrong with the rows of layers.
    """

    layers: dict[str, Any]
    messages: list[Message]


def name(
    framework: Framework, program: Program, model: Any, seen: Seen, ended: bool
) -> Names:
    """Name a block's layers by the order of their calls, whatever its structure.

    Where the calls do not tell, by the order in which the layers were made. `ended`
    says whether the block came to its end.
    """
    calls = seen.calls
    made = framework.layers(model)
    called = list({id(call.layer): call.layer for call in calls}.values())
    known = {id(layer) for layer in made}
    hidden = sum(id(layer) not in known for layer in called)
    if hidden:
        hint = (
            f"{framework.title} does not see {hidden} of the layers that your block "
            "calls, so their weights would not be trained: make the layers once, when "
            f"the block is made, and keep a list of them in {framework.shelf}"
        )
        return Names({}, [Message(hint)])
    layers = called if len(called) == len(made) else made
    shared = []
    if len(called) < len(calls):
        hint = f"one layer works {len(calls) // len(called)} times"
        cause = "layers that share weights are one layer; make a new one for each place"
        asked = "how many layers are asked for?"
        shared = [Message(f"{hint}: {asked}", f"{hint}: {cause}")]
    wanted = program.layers
    kinds = [framework.kind(layer) for layer in layers]
    if kinds != [step.op for step in wanted]:
        return Names({}, [_rows(framework, program, kinds), *shared])
    named = {step.name: layer for step, layer in zip(wanted, layers)}
    used = {id(layer) for layer in called}
    idle = [name for name, layer in named.items() if id(layer) not in used]
    if called and idle and ended:
        them = "it" if len(idle) == 1 else "them"
        hint = f"your block has {listed(idle)}, but never calls {them}"
        return Names(named, [Message(hint), *shared])
    return Names(named, shared)


def _rows(framework: Framework, program: Program, kinds: Sequence[str]) -> Message:
    """Rows of layers that are not the reference's."""
    wanted = [step.op for step in program.layers]
    noun = f"your {program.noun}"
    if not kinds:
        return Message(
            f"{noun} has no layers with weights that the checker knows: use "
            f"{framework.title}'s own convolutions and batch norms"
        )
    hint = f"{noun} has {_counted(kinds)}: {COMPARE}"
    swapped = ["conv", "norm"]
    pairs = len(wanted) // 2
    cause = (
        f"{noun} has {_counted(kinds)} where the reference has {_counted(wanted)}, "
        f"in the order {_ordered(wanted)}"
    )
    if "norm" not in kinds:
        cause = f"{noun} has no batch norm. {ORDER}"
    elif "conv" not in kinds:
        cause = f"{noun} has no convolution. {ORDER}"
    elif wanted == swapped[::-1] * pairs and kinds == swapped * (len(kinds) // 2):
        cause = f"in {noun} the convolution comes before the batch norm. {ORDER}"
    elif "num_layers" in program.arguments and kinds == wanted[:2] * (len(kinds) // 2):
        found = _number(len(kinds) // 2, "layer")
        hint = f"{noun} has {found}: how often is the loop run?"
        cause = f"{noun} has {found} where num_layers asks for {pairs}"
    return Message(hint, cause)


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _counted(kinds: Sequence[str]) -> str:
    present = dict.fromkeys(kinds)
    return listed([_number(list(kinds).count(k), WORDS[k]) for k in present])


def _ordered(kinds: Sequence[str]) -> str:
    few = [WORDS[kind] for kind in kinds[:4]]
    return ", ".join(few) + (", …" if len(kinds) > 4 else "")


def swapped(made: int, read: int, arguments: Mapping[str, object]) -> bool:
    """Whether a layer is made for the value of one argument, and reads another's."""
    values = [v for n, v in arguments.items() if n.endswith(("channels", "rate"))]
    return made != read and {made, read} <= set(values)


def misfits(program: Program, found: Shapes) -> list[Message]:
    """How a block's arrays differ from the reference's; the cause comes first."""
    wrong = [
        (step, {end: found.get(f"{step.name}.{end}") for end in step.shapes})
        for step in program.layers
    ]
    wrong = [
        (step, shapes)
        for step, shapes in wrong
        if any(shapes[end] != step.shapes[end] for end in shapes)
    ]
    messages: list[Message] = list(_channels(program, wrong))
    if not messages:
        # What follows may be no more than its consequence.
        for step, shapes in wrong[:1]:
            hint = f"{step.name} has arrays of other shapes: {COMPARE}"
            causes = _misfit(step, shapes, program)
            messages += [Message(hint, cause) for cause in causes]
    return messages


def _channels(program: Program, wrong: Sequence[tuple[Step, Shapes]]) -> Iterator:
    """Channels that are not counted through a block, or stand for one another."""
    reading = [
        (step, shapes["weight"][0])
        for step, shapes in wrong
        if step.op == "norm"
        and shapes["weight"] is not None
        and shapes["weight"][0] != step.channels
    ]
    if not reading:
        return
    step, channels = reading[0]
    layer = step.name.rpartition(".")[0] or step.name
    counted = f"{layer} is made for {channels} channels, but reads {step.channels}"
    if step == program.layers[0] and swapped(
        channels, step.channels, program.arguments
    ):
        yield Message(f"{counted}: {ORDER_OF_ARGUMENTS}")
    if not any(part in step.name for part in ("denselayer", "transition", "norm5")):
        return
    growth = program.arguments["growth_rate"]
    hint = f"{counted}: where do they come from?"
    missing = step.channels - channels
    first = layer.endswith("denselayer1") and program.task == "densenet"
    if first or layer.startswith("transition") or step.name == "norm5":
        yield Message(hint, f"{NOT_COUNTED}: {counted}. {THROUGH}")
    elif missing % growth == 0 and missing > 0 and "denselayer" in layer:
        yield Message(
            hint,
            f"the channels are not accumulated: {counted}. Each layer adds "
            f"growth_rate channels for all that follow. {LAID}",
        )
    elif missing % growth == 0 and "denselayer" in layer:
        yield Message(hint, f"the channels are counted too far: {counted}. {LAID}")
    else:
        yield Message(hint)


def _misfit(step: Step, shapes: Shapes, program: Program) -> Iterator[str]:
    """One layer's arrays, in words."""
    kind, weight = WORDS[step.op], shapes["weight"]
    if weight is None:
        yield f"your {kind} {step.name} has no learnt scale and shift"
        return
    if step.op == "norm":
        sides = program.images[2:]
        if weight[0] != step.channels and weight[0] in sides:
            yield (
                f"your batch norm {step.name} has a number for each of {weight[0]} "
                f"rows or columns, the reference one for each of {step.channels} "
                "channels: does it normalise along the right axis?"
            )
        elif weight[0] != step.channels:
            yield (
                f"your batch norm {step.name} is made for {weight[0]} channels, the "
                f"reference for {step.channels}"
            )
        elif shapes["bias"] is None:
            yield f"your batch norm {step.name} has a scale, but no shift"
        elif shapes["running_mean"] is None:
            yield f"your batch norm {step.name} keeps no running statistics"
        return
    yield from _kernel(step, weight, kind)
    if shapes["bias"] is None:
        yield f"your {kind} {step.name} has no bias, the reference has one"


def _kernel(step: Step, weight: tuple[int, ...], kind: str) -> Iterator[str]:
    made, channels, *sides = weight
    if sides and tuple(sides) != (step.kernel, step.kernel):
        wanted = shape((step.kernel, step.kernel))
        yield f"your {kind} {step.name} is {shape(sides)}, the reference's {wanted}"
    if made != step.made:
        yield (
            f"your {kind} {step.name} makes {made} channels, the reference's "
            f"{step.made}"
        )
    if (
        channels != step.channels
        and step.channels % channels == 0
        and made == step.made
    ):
        yield (
            f"your {kind} {step.name} has groups: each output reads {channels} "
            f"channels, in the reference all {step.channels}"
        )
    elif channels != step.channels:
        yield (
            f"your {kind} {step.name} reads {channels} channels, the reference's "
            f"{step.channels}"
        )
