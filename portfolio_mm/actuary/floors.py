"""Smallest depths at which a quote may stand.

A resting quote is a short option on the time it cannot be changed: its premium must cover the
at-the-money value of that option. And a fill must be worth at least what it says about the price:
that depth is `theory.glosten_milgrom.floor`. MODEL section 6.
"""

from __future__ import annotations

import math

from portfolio_mm.types import Floats


def option_floor(sigma: Floats, stale_s: float) -> Floats:
    """Return σ√(τ/2π), the at-the-money option over τ seconds (Bachelier), (N,), fraction."""
    premium: Floats = sigma * math.sqrt(stale_s / (2.0 * math.pi))
    return premium
