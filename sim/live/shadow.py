"""Shadow trading: live market data, our own orders simulated against them.

The exchange that a recording is replayed at runs here on what arrives (`live_tape`), some time
behind the present, so that books and prints of an instant have come before it is simulated; our
clock stands for the venue's. The local view is that of the real adapter, and so are marks, oracles,
funding and fees. No key is needed and no order leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np

from portfolio_mm import config
from portfolio_mm.types import (
    NS,
    AccountState,
    Events,
    Fill,
    Floats,
    FundingPayment,
    MarketSnapshot,
    Orders,
    OrderUpdate,
    Universe,
)
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import events
from portfolio_mm.venues.hyperliquid.books import Books
from portfolio_mm.venues.hyperliquid.frames import ContextFrame, Frame
from portfolio_mm.venues.hyperliquid.limits import Limiter
from portfolio_mm.venues.hyperliquid.questions import Questions
from portfolio_mm.venues.hyperliquid.transport import Transport
from portfolio_mm.venues.hyperliquid.wire import CoinContext
from portfolio_mm.venues.settings import Shadow
from sim.exchange.statistics import Statistics
from sim.live.exchange import LiveExchange, LiveMarkets
from sim.live.feed import Feed, public_universe
from sim.live.tape import LiveTape
from sim.market.world import HOUR_NS
from sim.recorded.account import RecordedAccount, next_multiple
from sim.recorded.queue_models import MODELS

OPEN_S = 30.0
"""Books and prices of all markets are waited for at most so long."""

LOOK_S = 0.05
"""The simulated exchange is looked at this often."""


class ShadowStatistics(Statistics, frozen=True):
    """What happened to our account, and what it was simulated on."""

    queue: str  # name of the queue model
    filled_orders: int  # that filled at least in part
    rows: int  # books, best prices and prints that were simulated
    late: int  # of them, those that came after their instant was simulated
    connections: int  # sockets opened
    missed_s: float  # longest time during which nothing arrived over a socket


class ShadowVenue:
    """Live markets with an account of our own; implements `venues.base.Venue`."""

    def __init__(
        self, settings: Shadow, universe: Universe, transport: Transport, limiter: Limiter
    ) -> None:
        now_ns = transport.now_ns()
        index = events.index(universe)
        self._settings = settings
        self._universe = universe
        self._transport = transport
        self._patience_ns = round(settings.patience_ms * 1e6)
        self._index = index
        self._books = Books(universe, index, now_ns)
        self._tape = LiveTape(universe, index)
        self._exchange = LiveExchange(LiveMarkets(universe, MODELS[settings.queue]))
        self._own = RecordedAccount(settings, self._exchange, now_ns)
        self._missed_ns = 0
        self._feed = Feed(
            transport,
            limiter,
            np.random.default_rng(settings.seed),
            universe.names,
            take=self._take,
            miss=self._miss,
        )
        self._listening: asyncio.Task[None] | None = None
        self._moves = np.full(len(universe), np.inf)
        self._wake = asyncio.Event()

    async def open(self) -> None:
        """Subscribe; returns when every market has shown a book, or after half a minute.

        Raises
        ------
        VenueError
            When no market has shown one by then.
        """
        self._listening = asyncio.create_task(self._feed.run())
        until = self.now_ns + round(OPEN_S * NS)
        while not self._books.complete and self.now_ns < until:
            self._alive()
            await asyncio.sleep(LOOK_S)
        if len(self._books.missing) == len(self._universe):
            raise VenueError(f"no market has shown a book within {OPEN_S:g} s")

    # The venue protocol

    @property
    def universe(self) -> Universe:
        """The instruments of this run, in index order."""
        return self._universe

    @property
    def now_ns(self) -> int:
        """Local time, ns UTC."""
        return self._transport.now_ns()

    async def wait(self, deadline_ns: int, moves: Floats) -> Events:
        """Wait until `deadline_ns`, a word or a fill of ours, or a mid that moved by `moves`."""
        self._moves = moves
        while True:
            self._alive()
            happened = self._simulate()
            rest_s = (deadline_ns - self.now_ns) / NS
            news = happened.fills or happened.updates or happened.funding
            if news or rest_s <= 0.0 or self._moved():
                return happened
            self._wake.clear()
            try:
                async with asyncio.timeout(min(rest_s, LOOK_S)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def snapshot(self) -> MarketSnapshot:
        """Return the local view of all markets; trades are those since the last snapshot."""
        now_ns = self.now_ns
        return self._books.snapshot(now_ns, next_multiple(now_ns, HOUR_NS))

    def account(self) -> AccountState:
        """Return the account as the simulated exchange last reported it."""
        return self._own.state

    async def send(self, orders: Orders) -> None:
        """Hand orders over; they reach the simulated exchange after the order latency."""
        if len(orders):
            self._own.send(orders, self.now_ns)

    async def close(self) -> None:
        """End the sockets."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        await self._transport.close()

    def statistics(self) -> ShadowStatistics:
        """Return what happened at the simulated exchange so far, which no strategy may look at."""
        return ShadowStatistics(
            **msgspec.structs.asdict(self._own.statistics()),
            queue=self._settings.queue,
            filled_orders=self._own.filled_orders,
            rows=self._tape.rows,
            late=self._tape.late,
            connections=self._feed.connections,
            missed_s=self._missed_ns / NS,
        )

    # What arrives

    def _take(self, frame: Frame, now_ns: int) -> None:
        asset = self._books.take(frame)
        if asset >= 0 and self._books.moved(asset) > self._moves[asset]:
            self._wake.set()
        self._tape.take(frame, now_ns)
        match frame:
            case ContextFrame(data=CoinContext(coin=coin, ctx=context)) if coin in self._index:
                self._exchange.context(self._index[coin], context)
            case _:
                pass

    def _miss(self, coins: Sequence[str], from_ns: int, until_ns: int) -> None:
        del coins
        self._missed_ns = max(self._missed_ns, until_ns - from_ns)

    def _simulate(self) -> Events:
        """Bring the exchange up to date, and return what has arrived from it."""
        now_ns = self.now_ns
        until_ns = now_ns - self._patience_ns
        piece = self._tape.piece(until_ns)
        if piece is not None:
            self._exchange.live.go_on(*piece)
        arrived = []
        while True:
            self._own.run(until_ns)
            told_ns = self._own.told_ns
            arrived.append(self._own.deliver(min(told_ns, now_ns)))
            if told_ns > until_ns:
                return _together(arrived)

    def _moved(self) -> bool:
        return any(self._books.moved(asset) > move for asset, move in enumerate(self._moves))

    def _alive(self) -> None:
        """Raise what ended the feed, if something did."""
        if self._listening is not None and self._listening.done():
            self._listening.result()


def _together(parts: Sequence[Events]) -> Events:
    fills: list[Fill] = []
    updates: list[OrderUpdate] = []
    funding: list[FundingPayment] = []
    for part in parts:
        fills += part.fills
        updates += part.updates
        funding += part.funding
    return Events(fills=tuple(fills), updates=tuple(updates), funding=tuple(funding))


async def connect(
    settings: Shadow, assets: Sequence[config.Asset], transport: Transport
) -> ShadowVenue:
    """Ask for the markets and their fees, and subscribe to them.

    Raises
    ------
    VenueError
        When the venue could not be read.
    MarketError
        When assets cannot be traded as they were asked for.
    """
    limiter = Limiter(np.random.default_rng(settings.seed))
    try:
        universe = await public_universe(Questions(transport, limiter, ""), assets)
        venue = ShadowVenue(settings, universe, transport, limiter)
    except BaseException:
        await transport.close()
        raise
    try:
        await venue.open()
    except BaseException:
        await venue.close()
        raise
    return venue
