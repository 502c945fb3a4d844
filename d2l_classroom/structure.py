"""Which of a block's layers is which, and how its arrays differ from the book's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from d2l_classroom.explanations import LAID, NOT_COUNTED, ORDER, THROUGH
from d2l_classroom.framework import Call, Framework
from d2l_classroom.programs import Program, Step
from d2l_classroom.report import listed, shape

WORDS = {"norm": "batch norm", "conv": "convolution", "linear": "linear layer"}
Shapes = Mapping[str, tuple[int, ...]]


class Names(NamedTuple):
    """A block's layers under canonical names, or what prevents that.

    Attributes:
        layers: by name, in forward order; empty if they cannot be named.
        messages: what is wrong with the rows of layers.
    """

    layers: dict[str, Any]
    messages: list[str]


def name(
    framework: Framework,
    program: Program,
    model: Any,
    calls: Sequence[Call],
    ended: bool,
) -> Names:
    """Name a block's layers by the order of their calls, whatever its structure.

    Where the calls do not tell, by the order in which the layers were made. `ended`
    says whether the block came to its end.
    """
    seen = framework.layers(model)
    called = list({id(call.layer): call.layer for call in calls}.values())
    known = {id(layer) for layer in seen}
    hidden = sum(id(layer) not in known for layer in called)
    if hidden:
        return Names({}, [_hidden(framework, hidden)])
    whole = len(called) == len(seen)
    layers = called if whole else seen
    wanted = program.layers
    kinds = [framework.kind(layer) for layer in layers]
    if kinds == [step.op for step in wanted]:
        named = {step.name: layer for step, layer in zip(wanted, layers)}
        return Names(named, _idle(named, called, calls, ended))
    return Names({}, [_rows(framework, program, kinds), *_shared(called, calls)])


def _hidden(framework: Framework, hidden: int) -> str:
    return (
        f"{framework.title} does not see {hidden} of the layers that your block calls, "
        "so their weights would not be trained: make the layers once, when the block "
        f"is made, and keep a list of them in {framework.shelf}"
    )


def _idle(
    named: Mapping[str, Any], called: Sequence[Any], calls: Sequence[Call], ended: bool
) -> list[str]:
    used = {id(layer) for layer in called}
    idle = [name for name, layer in named.items() if id(layer) not in used]
    if called and idle and ended:
        them = "it" if len(idle) == 1 else "them"
        idled = f"your block has {listed(idle)}, but never calls {them}"
        return [idled, *_shared(called, calls)]
    return _shared(called, calls)


def _shared(called: Sequence[Any], calls: Sequence[Call]) -> list[str]:
    if len(called) < len(calls):
        return [
            f"one layer works {len(calls) // len(called)} times: layers that share "
            "weights are one layer; make a new one for each place"
        ]
    return []


def _rows(framework: Framework, program: Program, kinds: Sequence[str]) -> str:
    """Rows of layers that are not the reference's, in words."""
    wanted = [step.op for step in program.layers]
    noun = f"your {program.noun}"
    if not kinds:
        return (
            f"{noun} has no layers with weights that the checker knows: use "
            f"{framework.title}'s own convolutions and batch norms"
        )
    if "norm" not in kinds:
        return f"{noun} has no batch norm. {ORDER}"
    if "conv" not in kinds:
        return f"{noun} has no convolution. {ORDER}"
    pairs = len(wanted) // 2
    swapped = ["conv", "norm"]
    if wanted == swapped[::-1] * pairs and kinds == swapped * (len(kinds) // 2):
        return f"in {noun} the convolution comes before the batch norm. {ORDER}"
    if "num_layers" in program.arguments and wanted != kinds:
        unit = wanted[:2]
        if list(kinds) == unit * (len(kinds) // 2):
            return (
                f"{noun} has {_number(len(kinds) // 2, 'layer')} where num_layers asks "
                f"for {pairs}"
            )
    return (
        f"{noun} has {_counted(kinds)} where the reference has {_counted(wanted)}, "
        f"in the order {_ordered(wanted)}"
    )


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _counted(kinds: Sequence[str]) -> str:
    present = dict.fromkeys(kinds)
    return listed([_number(list(kinds).count(k), WORDS[k]) for k in present])


def _ordered(kinds: Sequence[str]) -> str:
    few = [WORDS[kind] for kind in kinds[:4]]
    return ", ".join(few) + (", …" if len(kinds) > 4 else "")


def misfits(program: Program, found: Shapes) -> list[str]:
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
    messages: list[str] = list(_channels(program, wrong))
    if not messages:
        # What follows may be no more than its consequence.
        for step, shapes in wrong[:1]:
            messages += _misfit(step, shapes, program)
    return messages


def _channels(program: Program, wrong: Sequence[tuple[Step, Shapes]]) -> Iterator[str]:
    """Channels that are not counted through a dense block."""
    reading = [
        (step, shapes["weight"][0])
        for step, shapes in wrong
        if step.op == "norm"
        and shapes["weight"] is not None
        and shapes["weight"][0] != step.channels
    ]
    counted = ("denselayer", "transition", "norm5")
    if not reading or not any(part in reading[0][0].name for part in counted):
        return
    step, channels = reading[0]
    growth = program.arguments["growth_rate"]
    layer = step.name.rpartition(".")[0] or step.name
    counted = f"{layer} is made for {channels} channels, but reads {step.channels}"
    missing = step.channels - channels
    first = layer.endswith("denselayer1") and program.task == "densenet"
    if first or layer.startswith("transition") or step.name == "norm5":
        yield f"{NOT_COUNTED}: {counted}. {THROUGH}"
    elif missing % growth == 0 and missing > 0 and "denselayer" in layer:
        yield (
            f"the channels are not accumulated: {counted}. Each layer adds "
            "growth_rate channels for all that follow: in_channels + i * growth_rate. "
            f"{LAID}"
        )
    elif missing % growth == 0 and "denselayer" in layer:
        yield f"the channels are counted too far: {counted}. {LAID}"
    else:
        yield f"{counted}"


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
