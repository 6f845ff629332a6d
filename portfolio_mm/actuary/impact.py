"""What our own size does to the price that we will have to unwind at.

A fill of z takes the share z / (z + Q) of the size that stood between fair value and the quote, Q of
it from others. Unwinding has to find that much again on the other side, where takers thin out with
1/κ: the expected concession is η · share / κ. On a thick book it vanishes, on an empty one it is a
fixed part of the monopoly term. η is a prior.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import Floats

SMALLEST_GAP = 1e-12


def ahead(depth: Floats, book_depth: Floats, notional: Floats) -> Floats:
    """Return Q, the notional of the book up to a depth, (..., L), USD.

    The size of a level counts in proportion to the way from the level before it (from fair value
    for the first), so that Q is continuous in the depth and complete at the level's own price.

    Parameters
    ----------
    depth : (..., L)
        Depths of the candidates from fair value, fraction.
    book_depth, notional : (..., D)
        Depths of the book's levels, best first, and their sizes in USD; NaN and 0 where absent.
    """
    level = np.maximum(book_depth, 0.0)[..., None, :]
    before = np.concatenate([np.zeros_like(level[..., :1]), level[..., :-1]], axis=-1)
    gap = np.maximum(level - before, SMALLEST_GAP)
    part = np.clip((depth[..., :, None] - before) / gap, 0.0, 1.0)
    total: Floats = (np.nan_to_num(part) * notional[..., None, :]).sum(axis=-1)
    return total


def concession(ahead: Floats, size: Floats, decay: Floats, eta: float) -> Floats:
    """Return the self-impact of a fill, η/κ · z/(z + Q), fraction.

    Parameters
    ----------
    ahead
        Q, USD.
    size, decay
        z in USD and κ in 1/fraction; all broadcast.
    eta
        η, the concession at full share, in units of 1/κ.
    """
    impact: Floats = eta * size / ((size + ahead) * decay)
    return impact
