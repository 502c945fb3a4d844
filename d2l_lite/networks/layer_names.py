"""Canonical names: a DenseNet's layers under the names that torchvision gave them."""

from collections.abc import Callable, Iterator
from typing import Any

# "conv", "norm", "linear" or "pool"; None for a container and for other layers.
Kind = str | None


def name_layers(
    model: Any,
    children: Callable[[Any], list[Any]],
    kind: Callable[[Any], Kind],
) -> Iterator[tuple[str, Any]]:
    """Yield (canonical name, layer) for each layer with weights, in forward order.

    `children(module)` lists a module's parts in forward order; `kind(module)` says
    what it is. A whole network gives `classifier` and names such as
    `features.denseblock1.denselayer1.conv1`; a part alone gives the end of such a name:
    `denselayer1.conv1` for a `DenseBlock`, `conv1` for a `conv_block`, `conv` for a
    `transition_block`. What a DenseNet has not, gets no name.
    """
    if kind(model) is not None:
        yield "", model
    elif hasattr(model, "features") and hasattr(model, "classifier"):
        for name, layer in _features(model.features, children, kind):
            yield f"features.{name}", layer
        if kind(model.classifier) is not None:
            yield "classifier", model.classifier
        else:
            # A reader's head of several layers, numbered as PyTorch's Sequential does.
            for number, part in enumerate(children(model.classifier)):
                if kind(part) is not None:
                    yield f"classifier.{number}", part
    elif _is_dense_block(model):
        yield from _dense_block(model, children, kind)
    elif any(_is_dense_block(part) for part in children(model)):
        yield from _features(model, children, kind)
    else:
        yield from _sequence(model, children, kind)


def _features(model, children, kind):
    blocks = transitions = 0
    for part in children(model):
        if _is_dense_block(part):
            blocks += 1
            for name, layer in _dense_block(part, children, kind):
                yield f"denseblock{blocks}.{name}", layer
        elif kind(part) in ("conv", "norm"):
            # torchvision counts the last norm as the fifth stage, after four blocks.
            yield f"{kind(part)}{5 if blocks else 0}", part
        elif kind(part) is None and children(part):
            transitions += 1
            for name, layer in _sequence(part, children, kind):
                yield f"transition{transitions}.{name}", layer


def _dense_block(model, children, kind):
    for number, part in enumerate(children(model), start=1):
        for name, layer in _sequence(part, children, kind):
            yield f"denselayer{number}.{name}", layer


def _sequence(model, children, kind):
    """Number a conv_block's layers; those of a transition, which pools, have none."""
    parts = children(model)
    pools = any(kind(part) == "pool" for part in parts)
    counts = {"conv": 0, "norm": 0}
    for part in parts:
        if kind(part) in counts:
            counts[kind(part)] += 1
            yield f"{kind(part)}{'' if pools else counts[kind(part)]}", part


def _is_dense_block(module: Any) -> bool:
    # By name: a reader's own DenseBlock, written in a notebook, counts as well.
    # torchvision's own is a `_DenseBlock`.
    names = {cls.__name__ for cls in type(module).__mro__}
    return not names.isdisjoint({"DenseBlock", "_DenseBlock"})
