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
    n = log_fair.shape[0]
    takers = np.zeros(2 * n)
    reach = np.zeros(2 * n)
    signed = np.zeros(n)
    total = np.zeros(n)
    keep = counted[trades.asset] & (trades.price > 0)
    if keep.any():
        asset, side = trades.asset[keep], trades.side[keep]
        notional = trades.price[keep] * trades.size[keep]
        np.add.at(signed, asset, side * notional)
        np.add.at(total, asset, notional)
        depth = np.maximum(side * (np.log(trades.price[keep]) - log_fair[asset]), 0.0)
        book_side = 2 * asset + (side > 0)
        _, sweep = np.unique(
            np.stack([book_side, trades.time_ns[keep]]), axis=1, return_inverse=True
        )
        sweep = sweep.reshape(-1)
        furthest = np.zeros(sweep.max() + 1)
        np.maximum.at(furthest, sweep, depth)
        owner = np.zeros_like(furthest, dtype=np.int64)
        owner[sweep] = book_side
        np.add.at(takers, owner, 1.0)
        np.add.at(reach, owner, furthest)
    imbalance = signed / np.where(total > 0, total, 1.0)
    return Sweeps(takers.reshape(n, 2), reach.reshape(n, 2), imbalance)
