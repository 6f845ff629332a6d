"""Markouts: what the price did after our fills.

The markout of a fill at horizon h is s (ln V(t+h) − ln p): what the fill earned by then, per USD,
seen from our side. Spread captured and adverse selection are its two ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.types import NS, Fill, Floats, Ints

HORIZONS_S = (1.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Pending(NamedTuple):
    """Markouts that have not matured, (K,) each, one row per fill and horizon."""

    fill_id: Ints
    asset: Ints
    side: Ints  # +1 we bought
    log_price: Floats
    horizon_s: Floats
    due_ns: Ints


class Matured(NamedTuple):
    """Markouts that matured, (K,) each."""

    fill_id: Ints
    horizon_s: Floats
    markout: Floats


def nothing_pending() -> Pending:
    """Return the state before any fill."""
    none, ints = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Pending(ints, ints, ints, none, none, ints)


def add(pending: Pending, fills: tuple[Fill, ...]) -> Pending:
    """Schedule the markouts of new fills."""
    if not fills:
        return pending
    count = len(HORIZONS_S)
    horizon = np.tile(HORIZONS_S, len(fills))
    time = np.repeat(np.array([fill.time_ns for fill in fills], dtype=np.int64), count)
    new = Pending(
        fill_id=np.repeat(np.array([fill.fill_id for fill in fills], dtype=np.int64), count),
        asset=np.repeat(np.array([fill.asset for fill in fills], dtype=np.int64), count),
        side=np.repeat(np.array([fill.side for fill in fills], dtype=np.int64), count),
        log_price=np.repeat(np.log([fill.price for fill in fills]), count),
        horizon_s=horizon,
        due_ns=time + (horizon * NS).astype(np.int64),
    )
    return Pending._make(np.concatenate(pair) for pair in zip(pending, new, strict=True))


def mature(pending: Pending, time_ns: int, log_fair: Floats) -> tuple[Pending, Matured]:
    """Take out what is due by `time_ns`, valued at the log fair values (N,) of that time."""
    due = pending.due_ns <= time_ns
    markout = pending.side[due] * (log_fair[pending.asset[due]] - pending.log_price[due])
    matured = Matured(pending.fill_id[due], pending.horizon_s[due], markout)
    return Pending._make(column[~due] for column in pending), matured
