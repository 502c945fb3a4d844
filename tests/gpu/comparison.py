"""When what a GPU computes is what the processor computes in float32.

Error and tolerance are relative, in the Euclidean norm over all arrays of a quantity. A
tolerance is one rounding of the format times a growth: what layers, batch norms and
sums make of it. The growths were measured where no GPU is needed, as multiples of one
rounding: "small" in the frameworks against each other in float32, and on a processor in
float16, which has the significant bits of TF32, and in bfloat16 against float32. What
is allowed is about twice what was seen, or more: a GPU has other kernels.
"""

from collections.abc import Mapping

import numpy as np

# One rounding: 24, 11 and 8 significant bits.
ROUNDING = {"float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-8}
GROWTH = {
    # Seen in float32, float16, bfloat16: 1, 0.1 and 1.
    "loss": 16,
    # 6, 2 and 1.
    "logits": 64,
    # 26, 51 and 67: terms nearly cancel, and each batch norm divides by a deviation.
    "gradients": 128,
    # 117, 164 and 46. In float32 the batches keep clear of kinks; in coarser formats
    # inputs of ReLU end on the other side of zero, and later steps magnify that.
    "movement": 512,
}
# Beyond this an array would be half of something else, whatever the format.
MOST = 0.5


def tolerance(quantity: str, form: str) -> float:
    """How large the relative error of a quantity may be in a format."""
    return min(MOST, GROWTH[quantity] * ROUNDING[form])


def errors(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """By quantity the relative error; facts are named "quantity: array"."""
    errors = {}
    for quantity in GROWTH:
        names = [name for name in expected if name.startswith(f"{quantity}: ")]
        right = np.concatenate([expected[name].ravel() for name in names])
        wrong = np.concatenate([found[name].ravel() for name in names]) - right
        norms = (np.linalg.norm(array.astype(np.float64)) for array in (wrong, right))
        errors[quantity] = float(np.divide(*norms))
    return errors


def beyond(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], form: str
) -> list[str]:
    """What is beyond its tolerance, in words; empty if nothing is."""
    return [
        f"{quantity} in {form}: {error:.1e}, allowed {tolerance(quantity, form):.1e}"
        for quantity, error in errors(found, expected).items()
        # Of this form, so that NaN is beyond every tolerance.
        if not error <= tolerance(quantity, form)
    ]
