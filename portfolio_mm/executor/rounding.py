"""From the programme's sizes to orders the venue accepts.

Prices move outwards to the tick, sizes down to the lot. What falls under the minimum notional is
dropped and its budget offered once to the deepest level of its side, whose margin is the largest.
That receiver is the same whatever the inventory, so no order jumps by more than the smallest order
the venue takes as inventory changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Floats, Ints

SIGN = np.array([1, -1])[:, None]
MIN_MICRO_USD = round(ticks.MIN_NOTIONAL / ticks.MICRO_USD)


class Rounded(NamedTuple):
    """Orders on the grid, (N, 2, L) each; 0 = none."""

    units: Ints
    lots: Ints


def round_orders(price: Floats, sizes: Floats, sz_decimals: Ints) -> Rounded:
    """Round (N, 2, L) target sizes in USD at (N, 2, L) prices to the venue's grid."""
    decimals = sz_decimals[:, None, None]
    units = ticks.to_units(price, decimals, SIGN)
    one_lot = ticks.from_units(units, decimals) * ticks.from_lots(1, decimals)
    usd_per_lot = np.where(units > 0, one_lot, np.inf)

    lots = np.floor(sizes / usd_per_lot).astype(np.int64)
    small = lots * units < MIN_MICRO_USD
    offered = np.where(small, 0.0, sizes)
    offered[:, :, -1] = sizes[:, :, -1] + np.where(small, sizes, 0.0)[:, :, :-1].sum(axis=2)
    lots = np.floor(offered / usd_per_lot).astype(np.int64)
    small = lots * units < MIN_MICRO_USD
    return Rounded(np.where(small, 0, units), np.where(small, 0, lots))
