"""Recorded markets under one queue model: rows of a tape reach the books that hold our orders.

Rows of instruments without an order of ours need no work: their book is brought up to date when it
is next looked at (`RecordedBook.sync`). Accounts, margin and messages are not known here.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import copy

import numpy as np

from portfolio_mm.types import Universe
from sim.exchange.matching import Order
from sim.recorded.book import RecordedBook, Rows, on_grid
from sim.recorded.queue_models import QueueModel
from sim.recorded.tape import PRINT, Tape

NEVER = 2**63 - 1
"""End of time, ns or rows."""


class RecordedMarkets:
    """The books of a universe, and how many rows of the tape have reached them."""

    def __init__(self, universe: Universe, tape: Tape, rows: list[Rows], model: QueueModel) -> None:
        self.universe = universe
        self.cursor = 0
        self._take(tape, rows)
        self.books = self._books(model)

    def go_on(self, tape: Tape, rows: list[Rows]) -> None:
        """Continue with a tape that follows the present one, all of whose rows have happened."""
        self.cursor = 0
        self._take(tape, rows)
        for book, source, recorded in zip(self.books, rows, tape.books, strict=True):
            book.go_on(source, recorded.exch_ns)

    def under(self, model: QueueModel) -> RecordedMarkets:
        """Return the same markets before their first row, under a queue model."""
        fresh = copy(self)
        fresh.books = self._books(model)
        fresh.cursor = 0
        return fresh

    @property
    def row_ns(self) -> int:
        """Venue time of the last row that happened."""
        return self._times[self.cursor - 1]

    @property
    def next_row_ns(self) -> int:
        """Venue time of the next row, after the last one the end of time."""
        return self._times[self.cursor] if self.cursor < len(self._times) else NEVER

    def rows_until(self, time_ns: int) -> int:
        """Return how many rows happen up to a time."""
        return bisect_right(self._times, time_ns)

    def advance(self, rows: int) -> tuple[int, list[tuple[Order, int]]] | None:
        """Go on to a count of rows, but stop after one that fills us.

        Returns
        -------
        tuple or None
            The asset of that row, and our orders that it fills, with lots.
        """
        if not any(book.orders for book in self.books):
            self.cursor = max(self.cursor, rows)
            return None
        while self.cursor < rows:
            index = self.cursor
            self.cursor += 1
            asset = self._asset[index]
            book = self.books[asset]
            if not book.orders:
                continue
            row = self._row[index]
            fills = (
                book.trade(*self._prints.taken(row))
                if self._kind[index] == PRINT
                else book.show(row)
            )
            if fills:
                return asset, fills
        return None

    def _take(self, tape: Tape, rows: list[Rows]) -> None:
        self._tape = tape
        self._sources = rows
        self._times: list[int] = tape.exch_ns.tolist()
        self._asset: list[int] = tape.asset.tolist()
        self._kind: list[int] = tape.kind.tolist()
        self._row: list[int] = tape.row.tolist()
        self._prints = _Prints(tape, self.universe)

    def _books(self, model: QueueModel) -> list[RecordedBook]:
        return [
            RecordedBook(rows, books.exch_ns, int(decimals), model)
            for rows, books, decimals in zip(
                self._sources, self._tape.books, self.universe.sz_decimals, strict=True
            )
        ]


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
