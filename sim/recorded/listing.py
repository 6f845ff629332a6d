"""Recorded markets as instruments of a run.

The engine's grid is that of Hyperliquid: sizes of 10^-szDecimals, prices of at most 6 - szDecimals
decimals and five significant figures. Recordings do not say szDecimals; the data do. With the
finest decimals seen in book and print prices (p) and in sizes (s),

    szDecimals = min(s, 6 - p)

so that every recorded price is a whole number of price units, whatever the venue. On Hyperliquid
data this gives the venue's own figures. Elsewhere our prices are a subset of the venue's, and our
lots a multiple of its lots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Floats, Instrument, MarginTier, Universe
from sim.recorded.recording import DataError
from sim.recorded.tape import Tape

MAX_LEVERAGE: Mapping[str, int] = {"BTC": 40, "ETH": 25, "SOL": 20, "WLFI": 5}
"""Of Hyperliquid's own perpetuals, first margin tier. WLFI's is assumed. Markets that are not
listed here have the leverage they are traded at."""

POOL = "main"


def decimals_of(values: Floats) -> int:
    """Return the fewest decimals that write all values exactly, at most six."""
    known = np.unique(values[np.isfinite(values)])
    for decimals in range(ticks.DECIMALS):
        scale = 10.0**decimals
        if np.array_equal(np.rint(known * scale) / scale, known):
            return decimals
    return ticks.DECIMALS


def sz_decimals_of(tape: Tape, asset: int) -> int:
    """Return szDecimals as the data imply them."""
    books, prints = tape.books[asset], tape.prints
    own = prints.asset == asset
    price = np.concatenate([books.bid_price.ravel(), books.ask_price.ravel(), prints.price[own]])
    size = np.concatenate([books.bid_size.ravel(), books.ask_size.ravel(), prints.size[own]])
    return min(decimals_of(size), ticks.DECIMALS - decimals_of(price))


def build_universe(
    tape: Tape,
    *,
    leverage: Sequence[int],
    size_usd: Sequence[float],
    maker_fee: float,
    taker_fee: float,
) -> Universe:
    """Return the instruments of a tape, all cross-margined in one pool.

    Parameters
    ----------
    tape
        The recording; its names and their order are those of the universe.
    leverage, size_usd
        Chosen leverage and reference fill size of each name.
    maker_fee, taker_fee
        Fractions of notional, negative for a rebate.

    Raises
    ------
    DataError
        When a leverage is more than the market allows.
    """
    instruments = []
    for asset, name in enumerate(tape.names):
        most = MAX_LEVERAGE.get(name, leverage[asset])
        if not 1 <= leverage[asset] <= most:
            raise DataError(f"{name}: leverage {leverage[asset]} is not in 1..{most}")
        instruments.append(
            Instrument(
                name=name,
                asset_id=asset,
                sz_decimals=sz_decimals_of(tape, asset),
                tiers=(MarginTier(lower_bound=0.0, max_leverage=float(most)),),
                leverage=leverage[asset],
                isolated=False,
                pool=0,
                maker_fee=maker_fee,
                taker_fee=taker_fee,
                size_usd=size_usd[asset],
                requests_per_usd=1.0,
            )
        )
    return Universe(instruments=tuple(instruments), pools=(POOL,))
