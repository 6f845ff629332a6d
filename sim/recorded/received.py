"""The local view of a recording: what had been received by a given instant, and nothing else.

Rows are put in venue-time order, not in order of arrival: a book that was overtaken by a newer best
price does not turn that price back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.types import Floats, Trades
from sim.recorded.book import Display, Rows
from sim.recorded.markets import NEVER
from sim.recorded.tape import Books, Prints


class News(NamedTuple):
    """A book: venue time, then price in units and contracts of its levels, best first."""

    time_ns: int
    bids: list[tuple[int, float]]
    asks: list[tuple[int, float]]


class ReceivedBook:
    """One book as known locally."""

    def __init__(self, rows: Rows, books: Books) -> None:
        arrival = np.argsort(books.recv_ns, kind="stable")
        self._rows = rows
        self._exch_ns = books.exch_ns
        self._recv_ns = books.recv_ns
        self._arrived_ns = books.recv_ns[arrival]
        self._newest = np.maximum.accumulate(arrival)
        self._whole = np.maximum.accumulate(np.where(books.full[arrival], arrival, -1))
        self._middle = np.where(self._whole >= 0, _middles(rows)[self._newest], 0.0)
        self._count = 0

    def middle(self, now_ns: int) -> float:
        """Return twice the middle known at a time, in units, 0 where there is none."""
        count = int(np.searchsorted(self._arrived_ns, now_ns, side="right"))
        return float(self._middle[count - 1]) if count else 0.0

    def moved_ns(self, now_ns: int, until_ns: int, seen: float, move: float) -> int:
        """Return when the middle is known to be further than `move` (log) from what was seen.

        It is looked for in now..until, the end of time stands for never.
        """
        first, last = np.searchsorted(self._arrived_ns, (now_ns, until_ns), side="right").tolist()
        middle = self._middle[max(first - 1, 0) : last]
        if seen <= 0.0 or not len(middle):
            return NEVER
        known = np.where(middle > 0.0, middle, seen)
        far = np.flatnonzero(np.abs(np.log(known / seen)) > move)
        if not len(far):
            return NEVER
        return max(int(self._arrived_ns[max(first - 1, 0) + int(far[0])]), now_ns)

    def news(self, now_ns: int) -> News | None:
        """Return the book, or None where nothing new arrived."""
        count = int(np.searchsorted(self._arrived_ns, now_ns, side="right"))
        if count == self._count or self._whole[count - 1] < 0:
            return None
        self._count = count
        whole, newest = int(self._whole[count - 1]), int(self._newest[count - 1])
        display = Display(self._rows)
        for row in range(whole, newest + 1):
            if self._recv_ns[row] <= now_ns:
                display.apply(row)
        return News(int(self._exch_ns[newest]), display.depth(0), display.depth(1))


def _middles(rows: Rows) -> Floats:
    """Return twice the middle after each row, in units, 0 where a side is empty."""
    bid, ask = (units[:, 0] for units in rows.units)
    return np.where((bid > 0) & (ask > 0), bid + ask, 0).astype(np.float64)


class ReceivedPrints:
    """Public trades as they arrive, without those replayed to the recorder at the start."""

    def __init__(self, prints: Prints) -> None:
        order = np.argsort(prints.recv_ns, kind="stable")
        order = order[~prints.backfill[order]]
        self._prints = Prints._make(column[order] for column in prints)
        self._taken = 0

    def take(self, now_ns: int) -> Trades:
        """Return what arrived since the last call."""
        prints = self._prints
        until = int(np.searchsorted(prints.recv_ns, now_ns, side="right"))
        new = slice(self._taken, until)
        self._taken = until
        return Trades(
            asset=prints.asset[new],
            side=prints.side[new],
            price=prints.price[new],
            size=prints.size[new],
            time_ns=prints.exch_ns[new],
        )
