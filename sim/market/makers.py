"""Other makers: each rests a ladder around a late and noisy view of fair value.

A maker looks at the market now and then. When its reference price moved by a share of its
half-spread it withdraws everything and quotes anew, else it only replaces levels that traded. It
is post-only, so where it would cross it leaves the level out, and it never runs out of inventory.
"""

from __future__ import annotations

import math

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.venues.settings import Simulated
from sim.exchange.exchange import Exchange
from sim.market.latency import MS
from sim.market.listing import Listing
from sim.market.market import Market

WIDTHS_AND_LAGS = ((1.0, 150.0), (1.5, 400.0), (2.2, 900.0))
"""Width in listed half-spreads and lag in milliseconds of the makers of every market."""

LEVELS = 4
LEVEL_SPACING = 0.6
"""Distance between levels in half-spreads."""

ERROR = 0.25
"""Standard deviation of a maker's error in half-spreads."""

PERSISTENCE = 0.9
"""Autocorrelation of the error from one look to the next."""

PATIENCE = 0.3
"""A maker requotes when its reference moved by so many half-spreads."""

SIZE = 0.25
"""Mean size of a level, in median takers and widths."""

REACTION_MS = 300.0
_BLOCK = 4096
_SIDES = np.array([[1], [-1]])


class Maker:
    """One other maker on one market."""

    def __init__(
        self,
        listing: Listing,
        settings: Simulated,
        market: Market,
        exchange: Exchange,
        rng: np.random.Generator,
        *,
        asset: int,
        width: float,
        lag_ms: float,
    ) -> None:
        self._market = market
        self._exchange = exchange
        self._rng = rng
        self._asset = asset
        self._sz_decimals = listing.sz_decimals
        self._half = width * listing.half_spread
        self._lag_ns = int(lag_ms * MS)
        self._wake_ns = (lag_ms + REACTION_MS) * MS
        self._usd = SIZE * width * listing.taker_usd
        self._widen = [r.volatility for r in settings.regimes]
        self._error = 0.0
        self._quoted = 0.0
        self._resting: dict[tuple[int, int], int] = {}
        self._draws: list[float] = []

    def next_look(self, now_ns: int) -> int:
        """Return when it looks at the market again."""
        return now_ns + int(self._wake_ns * (0.5 + self._uniform()))

    def look(self, now_ns: int) -> None:
        """Bring its quotes up to date with what it sees."""
        innovation = math.sqrt(12.0 * (1.0 - PERSISTENCE**2)) * (self._uniform() - 0.5)
        self._error = PERSISTENCE * self._error + innovation
        half = self._half * self._widen[self._market.regime(now_ns)]
        seen = float(self._market.fair(now_ns - self._lag_ns)[self._asset])
        reference = seen * (1.0 + ERROR * half * self._error)
        if abs(reference - self._quoted) > PATIENCE * half * reference:
            self._quoted = reference
            self._requote(reference, half)
        else:
            self._refill()

    def _requote(self, reference: float, half: float) -> None:
        for oid in self._resting.values():
            self._exchange.withdraw(self._asset, oid)
        depths = half * (1.0 + LEVEL_SPACING * np.arange(LEVELS))
        prices = reference * (1.0 - _SIDES * depths)
        units = ticks.to_units(prices, self._sz_decimals, _SIDES).tolist()
        self._resting = {
            (side, price): self._place(side, price)
            for side in (0, 1)
            for price in dict.fromkeys(units[side])
        }

    def _refill(self) -> None:
        resting = self._exchange.books[self._asset].orders
        for (side, price), oid in self._resting.items():
            if oid not in resting:
                self._resting[side, price] = self._place(side, price)

    def _place(self, side: int, price: int) -> int:
        usd = self._usd * (0.4 + 1.2 * self._uniform())
        lots = max(int(usd / (price * ticks.MICRO_USD)), 1)
        return self._exchange.quote(self._asset, side, price, lots)

    def _uniform(self) -> float:
        if not self._draws:
            self._draws = self._rng.random(_BLOCK).tolist()
        return self._draws.pop()
