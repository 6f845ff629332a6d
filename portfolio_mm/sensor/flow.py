"""Taker flow: how often sweeps come, how deep they reach, and which way they lean.

A taker order that walks the book prints once per level at one venue time. Such prints are one sweep:
its reach is the distance from the last fair value to its furthest price, the depth at which a quote
of ours would have been filled. Counting reaches from the fair value of the *last cycle* is what a
resting quote experiences, since it was priced then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.types import Bools, Floats, Trades


class Sweeps(NamedTuple):
    """Counts over one cycle."""

    takers: Floats  # (N, 2) sweeps that hit bids, asks
    reach: Floats  # (N, 2) summed depth reached, fraction
    imbalance: Floats  # (N,) signed notional over total notional, in [-1, 1]


def sweeps(trades: Trades, log_fair: Floats, counted: Bools) -> Sweeps:
    """Count the sweeps in `trades` for the assets that are `counted`.

    Parameters
    ----------
    trades
        Prints in time order.
    log_fair : (N,)
        Log fair value that depths are measured from.
    counted : (N,)
        Assets with a usable `log_fair`.
    """
    n = len(log_fair)
    keep = counted[trades.asset] & (trades.price > 0)
    asset, side, time_ns = trades.asset[keep], trades.side[keep], trades.time_ns[keep]
    price = trades.price[keep]
    notional = price * trades.size[keep]
    depth = np.maximum(side * (np.log(price) - log_fair[asset]), 0.0)

    # Prints of one sweep are neighbours after sorting by book side, then time.
    book_side = 2 * asset + (side > 0)
    order = np.lexsort((time_ns, book_side))
    owner, moment = book_side[order], time_ns[order]
    starts = np.flatnonzero(
        np.concatenate([[True], (np.diff(owner) != 0) | (np.diff(moment) != 0)])[: len(order)]
    )
    owner = owner[starts]
    furthest = np.maximum.reduceat(depth[order], starts) if len(starts) else depth

    takers = np.bincount(owner, minlength=2 * n).astype(np.float64)
    reach = np.bincount(owner, furthest, 2 * n).astype(np.float64, copy=False)
    signed = np.bincount(asset, side * notional, n)
    total = np.bincount(asset, notional, n)
    return Sweeps(
        takers=takers.reshape(n, 2),
        reach=reach.reshape(n, 2),
        imbalance=signed / np.where(total > 0, total, 1.0),
    )
