"""Recorded markets as a venue, on a virtual clock.

The exchange's view runs on venue times, the local view on times of receipt; only our messages, with
their latency, join the two. What the account is goes out with every own event and, while a position
is held, a second later again, or when the market moves next. A gap in the recording is silence:
nothing arrives and books grow old.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec
import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    NS,
    AccountState,
    Events,
    Fill,
    FundingPayment,
    MarketSnapshot,
    MarketStatus,
    Orders,
    OrderUpdate,
    Universe,
)
from portfolio_mm.venues.settings import Recorded
from sim.account import MICRO
from sim.embedded import HOUR_NS, IP_WEIGHT
from sim.exchange import Message
from sim.latency import Stream
from sim.queue_models import MODELS
from sim.received import ReceivedBook, ReceivedPrints
from sim.recorded_book import rows_of
from sim.recorded_exchange import RecordedExchange
from sim.recorded_markets import NEVER, RecordedMarkets
from sim.same_orders import QueueFills, same_orders
from sim.statistics import Statistics, observed
from sim.tape import Tape

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


class _Report(NamedTuple):
    """A message of the exchange on its way to us."""

    arrival_ns: int
    messages: tuple[Message, ...]
    fills: int
    account: AccountState


class ReplayVenue:
    """A place to trade in a recording; implements `venues.base.Venue`."""

    def __init__(self, settings: Recorded, universe: Universe, tape: Tape) -> None:
        n, pools = len(universe), len(universe.pools)
        rows = [
            rows_of(instrument.name, books, instrument.sz_decimals, settings.touch_usd)
            for instrument, books in zip(universe.instruments, tape.books, strict=True)
        ]
        order, response = np.random.SeedSequence(settings.seed).spawn(2)
        rng = np.random.default_rng
        self._settings = settings
        self._universe = universe
        self._tape = tape
        self._now = tape.start_ns
        self._order = Stream(rng(order), settings.order_ms, settings.order_jitter_ms)
        self._response = Stream(rng(response), settings.response_ms, settings.response_jitter_ms)
        self._markets = RecordedMarkets(universe, tape, rows, MODELS[settings.queue])
        self.exchange = RecordedExchange(self._markets, settings.funding_rate)
        deposit = round(settings.deposit_usd * MICRO / pools)
        self._owner = self.exchange.open_account([deposit] * pools, settings.requests)
        self._account = self.exchange.account_state(self._owner, self._now, IP_WEIGHT)

        self._entering: deque[tuple[int, Orders]] = deque()
        self._reports: deque[_Report] = deque()
        self._settlement_ns = _next(self._now, HOUR_NS)
        self._statement_ns = NEVER
        self._fills = 0
        self._filled: set[str] = set()
        self._volume = [0.0, 0.0]
        self._compared: tuple[int, dict[str, QueueFills]] = (-1, {})

        recv = [tape.prints.recv_ns, *(books.recv_ns for books in tape.books)]
        self._arrivals = np.sort(np.concatenate(recv))
        self._books = [ReceivedBook(*pair) for pair in zip(rows, tape.books, strict=True)]
        self._prints = ReceivedPrints(tape.prints)
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

    async def wait(self, deadline_ns: int) -> Events:
        """Run to the deadline, to a fill of ours being reported, or to the end.

        Between sessions the clock runs past the deadline: see `SILENCE_NS`.
        """
        until = min(self._skip_recess(deadline_ns), self._tape.end_ns)
        while True:
            due = self._next_due(until)
            filled_ns = self.exchange.replay(due)
            if filled_ns is not None:
                self._inform(filled_ns)
            elif due == self._settlement_ns:
                self._settlement_ns += HOUR_NS
                self.exchange.settle_funding(due)
                self._inform(due)
            elif due == self._statement_ns:
                self.exchange.value(due)
                self._inform(due)
            elif self._entering and due == self._entering[0][0]:
                self.exchange.submit(self._owner, self._entering.popleft()[1], due)
                self._inform(due)
            else:
                break
        self._now = max(self._now, min(until, self._filled_ns))
        return self._deliver()

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
            settlement_ns=_next(self._now, HOUR_NS),
            trades=self._prints.take(self._now),
        )

    def account(self) -> AccountState:
        """Return the account as the exchange last reported it."""
        return self._account

    async def send(self, orders: Orders) -> None:
        """Hand orders over; they reach the exchange after the order latency."""
        self._entering.append((self._order.arrival(self._now), orders))

    async def close(self) -> None:
        """Release what the venue holds: nothing."""

    def statistics(self) -> ReplayStatistics:
        """Return what happened at the exchange so far, which no strategy may look at."""
        tape = self._tape
        seen = observed(self.exchange, self._owner, self._fills, self._volume)
        return ReplayStatistics(
            **msgspec.structs.asdict(seen),
            queue=self._settings.queue,
            filled_orders=len(self._filled),
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

    def _next_due(self, until_ns: int) -> int:
        """Return the next instant at which something other than a recorded row happens."""
        entering = self._entering[0][0] if self._entering else NEVER
        stop = min(until_ns, self._filled_ns)
        return min(stop, self._settlement_ns, self._statement_ns, entering)

    @property
    def _filled_ns(self) -> int:
        """When the first fill that is on its way to us arrives."""
        return next((report.arrival_ns for report in self._reports if report.fills), NEVER)

    def _inform(self, now_ns: int) -> None:
        """Send what the exchange has to say of this instant."""
        messages = tuple(message for _, message in self.exchange.outbox)
        self.exchange.outbox.clear()
        state = self.exchange.account_state(self._owner, now_ns, IP_WEIGHT)
        moves_ns = self._markets.next_row_ns
        self._statement_ns = max(now_ns + NS, moves_ns) if state.position.any() else NEVER
        fills = [message for message in messages if isinstance(message, Fill)]
        arrival_ns = self._response.arrival(now_ns)
        self._reports.append(_Report(arrival_ns, messages, len(fills), state))
        self._fills += len(fills)
        self._filled.update(fill.cloid for fill in fills if fill.maker)
        for fill in fills:
            self._volume[not fill.maker] += fill.price * fill.size

    def _deliver(self) -> Events:
        messages: list[Message] = []
        while self._reports and self._reports[0].arrival_ns <= self._now:
            report = self._reports.popleft()
            messages += report.messages
            self._account = report.account
        return Events(
            fills=tuple(m for m in messages if isinstance(m, Fill)),
            updates=tuple(m for m in messages if isinstance(m, OrderUpdate)),
            funding=tuple(m for m in messages if isinstance(m, FundingPayment)),
            closed=self._now >= self._tape.end_ns,
        )


def _next(now_ns: int, period_ns: int) -> int:
    """Return the next multiple of a period."""
    return (now_ns // period_ns + 1) * period_ns
