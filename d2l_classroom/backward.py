"""Running statistics and gradients beside the reference's, in words."""

from collections.abc import Mapping

import numpy as np

from d2l_classroom import numpy_layers as ops
from d2l_classroom import reference as references
from d2l_classroom.programs import INPUT
from d2l_classroom.reference import Reference
from d2l_classroom.report import Message, digits, listed, short
from d2l_lite.networks.weights import Weights

Array = np.ndarray
# MXNet keeps the averages' decay as a float32, see tests/parity/compare.py.
STATISTICS = 1e-5
# A gradient is a sum of terms that nearly cancel.
GRADIENTS = 1e-4
Found = tuple[list[Message], float]
ENDS = ("mean", "var")
WHERE = "(chapter “Dense Blocks”)"
# How a message begins that costs no points: the layer is PyTorch's own.
UNBIASED = "your running variance is that of the batch times n/(n-1)"


def statistics(
    reference: Reference, read: Mapping[str, Array], found: Weights, before: Weights
) -> Found:
    """Messages on the running statistics after one step; their largest difference.

    Each batch norm is judged by what it has read itself.
    """
    told: dict[str, list[str]] = {}
    apart = 0.0
    norms = [step.name for step in reference.program.layers if step.op == "norm"]
    for name in norms:
        old, new = (
            [np.asarray(w[f"{name}.running_{end}"], float) for end in ENDS]
            for w in (before, found)
        )
        batch = ops.moments(read[name])
        for o, n, b in zip(old, new, batch):
            moved = ops.KEEP * o + (1 - ops.KEEP) * b
            apart = max(apart, float(abs(n - moved).max()))
        count = read[name].size / read[name].shape[1]
        if text := _moved(batch, old, new, count):
            told.setdefault(text, []).append(name)
    messages = []
    for text, names in told.items():
        first, dot, rest = text.partition(". ")
        place = "" if len(names) == len(norms) else f" (in {listed(names[:3])})"
        differ = f"{place}: they differ by {digits(apart)}"
        cause = f"{first}{differ if not messages else place}{dot}{rest}"
        hint = (
            f"after one training step the running statistics of {listed(names[:3])} "
            f"differ by {digits(apart)}: how much of the old ones should stay?"
        )
        messages.append(Message(hint, cause))
    return messages, apart


def _moved(
    batch: tuple[Array, Array], old: list[Array], new: list[Array], count: float
) -> str:
    """By what rule a batch norm moved its statistics; empty if by the book's."""
    moved, way = new[0] - old[0], batch[0] - old[0]
    share = float(moved @ way / (way @ way))
    straight = abs(moved - share * way).max() <= STATISTICS
    keep = 1 - share
    if not straight:
        return "your batch norm keeps another running mean than that of the batches"
    if abs(share) < 1e-3:
        return (
            "your batch norm never moves its running statistics in training mode. "
            f"Evaluation mode lives on them {WHERE}."
        )
    if abs(keep - ops.KEEP**2) < 1e-3:
        return (
            "your running statistics move twice in one step: 0.81 of the old is left, "
            "the reference keeps 0.9. What is computed a second time must not move "
            "them again (chapter “Memory”)."
        )
    if abs(keep - (1 - ops.KEEP)) < 1e-3:
        return (
            "your batch norm keeps 10 % of its running statistics, the reference "
            "90 %. What PyTorch calls momentum, 0.1, is 1 minus what the others call "
            f"so, 0.9 {WHERE}."
        )
    if abs(keep - ops.KEEP) > 1e-3:
        return (
            f"your batch norm keeps {short(100 * keep)} % of its running statistics, "
            "the reference 90 %. Each framework has its own default for this "
            f"decay {WHERE}."
        )
    factor = float(np.median((new[1] - keep * old[1]) / (share * batch[1])))
    if abs(factor - count / (count - 1)) < 0.1 / count:
        return (
            f"{UNBIASED}, here {factor:.4f}; the reference takes the variance that it "
            "divides by. PyTorch's own batch norm does that, the library's takes it "
            "out again (chapter “Four Frameworks, One Function”)."
        )
    if abs(new[1] - keep * old[1] - share * batch[1]).max() > STATISTICS:
        return "your batch norm keeps another running variance than that of the batches"
    return ""


def gradients(reference: Reference, found: Mapping[str, Array | None]) -> Found:
    """Messages on the gradients by every parameter and the input; their difference."""
    expected = references.gradients(reference.program)
    # The gradient by a bias may be nothing but rounding: its layer's counts instead.
    sizes: dict[str, float] = {}
    for name, array in expected.items():
        layer = name.rpartition(".")[0]
        sizes[layer] = max(sizes.get(layer, 0), abs(array).max())
    # Max-pooling hands a scaled and shifted map on, and the next batch norm takes both
    # away again: this gradient, too, is nearly nothing.
    if "norm0" in sizes:
        sizes["norm0"] = sizes["conv0"]
    cut, wrong, largest = [], [], 0.0
    for name, array in expected.items():
        gradient, size = found.get(name), sizes[name.rpartition(".")[0]]
        nothing = gradient is None or not gradient.any()
        if nothing and abs(array).max() > GRADIENTS * size:
            cut.append(_word(name))
            continue
        apart = 0.0 if gradient is None else abs(gradient - array).max()
        largest = max(largest, float(apart))
        if not apart <= GRADIENTS * size:
            wrong.append((name, digits(float(apart))))
    messages = []
    few = [*cut[:4], f"{len(cut) - 4} more"] if len(cut) > 5 else cut
    if len(cut) == len(expected):
        hint = "no gradient arrives at any parameter"
        cause = (
            "outputs are cut off from what made them. Look for detach, no_grad, "
            "stop_gradient or NumPy in the forward pass."
        )
        messages.append(Message(hint, f"{hint}: {cause}"))
    elif cut:
        hint = f"no gradient arrives at {listed(few)}: they would never learn"
        cause = "Are they frozen, or cut off by detach, no_grad or stop_gradient?"
        messages.append(Message(hint, f"{hint}. {cause}"))
    if wrong:
        name, apart = wrong[-1]
        hint = (
            f"on the way back the gradient by {_word(name)} is the first wrong one: it "
            f"differs by {apart}"
        )
        cause = (
            "Of the ways from there to the output one is cut or changed (detach, "
            "no_grad, stop_gradient)."
        )
        messages.append(Message(hint, f"{hint}. {cause}"))
    return messages, largest


def _word(name: str) -> str:
    return "the input" if name == INPUT else name
