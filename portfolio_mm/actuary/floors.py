"""The two smallest depths at which a quote may stand.

A resting quote is a short option on the time it cannot be changed: its premium must cover the
at-the-money value of that option, and a fill must be worth at least what it says about the price.
"""

from __future__ import annotations

import math

import numpy as np

from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.types import Floats


def option_floor(sigma: Floats, stale_s: float) -> Floats:
    """Return σ√(τ/2π), the at-the-money option over τ seconds (Bachelier), (N,), fraction."""
    premium: Floats = sigma * math.sqrt(stale_s / (2.0 * math.pi))
    return premium


def smallest_depth(
    sigma: Floats, stale_s: float, variance: Floats, informed: Floats, decay: Floats
) -> Floats:
    """Return the larger of the option floor and the Glosten–Milgrom floor, (N, 2), fraction.

    `variance` (N,) is that of fair value while the quote cannot be changed, `informed` and `decay`
    are (N, 2). MODEL section 6.
    """
    return np.maximum(
        option_floor(sigma, stale_s)[:, None],
        glosten_milgrom.floor(variance[:, None], informed, decay),
    )


def break_even(fee: Floats, variance: Floats, informed: float, decay: float) -> Floats:
    """Return the depth at which a fill earns nothing, δ = fee + AS(δ), (N,), fraction.

    Damped fixed-point iteration from the fee and the Glosten–Milgrom floor together, an upper
    bound, because AS falls beyond the floor.
    """
    depth = fee + glosten_milgrom.floor(variance, informed, decay)
    for _ in range(60):
        charge = glosten_milgrom.adverse_selection(
            depth, variance, informed, np.exp(-decay * np.maximum(depth, 0.0))
        )
        depth = 0.5 * (depth + fee + charge)
    return depth
