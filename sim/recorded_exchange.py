"""The exchange of a recording: recorded books and prints, and one account that trades in them.

Orders, margin, fees, funding and liquidation are those of `Exchange`; only where fills come from
differs. There, other participants trade with our orders. Here, recorded rows move our orders up
their queues, and the queue model says what they fill. Nothing we do changes the recording.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import Floats, Orders, Universe
from sim.exchange import Exchange
from sim.matching import Order
from sim.queue_models import QueueModel
from sim.recorded_book import RecordedBook, Rows, on_grid
from sim.tape import PRINT, Tape

REQUESTS_PER_USD = 1.0

NEVER = 2**63 - 1
"""End of time, ns."""


class RecordedExchange(Exchange):
    """Recorded markets at venue time. The mid of a book is both oracle and mark."""

    def __init__(
        self, universe: Universe, tape: Tape, rows: list[Rows], model: QueueModel, rate: float
    ) -> None:
        n = len(universe)
        super().__init__(universe, np.zeros(n), [REQUESTS_PER_USD] * n)
        self.oracle = np.full(n, np.nan)
        self._recorded = [
            RecordedBook(part, books.exch_ns, int(decimals), model)
            for part, books, decimals in zip(rows, tape.books, universe.sz_decimals, strict=True)
        ]
        self.books = list(self._recorded)
        self.cursor = 0
        self._rate = rate
        self._times = tape.exch_ns
        self._exch_ns: list[int] = tape.exch_ns.tolist()
        self._asset: list[int] = tape.asset.tolist()
        self._kind: list[int] = tape.kind.tolist()
        self._row: list[int] = tape.row.tolist()
        self._prints = _Prints(tape, universe)

    @property
    def next_row_ns(self) -> int:
        """Venue time of the next row, after the last one the end of time."""
        return self._exch_ns[self.cursor] if self.cursor < len(self._exch_ns) else NEVER

    def replay(self, until_ns: int) -> int | None:
        """Apply rows up to a time, but stop after one that fills us and return its time.

        Rows of instruments without an order of ours need no work: their book is brought up to
        date when it is next looked at.
        """
        books, times = self._recorded, self._exch_ns
        if not any(book.orders for book in books):
            self.cursor = int(np.searchsorted(self._times, until_ns, side="right"))
            return None
        while self.cursor < len(times) and times[self.cursor] <= until_ns:
            index = self.cursor
            self.cursor += 1
            book = books[self._asset[index]]
            if not book.orders:
                continue
            row = self._row[index]
            fills = (
                book.trade(*self._prints.taken(row))
                if self._kind[index] == PRINT
                else book.show(row)
            )
            if fills:
                self._fill(self._asset[index], fills, times[index])
                return times[index]
        return None

    def value(self, now_ns: int) -> None:
        """Mark every position to the mid of the book; a side without a price keeps the last."""
        for book in self._recorded:
            book.sync(now_ns)
        middle = self._middle()
        self.oracle = np.where(np.isnan(middle), self.oracle, middle)
        self.mark = np.where(np.isnan(self.oracle), 0.0, self.oracle)
        for owner, account in enumerate(self.accounts):
            account.reprice(self.mark)
            account.observe()
            self._liquidate(owner, now_ns)

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
        book = self._recorded[asset]
        self.value(now_ns)
        for order, lots in fills:
            if order.oid not in book.orders:  # a liquidation came first
                continue
            if self._settle(asset, now_ns, order, lots):
                book.fill(order, lots)
            else:
                book.cancel(order.oid)
                self._removed(asset, order, "marginCanceled", now_ns)


class _Prints:
    """Recorded prints as the books take them: side of the resting orders, units, contracts."""

    def __init__(self, tape: Tape, universe: Universe) -> None:
        prints = tape.prints
        units = np.zeros(len(prints.asset), dtype=np.int64)
        for asset, instrument in enumerate(universe.instruments):
            rows = prints.asset == asset
            units[rows] = on_grid(instrument.name, prints.price[rows], instrument.sz_decimals)
        self._side: list[int] = ((1 + prints.side) // 2).tolist()
        self._units: list[int] = units.tolist()
        self._size: list[float] = np.where(prints.backfill, 0.0, prints.size).tolist()

    def taken(self, row: int) -> tuple[int, int, float]:
        return self._side[row], self._units[row], self._size[row]
