"""The exchange of a recording: recorded books and prints, and one account that trades in them.

Orders, margin, fees, funding and liquidation are those of `Exchange`; only where fills come from
differs. There, other participants trade with our orders. Here, recorded rows move our orders up
their queues, and the queue model says what they fill. Nothing we do changes the recording.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.types import Floats, Orders
from sim.exchange.exchange import Exchange
from sim.exchange.matching import Order
from sim.exchange.orders import Outcome, Record, Ticket
from sim.exchange.prices import middle
from sim.recorded.markets import NEVER, RecordedMarkets


class Rested(NamedTuple):
    """An order of ours as the exchange saw it; rows first..last − 1 happened while it rested."""

    asset: int
    side: int
    units: int
    lots: int  # when it arrived
    first: int
    last: int = NEVER  # whether it filled, was cancelled, or the account could not carry it
    refused: bool = False  # the account could not carry what the last of the rows filled


class RecordedExchange(Exchange):
    """Recorded markets at venue time. The mid of a book is both oracle and mark."""

    def __init__(self, markets: RecordedMarkets, rate: float) -> None:
        n = len(markets.universe)
        super().__init__(markets.universe, np.zeros(n))
        self.oracle = np.full(n, np.nan)
        self.books = list(markets.books)
        self.markets = markets
        self.rested: dict[int, Rested] = {}
        """Every order of ours that rested, by id, oldest first."""
        self._rate = rate

    def replay(self, until_ns: int) -> int | None:
        """Apply rows up to a time, but stop after one that fills us and return its time."""
        found = self.markets.advance(self.markets.rows_until(until_ns))
        if found is None:
            return None
        now_ns = self.markets.row_ns
        self._fill(*found, now_ns)
        return now_ns

    def value(self, now_ns: int) -> None:
        """Mark every position to the mid of the book; a side without a price keeps the last."""
        for book in self.markets.books:
            book.sync(now_ns)
        self.price(middle(self.books, self.universe))
        self.revalue(now_ns)

    def price(self, mid: Floats) -> None:
        """Take oracle and mark from the mids, (N,), NaN where a book has none."""
        self.oracle = np.where(np.isnan(mid), self.oracle, mid)
        self.mark = np.where(np.isnan(self.oracle), 0.0, self.oracle)

    def submit(self, owner: int, orders: Orders, now_ns: int) -> None:
        """Execute our actions against the books of this instant."""
        self.value(now_ns)
        super().submit(owner, orders, now_ns)

    def settle_funding(self, now_ns: int) -> None:
        """Let every position pay or receive the hour's funding on the mid."""
        self.value(now_ns)
        super().settle_funding(now_ns)

    def funding_rate(self) -> Floats:
        """Return the constant rate of the settings, (N,)."""
        return np.full(len(self.universe), self._rate)

    def _fill(self, asset: int, fills: list[tuple[Order, int]], now_ns: int) -> None:
        book = self.markets.books[asset]
        self.value(now_ns)
        for order, lots in fills:
            if order.oid not in book.orders:  # a liquidation came first
                self._ended(order, refused=True)
            elif isinstance(order, Record) and self.settle(order, lots, now_ns, self.next_id()):
                book.fill(order, lots)
                if not order.lots:
                    self._ended(order)
            else:
                book.cancel(order.oid)
                self.removed(asset, order, "marginCanceled", now_ns)
                self._ended(order, refused=True)

    def place(self, owner: int, ticket: Ticket, now_ns: int, *, prefix: str = "") -> Outcome:
        """Place an order, and note when it came if it rests."""
        outcome = super().place(owner, ticket, now_ns, prefix=prefix)
        order = outcome.record
        if order is not None and order.is_open:
            self.rested[order.oid] = Rested(
                order.asset, order.side, order.units, order.lots, self.markets.cursor
            )
        return outcome

    def removed(self, asset: int, order: Order, status: str, now_ns: int) -> None:
        """Release what an order had reserved, and note when it left."""
        super().removed(asset, order, status, now_ns)
        self._ended(order)

    def _ended(self, order: Order, *, refused: bool = False) -> None:
        rested = self.rested[order.oid]
        self.rested[order.oid] = rested._replace(last=self.markets.cursor, refused=refused)
