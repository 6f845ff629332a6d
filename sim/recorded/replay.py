"""Recorded markets as a venue, on a virtual clock.

The exchange's view runs on venue times, the local view on times of receipt; only our messages, with
their latency, join the two (`recorded_account`). A gap in the recording is silence: nothing arrives
and books grow old.
"""

from __future__ import annotations

import msgspec
import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    NS,
    AccountState,
    Events,
    Floats,
    MarketSnapshot,
    MarketStatus,
    Orders,
    Universe,
)
from portfolio_mm.venues.settings import Recorded
from sim.exchange.statistics import Statistics
from sim.market.world import HOUR_NS
from sim.recorded.account import RecordedAccount, next_multiple
from sim.recorded.book import rows_of
from sim.recorded.exchange import RecordedExchange
from sim.recorded.markets import NEVER, RecordedMarkets
from sim.recorded.queue_models import MODELS
from sim.recorded.received import ReceivedBook, ReceivedPrints
from sim.recorded.same_orders import QueueFills, same_orders
from sim.recorded.tape import Tape

SILENCE_NS, RECESS_NS = 60 * NS, HOUR_NS
"""After so much silence the clock jumps over what is left of it, where that is a recess or more."""


class ReplayStatistics(Statistics, frozen=True):
    """What happened to our account, and what was replayed."""

    queue: str  # name of the queue model
    filled_orders: int  # that filled at least in part: fewer, larger fills are not fewer orders
    same_orders: dict[str, QueueFills]  # of the orders of this run, by queue model
    rows: int  # of the tape that were processed
    file_rows: dict[str, int]  # rows of these instruments in each file
    other_rows: int  # rows of other instruments, not used
    backfill: int  # prints older than the first book, which could not fill
    gaps: dict[str, int]  # silences of each instrument's books longer than ten seconds


class ReplayVenue:
    """A place to trade in a recording; implements `venues.base.Venue`."""

    def __init__(self, settings: Recorded, universe: Universe, tape: Tape) -> None:
        n = len(universe)
        rows = [
            rows_of(instrument.name, books, instrument.sz_decimals, settings.touch_usd)
            for instrument, books in zip(universe.instruments, tape.books, strict=True)
        ]
        self._settings = settings
        self._universe = universe
        self._tape = tape
        self._now = tape.start_ns
        self._markets = RecordedMarkets(universe, tape, rows, MODELS[settings.queue])
        self.exchange = RecordedExchange(self._markets, settings.funding_rate)
        self._own = RecordedAccount(settings, self.exchange, self._now)
        self._compared: tuple[int, dict[str, QueueFills]] = (-1, {})

        recv = [tape.prints.recv_ns, *(books.recv_ns for books in tape.books)]
        self._arrivals = np.sort(np.concatenate(recv))
        self._books = [ReceivedBook(*pair) for pair in zip(rows, tape.books, strict=True)]
        self._prints = ReceivedPrints(tape.prints)
        self._seen = [0.0] * n
        self._book_time = np.zeros(n, dtype=np.int64)
        self._units = np.zeros((2, n, tape.depth), dtype=np.int64)
        self._size = np.zeros((2, n, tape.depth))

    # The venue protocol

    @property
    def universe(self) -> Universe:
        """The instruments of this run, in index order."""
        return self._universe

    @property
    def now_ns(self) -> int:
        """Local time, ns UTC."""
        return self._now

    @property
    def fraction(self) -> float:
        """Share of the recording that is over, in [0, 1]."""
        length = self._tape.end_ns - self._tape.start_ns
        return (self._now - self._tape.start_ns) / length if length else 1.0

    async def wait(self, deadline_ns: int, moves: Floats) -> Events:
        """Run to the deadline, to news of our orders, to a move of a mid, or to the end.

        Between sessions the clock runs past the deadline: see `SILENCE_NS`.
        """
        until = min(self._skip_recess(deadline_ns), self._tape.end_ns)
        until = max(min(until, self._moved_ns(until, moves)), self._now)
        self._own.run(until)
        self._now = max(self._now, min(until, self._own.told_ns))
        closed = self._now >= self._tape.end_ns
        return msgspec.structs.replace(self._own.deliver(self._now), closed=closed)

    def snapshot(self) -> MarketSnapshot:
        """Return the local view of all markets; trades are those since the last snapshot."""
        depth = self._tape.depth
        for asset, book in enumerate(self._books):
            news = book.news(self._now)
            if news is not None:
                self._book_time[asset] = news.time_ns
                for side, levels in enumerate((news.bids, news.asks)):
                    shown = levels[:depth]
                    self._units[side, asset] = 0
                    self._size[side, asset] = 0.0
                    self._units[side, asset, : len(shown)] = [units for units, _ in shown]
                    self._size[side, asset, : len(shown)] = [size for _, size in shown]
        decimals = self._universe.sz_decimals[:, None]
        self._seen = [book.middle(self._now) for book in self._books]
        price = ticks.from_units(np.where(self._units > 0, self._units, np.nan), decimals)
        middle = price[:, :, 0].mean(axis=0)
        return MarketSnapshot(
            time_ns=self._now,
            status=np.where(self._book_time > 0, MarketStatus.OPEN, MarketStatus.NO_BOOK),
            book_time_ns=self._book_time.copy(),
            bid_price=price[0],
            bid_size=self._size[0].copy(),
            ask_price=price[1],
            ask_size=self._size[1].copy(),
            mark=middle,
            oracle=middle,
            funding=self.exchange.funding_rate(),
            settlement_ns=next_multiple(self._now, HOUR_NS),
            trades=self._prints.take(self._now),
        )

    def account(self) -> AccountState:
        """Return the account as the exchange last reported it."""
        return self._own.state

    async def send(self, orders: Orders) -> None:
        """Hand orders over; they reach the exchange after the order latency."""
        self._own.send(orders, self._now)

    async def close(self) -> None:
        """Release what the venue holds: nothing."""

    def statistics(self) -> ReplayStatistics:
        """Return what happened at the exchange so far, which no strategy may look at."""
        tape = self._tape
        return ReplayStatistics(
            **msgspec.structs.asdict(self._own.statistics()),
            queue=self._settings.queue,
            filled_orders=self._own.filled_orders,
            same_orders=self._compare(),
            rows=self._markets.cursor,
            file_rows=tape.rows,
            other_rows=tape.other_rows,
            backfill=int(tape.prints.backfill.sum()),
            gaps=tape.gaps,
        )

    def _compare(self) -> dict[str, QueueFills]:
        """Replay our orders under every model, unless no row happened since the last time."""
        rows = self._markets.cursor
        if rows != self._compared[0]:
            orders = list(self.exchange.rested.values())
            fills = {name: same_orders(self._markets, orders, m) for name, m in MODELS.items()}
            self._compared = rows, fills
        return self._compared[1]

    # The clock

    def _skip_recess(self, deadline_ns: int) -> int:
        index = int(np.searchsorted(self._arrivals, deadline_ns, side="right"))
        if 0 < index < len(self._arrivals):
            silent = deadline_ns - int(self._arrivals[index - 1])
            resumed = int(self._arrivals[index])
            if silent > SILENCE_NS and resumed - deadline_ns > RECESS_NS:
                return resumed - NS
        return deadline_ns

    def _moved_ns(self, until_ns: int, moves: Floats) -> int:
        """Return when the first mid is known to be far from where the last snapshot showed it."""
        watched = np.flatnonzero(np.isfinite(moves)).tolist()
        return min(
            (
                self._books[asset].moved_ns(
                    self._now, until_ns, self._seen[asset], float(moves[asset])
                )
                for asset in watched
            ),
            default=NEVER,
        )
