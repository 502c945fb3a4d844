"""Arguments out of their range as one kind of error, before any work begins."""

import math
from collections.abc import Collection
from numbers import Integral, Real


def check_integer(value: object, low: int, high: int | None, call: str) -> None:
    """Raise `ValueError`, opening with `call`, unless low <= value <= high."""
    if not _is(Integral, value) or value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{call}: must be an integer, {limits}")


def check_real(
    value: object,
    low: float,
    high: float,
    call: str,
    above: bool = False,
    closed: bool = False,
) -> None:
    """Raise `ValueError` unless low <= value < high.

    With `above` low itself is refused, with `closed` high itself is allowed.
    """
    last = f"{'at most' if closed else 'below'} {high}"
    if high == math.inf:
        last = "finite"
    within = _is(Real, value) and low <= value <= high
    if not within or (above and value == low) or (not closed and value == high):
        first = f"{'above' if above else 'at least'} {low}"
        raise ValueError(f"{call}: must be a number, {first} and {last}")


def check_switch(value: object, call: str) -> None:
    """Raise `ValueError`, opening with `call`, unless `value` is False or True."""
    if not isinstance(value, bool):
        raise ValueError(f"{call}: choose from False, True")


def check_choice(value: object, choices: Collection[object], call: str) -> None:
    """Raise `ValueError`, opening with `call`, unless `value` is one of `choices`."""
    # A tuple, because a dictionary cannot be asked for a list.
    if value not in tuple(choices):
        raise ValueError(f"{call}: choose from {', '.join(map(str, choices))}")


def check_size(size: object, call: str) -> None:
    """Raise `ValueError`, opening with `call`, unless `size` is (height, width)."""
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"{call}: must be (height, width)")
    if not all(_is(Integral, length) for length in size):
        raise ValueError(f"{call}: height and width must be integers")
    if min(size) < 1:
        raise ValueError(f"{call}: height and width must be at least 1")


def check_parts(size: int, devices: int, call: str) -> None:
    """Raise `ValueError` unless a batch of `size` images has a part for each device."""
    if size % devices:
        raise ValueError(
            f"{call}: a batch of {size} images cannot be shared equally by {devices} "
            "devices; take another batch_size or number of devices"
        )


def _is(kind: type, value: object) -> bool:
    """Whether a value is of a kind of number; True and False are of none."""
    return isinstance(value, kind) and not isinstance(value, bool)
