"""The live feed as a tape: what was received, in pieces, each in venue-time order.

What happened at the venue at an instant is known only when the messages of that instant have come.
So a piece ends some time in the past, and what comes later still is late: a late book is dropped
where a younger one was taken, and everything else counts at the instant at which it is known.
Prints from before the first book of their market fill nothing, and a print counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan
from typing import Any, NamedTuple

import numpy as np

from portfolio_mm.types import Floats, Universe
from portfolio_mm.venues.hyperliquid.figures import number
from portfolio_mm.venues.hyperliquid.frames import BestFrame, BookFrame, Frame, TradesFrame
from portfolio_mm.venues.hyperliquid.wire import Best, Book, Level, Trade
from sim.recorded.book import Rows, rows_of
from sim.recorded.files import LEVELS
from sim.recorded.tape import Books, Prints, Tape, in_order

MS = 1_000_000

REMEMBERED = 20_000
"""Prints that are recognised when they are repeated."""


class _BookRow(NamedTuple):
    exch_ns: int
    recv_ns: int
    full: bool
    bids: Sequence[Level]
    asks: Sequence[Level]


class _Printed(NamedTuple):
    exch_ns: int
    recv_ns: int
    asset: int
    side: int
    price: float
    size: float
    backfill: bool


class LiveTape:
    """Takes frames as they arrive and gives them back as pieces of a tape."""

    def __init__(self, universe: Universe, index: Mapping[str, int]) -> None:
        n = len(universe)
        self._universe = universe
        self._index = index
        self._books: list[list[_BookRow]] = [[] for _ in range(n)]
        self._prints: list[_Printed] = []
        self._opened = [0] * n  # venue time of the first book
        self._taken_ns = [0] * n  # of the youngest book in a piece
        self._end_ns = 0  # of the last piece
        self._known: dict[tuple[int, int], None] = {}
        self.rows = 0
        self.late = 0

    def take(self, frame: Frame, now_ns: int) -> None:
        """Take a frame that arrived now."""
        match frame:
            case BookFrame(data=Book(coin=coin, time=time, levels=(bids, asks))):
                self._book(coin, _BookRow(time * MS, now_ns, True, bids[:LEVELS], asks[:LEVELS]))
            case BestFrame(data=Best(coin=coin, time=time, bbo=(bid, ask))):
                sides = [() if level is None else (level,) for level in (bid, ask)]
                self._book(coin, _BookRow(time * MS, now_ns, False, *sides))
            case TradesFrame(data=trades):
                for trade in trades:
                    self._print(trade, now_ns)
            case _:
                pass

    def piece(self, until_ns: int) -> tuple[Tape, list[Rows]] | None:
        """Return what happened after the last piece and up to an instant, None where nothing did."""
        begin_ns = self._end_ns + 1
        self._end_ns = max(until_ns, self._end_ns)
        books = [
            self._timely(asset, _due(rows, until_ns), begin_ns)
            for asset, rows in enumerate(self._books)
        ]
        printed = [
            row._replace(exch_ns=max(row.exch_ns, begin_ns)) for row in _due(self._prints, until_ns)
        ]
        count = len(printed) + sum(map(len, books))
        self.rows += count
        return _assembled(self._universe, books, printed) if count else None

    def _book(self, coin: str, row: _BookRow) -> None:
        asset = self._index.get(coin)
        if asset is None or (row.full and not row.bids and not row.asks):
            return
        if row.full and not self._opened[asset]:
            self._opened[asset] = row.exch_ns
        if self._opened[asset]:
            self._books[asset].append(row)

    def _print(self, trade: Trade, now_ns: int) -> None:
        asset = self._index.get(trade.coin)
        key = asset, trade.tid
        if asset is None or key in self._known or number(trade.sz) <= 0.0:
            return
        self._known[asset, trade.tid] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        exch_ns = trade.time * MS
        self.late += exch_ns <= self._end_ns
        opened = self._opened[asset]
        self._prints.append(
            _Printed(
                exch_ns=exch_ns,
                recv_ns=now_ns,
                asset=asset,
                side=1 if trade.side == "B" else -1,
                price=number(trade.px),
                size=number(trade.sz),
                backfill=not opened or exch_ns < opened,
            )
        )

    def _timely(self, asset: int, rows: list[_BookRow], begin_ns: int) -> list[_BookRow]:
        """Drop rows that are older than one already taken, and count what is late as of now."""
        taken_ns = self._taken_ns[asset]
        timely = [row for row in rows if row.exch_ns >= taken_ns]
        self._taken_ns[asset] = max([taken_ns, *(row.exch_ns for row in timely)])
        self.late += sum(row.exch_ns < begin_ns for row in rows)
        return [row._replace(exch_ns=max(row.exch_ns, begin_ns)) for row in timely]


def blank(universe: Universe) -> tuple[Tape, list[Rows]]:
    """Return a piece in which nothing happens."""
    return _assembled(universe, [[] for _ in universe.names], [])


def _assembled(
    universe: Universe, books: Sequence[Sequence[_BookRow]], printed: Sequence[_Printed]
) -> tuple[Tape, list[Rows]]:
    columns = tuple(_columns(rows) if rows else EMPTY for rows in books)
    prints = _prints(printed)
    order = in_order(columns, prints)
    received = [prints.recv_ns, *(column.recv_ns for column in columns)]
    tape = Tape(
        names=universe.names,
        books=columns,
        prints=prints,
        **order._asdict(),
        rows={},
        other_rows=0,
        start_ns=min((int(times.min()) for times in received if len(times)), default=0),
        end_ns=max((int(times.max()) for times in received if len(times)), default=0),
    )
    rows = [
        EMPTY_ROWS
        if column is EMPTY
        else rows_of(instrument.name, column, instrument.sz_decimals, nan)
        for instrument, column in zip(universe.instruments, columns, strict=True)
    ]
    return tape, rows


def _due(rows: list[Any], until_ns: int) -> list[Any]:
    """Take the rows that happened up to an instant out of a list."""
    due = [row for row in rows if row.exch_ns <= until_ns]
    if due:
        rows[:] = [row for row in rows if row.exch_ns > until_ns]
    return due


def _columns(rows: Sequence[_BookRow]) -> Books:
    bids, asks = [row.bids for row in rows], [row.asks for row in rows]
    full = np.array([row.full for row in rows], dtype=np.bool_)
    exch_ns = np.array([row.exch_ns for row in rows], dtype=np.int64)
    books = Books(
        exch_ns=exch_ns,
        recv_ns=np.array([row.recv_ns for row in rows], dtype=np.int64),
        full=full,
        bid_price=_ladders(bids, _price),
        bid_size=_ladders(bids, _size),
        ask_price=_ladders(asks, _price),
        ask_size=_ladders(asks, _size),
    )
    order = np.lexsort((~full, exch_ns))
    return Books._make(column[order] for column in books)


def _ladders(sides: Sequence[Sequence[Level]], value: Callable[[Level], float]) -> Floats:
    ladders = [[*map(value, levels), *[nan] * (LEVELS - len(levels))] for levels in sides]
    return np.array(ladders, dtype=np.float64).reshape(-1, LEVELS)


def _price(level: Level) -> float:
    return number(level.px)


def _size(level: Level) -> float:
    return number(level.sz)


def _prints(rows: Sequence[_Printed]) -> Prints:
    columns = list(zip(*rows, strict=True)) or [()] * len(_Printed._fields)
    kinds = (np.int64, np.int64, np.int64, np.int64, np.float64, np.float64, np.bool_)
    prints = Prints._make(np.array(c, dtype=k) for c, k in zip(columns, kinds, strict=True))
    order = np.argsort(prints.exch_ns, kind="stable")
    return Prints._make(column[order] for column in prints)


EMPTY = _columns([])
EMPTY_ROWS = rows_of("", EMPTY, 0, nan)
"""Of a market in which nothing happened."""
