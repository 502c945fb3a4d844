"""When measurements of two frameworks are the same: each tolerance and its reason.

Every framework, in float64 and in float32, is compared with PyTorch in float64. A
difference is relative to the largest absolute value of the array.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from networks import Network

# A seed means the same bits.
EQUAL = 0.0

# One rounding in float64 costs 1e-16. Sums over thousands of terms, in an order that
# each framework chooses, cost some ten times that, and so does the division by a
# standard deviation in each batch norm. Seen: 6e-14, in a gradient.
FLOAT64 = 1e-12

# One rounding in float32 costs 6e-8; in evaluation mode it stays at a few. Seen: 5e-7.
FLOAT32_EVALUATION = 2e-6
# In training mode the mean and the variance of each batch norm are sums with a rounding
# of their own, and all layers behind them inherit it. Seen: 3e-6.
FLOAT32_TRAINING = 1e-5
# A gradient is a sum over all images and positions, whose terms nearly cancel: batch
# norm takes from them what would shift or scale its input. Seen: 2e-5.
FLOAT32_GRADIENTS = 1e-4
# A parameter is rounded once at each update; beside that the error of the gradient, of
# which a step adds a thousandth, hardly counts. Seen: 6e-8 and 2e-7.
FLOAT32_ONE_STEP = 2e-7
FLOAT32_TEN_STEPS = 2e-6
# Unless all ten batches keep clear of kinks (kinks.py): one input of ReLU on the other
# side of zero changes the gradient of an array by up to 5 %, and the steps after it
# magnify that, most where the last block of "plain" normalises over eight values. Seen:
# 4e-3; with 40 seeds in PyTorch alone, 8e-3. That the steps are the same is shown by
# float64, and by "small", whose batches keep clear.
FLOAT32_TEN_STEPS_WITH_KINKS = 2e-2


class Known(NamedTuple):
    """A difference that remains in float64, its largest size, and its cause."""

    framework: str
    quantity: str
    tolerance: float
    cause: str


KNOWN = (
    Known(
        "mxnet",
        "running statistics",
        5e-7,
        "Its operator keeps the decay as a float32, in float64 as well: 0.9 is "
        "0.89999998, and the share of a new batch 0.10000002, by 2.4e-7 too large.",
    ),
)


class Difference(NamedTuple):
    """What one array of one quantity lacks to be the expected one."""

    quantity: str
    name: str
    error: float
    tolerance: float

    def __str__(self) -> str:
        of = f" of {self.name}" if self.name else ""
        return f"{self.quantity}{of}: {self.error:.1e}, allowed {self.tolerance:.0e}"


def differences(
    found: Iterable[tuple[str, np.ndarray]],
    expected: Mapping[str, np.ndarray],
    framework: str,
    precision: str,
    network: Network,
) -> Iterator[Difference]:
    """Yield what is beyond its tolerance, in the order in which it was measured.

    `found` may be a generator: it is asked for no more than the caller asks for.
    """
    left = dict(expected)
    for key, array in found:
        quantity, _, name = key.partition(": ")
        right = left.pop(key, None)
        if right is None or right.shape != array.shape:
            yield Difference(quantity, name, np.inf, EQUAL)
            continue
        error = np.abs(array - right).max()
        # Equal arrays may be zero, as the biases of a seed, and so have no size.
        if error != 0:
            error /= np.abs(expected[sized_by(key)]).max()
        allowed = tolerance(framework, precision, network, quantity)
        # Of this form, so that NaN is beyond every tolerance.
        if not error <= allowed:
            yield Difference(quantity, name, float(error), allowed)
    for key in left:
        yield Difference(*key.split(": "), np.inf, EQUAL)


def sized_by(key: str) -> str:
    """The array whose size tells how small a difference is: its own but for two kinds.

    Some gradients are zero but for rounding, because the batch norm that follows takes
    away what the parameter does: that by a convolution's bias, and nearly that by the
    first batch norm's scale and bias, for the largest of nine values is seldom below
    zero, so that the max-pooling hands on the scaled and shifted map.
    """
    quantity, _, name = key.partition(": ")
    if quantity != "gradients":
        return key
    if name.startswith("features.norm0"):
        return "gradients: features.conv0.weight"
    return key.replace("bias", "weight") if ".conv" in name else key


def tolerance(framework: str, precision: str, network: Network, quantity: str) -> float:
    """How large a relative difference may be."""
    if quantity == "weights of a seed":
        return EQUAL
    if precision == "float64":
        for known in KNOWN:
            if known.framework == framework and known.quantity in quantity:
                return known.tolerance
        return FLOAT64
    if "10 steps" in quantity and network.clear_steps < 10:
        return FLOAT32_TEN_STEPS_WITH_KINKS
    return {
        "logits in evaluation mode": FLOAT32_EVALUATION,
        "logits in training mode": FLOAT32_TRAINING,
        "loss": FLOAT32_TRAINING,
        "gradients": FLOAT32_GRADIENTS,
        "running statistics after 1 step": FLOAT32_TRAINING,
        "parameters after 1 step": FLOAT32_ONE_STEP,
        "running statistics after 10 steps": FLOAT32_TRAINING,
        "parameters after 10 steps": FLOAT32_TEN_STEPS,
    }[quantity]
