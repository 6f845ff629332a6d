"""Avellaneda–Stoikov quotes over a finite horizon, for one asset.

The classical rule that the closed form generalises: there the horizon T − t is given, here it
stands for the comparison with published results.

Source: Avellaneda and Stoikov, "High-frequency trading in a limit order book" (2008).
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.theory.linalg import Array, ArrayLike


def reservation_shift(
    inventory: ArrayLike, time_left: ArrayLike, gamma: float, variance: float
) -> Array:
    """Reservation price above the mid price, −x γ σ² (T − t).

    Parameters
    ----------
    inventory
        x, long > 0.
    time_left
        T − t.
    gamma
        γ, risk aversion.
    variance
        σ², price variance per unit of time.

    Inventory and time broadcast; the units of price, quantity and time are the caller's.
    """
    held = np.asarray(inventory, dtype=np.float64)
    return np.asarray(-gamma * variance * held * np.asarray(time_left, dtype=np.float64))


def spread(time_left: ArrayLike, gamma: float, variance: float, decay: float) -> Array:
    """Distance from bid to ask, γσ²(T − t) + (2/γ) ln(1 + γ/κ).

    Parameters
    ----------
    time_left
        T − t.
    gamma, variance
        γ and σ² as in `reservation_shift`.
    decay
        κ, depth decay of the fill intensity.
    """
    remaining = np.asarray(time_left, dtype=np.float64)
    return np.asarray(gamma * variance * remaining + 2.0 / gamma * np.log1p(gamma / decay))
