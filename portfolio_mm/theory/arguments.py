"""Arguments as arrays of the right shape, refused by name where they cannot be valid."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np

from portfolio_mm.theory.linalg import Array, ArrayLike


class Sign(Enum):
    """What the elements of an argument may be."""

    ANY = "finite"
    NONNEGATIVE = "nonnegative and finite"
    POSITIVE = "positive and finite"


def checked(name: str, value: ArrayLike, shape: tuple[int, ...], sign: Sign = Sign.ANY) -> Array:
    """Return `value` as an array of `shape`, which a scalar fills.

    Two reductions per argument, so it can stay in the hot path.

    Raises
    ------
    ValueError
        Naming the argument, for a wrong shape, a wrong sign or a value that is not finite.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        if array.ndim:
            raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        array = np.full(shape, array)
    if not math.isfinite(array.sum()):
        raise ValueError(f"{name} must be finite")
    if sign is not Sign.ANY:
        least = array.min()
        if least < 0.0 or (least == 0.0 and sign is Sign.POSITIVE):
            raise ValueError(f"{name} must be {sign.value}, its minimum is {least}")
    return array
