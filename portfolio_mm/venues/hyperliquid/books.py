"""Market data frames become market snapshots.

Two channels show the same book: best prices, at every block that moved them, and a few levels,
twice a second. The younger one speaks of the best prices, the levels stand behind them. Frames may
arrive twice, late or out of order: an older one never replaces a younger one, and a print counts
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, log, nan

import numpy as np

from portfolio_mm.types import Floats, MarketSnapshot, MarketStatus, Universe
from portfolio_mm.venues.hyperliquid.events import trades
from portfolio_mm.venues.hyperliquid.figures import number
from portfolio_mm.venues.hyperliquid.frames import (
    BestFrame,
    BookFrame,
    ContextFrame,
    Frame,
    TradesFrame,
)
from portfolio_mm.venues.hyperliquid.wire import AssetContext, Best, Book, Level, Trade

DEPTH = 10
"""Levels a side of a snapshot."""

REMEMBERED = 20_000
"""Prints whose numbers are kept, to know them again."""

MS = 1_000_000

Side = Sequence[Level]


class Books:
    """What is known locally of every market.

    Prints from before `since_ns` are left out: the venue opens the channel with old ones.
    """

    def __init__(self, universe: Universe, index: Mapping[str, int], since_ns: int) -> None:
        n = len(universe)
        self._index = index
        self._since_ms = since_ns // MS
        self._book: list[Book | None] = [None] * n
        self._best: list[Best | None] = [None] * n
        self._changed: set[int] = set()
        self._price = np.full((2, n, DEPTH), nan)
        self._size = np.zeros((2, n, DEPTH))
        self._time = np.zeros(n, dtype=np.int64)
        self._context = np.full((3, n), nan)
        self._mid = [nan] * n
        self._shown = [nan] * n
        self._prints: list[Trade] = []
        self._known: dict[int, None] = {}

    @property
    def complete(self) -> bool:
        """Whether every market has shown a book and its prices."""
        return all(self._book) and bool(np.isfinite(self._context[:2]).all())

    @property
    def missing(self) -> tuple[str, ...]:
        """Markets that have not."""
        return tuple(
            coin
            for coin, asset in self._index.items()
            if self._book[asset] is None or not np.isfinite(self._context[:2, asset]).all()
        )

    @property
    def mark(self) -> Floats:
        """Mark prices, USD (N,), NaN where unknown."""
        mark: Floats = self._context[0]
        return mark

    def take(self, message: Frame) -> int:
        """Take a frame; return the asset whose best prices it showed, -1 where it showed none."""
        match message:
            case BookFrame(data=book):
                return self.book(book)
            case BestFrame(data=best):
                return self.best(best)
            case TradesFrame(data=rows):
                self.trades(rows)
            case ContextFrame(data=context):
                self.context(context.coin, context.ctx)
            case _:
                pass
        return -1

    def book(self, data: Book) -> int:
        """Take levels; return the asset, -1 where nothing came of it."""
        asset = self._index.get(data.coin, -1)
        before = self._book[asset] if asset >= 0 else None
        if asset < 0 or (before is not None and data.time < before.time):
            return -1
        self._book[asset] = data
        self._looked(asset)
        return asset

    def best(self, data: Best) -> int:
        """Take best prices; return the asset, -1 where nothing came of it."""
        asset = self._index.get(data.coin, -1)
        before = self._best[asset] if asset >= 0 else None
        if asset < 0 or (before is not None and data.time < before.time):
            return -1
        self._best[asset] = data
        self._looked(asset)
        return asset

    def context(self, coin: str, data: AssetContext) -> None:
        """Take mark, oracle and expected funding."""
        asset = self._index.get(coin, -1)
        if asset >= 0:
            figures = (data.mark_px, data.oracle_px, data.funding)
            self._context[:, asset] = [number(figure) for figure in figures]

    def trades(self, rows: Iterable[Trade]) -> None:
        """Take prints."""
        for row in rows:
            if row.tid not in self._known and row.time >= self._since_ms:
                self._known[row.tid] = None
                self._prints.append(row)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def moved(self, asset: int) -> float:
        """Return how far a mid is from where the last snapshot showed it, in logarithm."""
        mid, shown = self._mid[asset], self._shown[asset]
        if not mid > 0.0:
            return 0.0 if not shown > 0.0 else inf
        return abs(log(mid / shown)) if shown > 0.0 else inf

    def snapshot(self, now_ns: int, settlement_ns: int) -> MarketSnapshot:
        """Return what is known now; trades are those that came since the last snapshot."""
        for asset in self._changed:
            self._unpack(asset)
        self._changed.clear()
        self._shown = list(self._mid)
        rows, self._prints = sorted(self._prints, key=lambda row: row.time), []
        mark, oracle, funding = self._context.copy()
        price, size = self._price.copy(), self._size.copy()
        return MarketSnapshot(
            time_ns=now_ns,
            status=np.where(self._time > 0, MarketStatus.OPEN, MarketStatus.NO_BOOK),
            book_time_ns=self._time.copy(),
            bid_price=price[0],
            bid_size=size[0],
            ask_price=price[1],
            ask_size=size[1],
            mark=mark,
            oracle=oracle,
            funding=funding,
            settlement_ns=settlement_ns,
            trades=trades(rows, self._index),
        )

    def _looked(self, asset: int) -> None:
        """Note that the view of an asset changed."""
        self._changed.add(asset)
        best, book = self._best[asset], self._book[asset]
        tops: tuple[Level | None, Level | None] = (None, None)
        if best is not None and (book is None or best.time > book.time):
            tops = best.bbo
        elif book is not None:
            bids, asks = book.levels
            tops = (bids[0] if bids else None, asks[0] if asks else None)
        bid, ask = tops
        self._mid[asset] = 0.5 * (number(bid.px) + number(ask.px)) if bid and ask else nan

    def _unpack(self, asset: int) -> None:
        best, book = self._best[asset], self._book[asset]
        newer = best if best is not None and (book is None or best.time > book.time) else None
        self._time[asset] = max(x.time for x in (best, book) if x is not None) * MS
        for side in (0, 1):
            levels: Side = book.levels[side] if book is not None else ()
            if newer is not None:
                levels = _behind(newer.bbo[side], levels, 1 - 2 * side)
            column = levels[:DEPTH]
            self._price[side, asset] = nan
            self._size[side, asset] = 0.0
            self._price[side, asset, : len(column)] = [number(level.px) for level in column]
            self._size[side, asset, : len(column)] = [number(level.sz) for level in column]


def _behind(top: Level | None, levels: Side, sign: int) -> Side:
    """Return a younger best level with the older levels that are worse than it."""
    if top is None:
        return ()
    price = sign * number(top.px)
    return (top, *(level for level in levels if sign * number(level.px) < price))
