"""Margin as rows of linear constraints: one per pool, one per isolated asset.

Row r allows Σ_i rate[r, i] · (USD resting in i, both sides) ≤ free[r]. Orders of isolated assets are
paid by their pool too, and in addition keep inside the margin set aside for that asset alone.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import AccountState, Floats, Universe


def rates(universe: Universe) -> Floats:
    """Return initial margin per USD of resting order, (R, N)."""
    n = len(universe)
    per_usd = 1.0 / universe.leverage
    pools = np.arange(len(universe.pools))[:, None] == universe.pool
    isolated = np.flatnonzero(universe.isolated)[:, None] == np.arange(n)
    rows: Floats = np.concatenate([pools, isolated]) * per_usd
    return rows


def free(
    universe: Universe,
    account: AccountState,
    exposure: Floats,
    buffer: float,
    isolated_limit: Floats,
) -> Floats:
    """Return the margin left for resting orders, (R,), USD; negative when positions exceed it.

    Parameters
    ----------
    exposure : (N,)
        Inventory at fair value, USD.
    buffer
        Share of equity that is never offered.
    isolated_limit : (N,)
        Most margin that each isolated position may take, USD.
    """
    pools = (1.0 - buffer) * account.equity - account.position_margin
    isolated = isolated_limit - np.abs(exposure) / universe.leverage
    return np.concatenate([pools, isolated[universe.isolated]])
