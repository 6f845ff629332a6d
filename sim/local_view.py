"""The local view: what messages from the exchange have told us of the markets so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Floats, MarketSnapshot, MarketStatus, Trades, Universe
from sim.exchange.messages import Print


class BookMessage(NamedTuple):
    """A book on its way: prices in units and lots per side, best first."""

    time_ns: int
    bids: tuple[list[int], list[int]]
    asks: tuple[list[int], list[int]]


class LocalView:
    """Takes messages as they arrive and turns them into snapshots."""

    def __init__(self, universe: Universe, levels: int) -> None:
        n = len(universe)
        self._sz_decimals = universe.sz_decimals
        self._arrived: dict[int, BookMessage] = {}
        self._prints: list[Print] = []
        self._book_time = np.zeros(n, dtype=np.int64)
        self._units = np.zeros((2, n, levels), dtype=np.int64)
        self._lots = np.zeros((2, n, levels), dtype=np.int64)
        self._context = np.full((3, n), np.nan)
        self._context[2] = 0.0  # no funding is known yet

    def book(self, asset: int, message: BookMessage) -> None:
        """Take a book."""
        self._arrived[asset] = message

    def trades(self, prints: list[Print]) -> None:
        """Take public trades."""
        self._prints.extend(prints)

    def context(self, context: Floats) -> None:
        """Take mark, oracle and expected funding, (3, N)."""
        self._context = context

    def snapshot(self, now_ns: int, settlement_ns: int) -> MarketSnapshot:
        """Return what is known now; trades are those that came since the last snapshot.

        `settlement_ns` is the time of the next funding settlement.
        """
        self._unpack()
        decimals = self._sz_decimals[:, None]
        price = ticks.from_units(np.where(self._units > 0, self._units, np.nan), decimals)
        size = ticks.from_lots(self._lots, decimals)
        mark, oracle, funding = self._context.copy()
        return MarketSnapshot(
            time_ns=now_ns,
            status=np.where(self._book_time > 0, MarketStatus.OPEN, MarketStatus.NO_BOOK),
            book_time_ns=self._book_time.copy(),
            bid_price=price[0],
            bid_size=size[0],
            ask_price=price[1],
            ask_size=size[1],
            mark=mark,
            oracle=oracle,
            funding=funding,
            settlement_ns=settlement_ns,
            trades=self._take_trades(),
        )

    def _unpack(self) -> None:
        for asset, message in self._arrived.items():
            self._book_time[asset] = message.time_ns
            for side, (units, lots) in enumerate((message.bids, message.asks)):
                for column, values in ((self._units, units), (self._lots, lots)):
                    column[side, asset] = 0
                    column[side, asset, : len(values)] = values
        self._arrived.clear()

    def _take_trades(self) -> Trades:
        columns = np.array(self._prints, dtype=np.int64).reshape(-1, len(Print._fields)).T
        asset, side, units, lots, time_ns = columns[:5]
        self._prints = []
        decimals = self._sz_decimals[asset]
        return Trades(
            asset=asset,
            side=1 - 2 * side,
            price=ticks.from_units(units, decimals),
            size=ticks.from_lots(lots, decimals),
            time_ns=time_ns,
        )
