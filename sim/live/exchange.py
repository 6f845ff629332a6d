"""The exchange of live markets: recorded markets that go on, at the venue's own prices."""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import Floats, Universe
from portfolio_mm.venues.hyperliquid.figures import number
from portfolio_mm.venues.hyperliquid.wire import AssetContext
from sim.exchange.matching import Order
from sim.live.tape import blank
from sim.recorded.exchange import RecordedExchange
from sim.recorded.markets import NEVER, RecordedMarkets
from sim.recorded.queue_models import QueueModel


class LiveMarkets(RecordedMarkets):
    """Markets whose rows are still to come."""

    def __init__(self, universe: Universe, model: QueueModel) -> None:
        super().__init__(universe, *blank(universe), model)

    @property
    def next_row_ns(self) -> int:
        """Venue time of the next row, 0 where it is not known yet."""
        known = super().next_row_ns
        return known if known < NEVER else 0


class LiveExchange(RecordedExchange):
    """Marks, oracles and funding rates are the venue's; until they are known, the mid and 0."""

    def __init__(self, markets: LiveMarkets) -> None:
        super().__init__(markets, 0.0)
        n = len(markets.universe)
        self.live = markets
        self._context = np.full((2, n), np.nan)  # oracle, mark
        self._rates = np.zeros(n)

    def context(self, asset: int, context: AssetContext) -> None:
        """Take the venue's prices and expected funding of an asset."""
        self._context[:, asset] = number(context.oracle_px), number(context.mark_px)
        self._rates[asset] = number(context.funding)

    def price(self, mid: Floats) -> None:
        """Take oracle and mark from the venue, and from the mid where it has not said them."""
        super().price(mid)
        known = np.isfinite(self._context)
        self.oracle, self.mark = np.where(known, self._context, (self.oracle, self.mark))

    def funding_rate(self) -> Floats:
        """Return the rates the venue expects of the next settlement, (N,)."""
        return self._rates.copy()

    def _ended(self, order: Order, *, refused: bool = False) -> None:
        """Forget an order: an engine that runs for weeks has many."""
        del refused
        self.rested.pop(order.oid, None)
