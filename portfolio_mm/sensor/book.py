"""Book imbalance: which side of the book is heavier near the touch."""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import Floats


def imbalance(
    bid_price: Floats,
    bid_size: Floats,
    ask_price: Floats,
    ask_size: Floats,
    log_mid: Floats,
    depth: float,
) -> Floats:
    """Return (B − A) / (B + A), with B and A the sizes within `depth` of the mid, (N,).

    `depth` is a fraction, the other arguments are (N, D), `log_mid` (N,). 0 where both are empty.
    """
    mid = np.exp(log_mid)[:, None]
    bids = (bid_size * (bid_price >= mid * (1.0 - depth))).sum(axis=1)
    asks = (ask_size * (ask_price <= mid * (1.0 + depth))).sum(axis=1)
    total = bids + asks
    balance: Floats = (bids - asks) / np.where(total > 0, total, 1.0)
    return balance
