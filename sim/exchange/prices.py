"""Marks and funding of a set of books: the venue's medians and premiums.

The local price of a market is the median of best bid, best ask and last trade; its mark the median
of oracle, an external price and the local one. A deployed market's premium is that of its middle
over the oracle; the venue's own markets have none while the oracle lies between bid and ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import funding, ticks
from portfolio_mm.types import Floats, Universe
from sim.exchange.matching import Book

MARK_STEP = 0.01
"""Largest relative move of a mark in one update."""


def best_prices(books: Sequence[Book], universe: Universe) -> Floats:
    """Return best bids and asks in USD, (2, N), NaN where a side is empty."""
    best = np.array([[book.best(side) for book in books] for side in (0, 1)], dtype=np.float64)
    best[best == 0.0] = np.nan
    return ticks.from_units(best, universe.sz_decimals)


def middle(books: Sequence[Book], universe: Universe) -> Floats:
    """Return the middle of each book in USD, (N,), NaN where a side is empty."""
    best = np.array([[book.best(0), book.best(1)] for book in books], dtype=np.float64)
    best[best == 0.0] = np.nan
    return ticks.from_units(best.mean(axis=1), universe.sz_decimals)


def next_mark(
    books: Sequence[Book],
    universe: Universe,
    last_trade: Sequence[int],
    *,
    mark: Floats,
    oracle: Floats,
    external: Floats,
) -> Floats:
    """Return the marks that follow `mark`, USD (N,); each moves by `MARK_STEP` at most.

    Before the first trade (`last_trade` 0, in units) the local price is the middle, and without a
    bid or an ask the oracle stands for it.
    """
    known = np.array(
        [
            (bid := book.best(0), ask := book.best(1), last or (bid + ask) // 2)
            for book, last in zip(books, last_trade, strict=True)
        ]
    )
    price = ticks.from_units(np.median(known, axis=1), universe.sz_decimals)
    local = np.where((known[:, :2] == 0).any(axis=1), oracle, price)
    target = np.median(np.stack([oracle, external, local]), axis=0)
    clipped: Floats = np.clip(target, mark * (1.0 - MARK_STEP), mark * (1.0 + MARK_STEP))
    return clipped


class Settlement(NamedTuple):
    """One hour's funding of all markets."""

    time_ns: int
    rate: Floats  # (N,)
    premium: Floats  # (N,)
    samples: int


class Premiums:
    """Samples of the premium since the last settlement, and the rate they make."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._own = np.array([not dex for dex in universe.dex])
        self._multiplier = np.array([i.funding_multiplier for i in universe.instruments])
        self._interest = np.array([i.interest_rate for i in universe.instruments])
        self._sum = np.zeros(len(universe))
        self._samples = 0

    def sample(self, books: Sequence[Book], mark: Floats, oracle: Floats) -> None:
        """Take one sample; a book without a bid or an ask stands at its mark."""
        bid, ask = best_prices(books, self._universe)
        empty = np.isnan(bid + ask)
        bid, ask = np.where(empty, mark, bid), np.where(empty, mark, ask)
        deployed = funding.deployed_premium(bid, ask, oracle)
        self._sum += np.where(self._own, funding.premium(bid, ask, oracle), deployed)
        self._samples += 1

    def settlement(self, now_ns: int) -> Settlement:
        """Return the settlement that the samples so far would make."""
        mean = self._sum / max(self._samples, 1)
        rate = funding.hourly_rate(mean, multiplier=self._multiplier, interest=self._interest)
        return Settlement(now_ns, rate, mean, self._samples)

    def clear(self) -> None:
        """Begin a new hour."""
        self._sum = np.zeros(len(self._universe))
        self._samples = 0
