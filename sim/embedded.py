"""The embedded venue: the simulated world behind latency, on a virtual clock.

Two views are kept apart: the exchange's, where everything happens at venue time, and the local
one, which knows what was delivered. Only three streams with latency join them: public data to us,
our orders to the exchange, and the exchange's word on our account. A book is sent twice a second
and when a best price changed, at most every 100 ms (both in the settings); trades are sent as they
happen, marks with the oracle. Nothing depends on wall-clock time or on anything but the seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

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
from portfolio_mm.venues.settings import Embedded
from sim.exchange.messages import MICRO, Message, Print, told
from sim.exchange.statistics import Statistics, observed
from sim.local_view import BookMessage, LocalView
from sim.market.latency import MS, Stream
from sim.market.world import HOUR_NS, World, next_hour

IP_WEIGHT = 1200.0
"""REST weight of one minute."""


class EmbeddedVenue:
    """A place to trade inside the process; implements `venues.base.Venue`."""

    def __init__(self, settings: Embedded, universe: Universe) -> None:
        n, pools = len(universe), len(universe.pools)
        rng = np.random.default_rng
        self._settings = settings
        self._universe = universe
        self._world = world = World(settings, universe)
        self.market = world.market
        self.exchange = world.exchange
        start = self._now = world.now_ns
        self._end = start + round(settings.hours * HOUR_NS)
        deposit = round(settings.deposit_usd * MICRO / pools)
        self._owner = self.exchange.open_account([deposit] * pools, settings.requests)
        feed, order, response = world.streams
        self._feed = Stream(rng(feed), settings.feed_ms, settings.feed_jitter_ms)
        self._entry = Stream(rng(order), settings.order_ms, settings.order_jitter_ms)
        self._response = Stream(rng(response), settings.response_ms, settings.response_jitter_ms)

        self._sent_best = [(0, 0)] * n
        self._sent_ns = [start - HOUR_NS] * n
        self._pending = [False] * n

        self._view = LocalView(universe, settings.levels)
        self._middle = [0] * n  # twice the middle known locally, in units, 0 where there is none
        self._seen = [0] * n  # the same at the last snapshot
        self._moves = [math.inf] * n
        self._watching = False
        self._moved = False
        self._fills: list[Fill] = []
        self._updates: list[OrderUpdate] = []
        self._funding: list[FundingPayment] = []
        self._minute = (0, 0.0)
        self._count = 0
        self._volume = [0.0, 0.0]

        world.on_trades = self._send_trades
        world.on_messages = self._inform
        world.on_books = self._book_changed
        world.on_prices = self._send_prices
        for asset in range(n):
            world.at(start + asset * int(settings.book_ms * MS) // n, self._book_due, asset)
        self._account = self.exchange.account_state(self._owner, start, IP_WEIGHT)

    # The venue protocol

    @property
    def universe(self) -> Universe:
        """The instruments of this run, in index order."""
        return self._universe

    @property
    def now_ns(self) -> int:
        """Local time, ns UTC."""
        return self._now

    async def wait(self, deadline_ns: int, moves: Floats) -> Events:
        """Run the market to the deadline, to news of our orders, to a move, or to the end."""
        world, until = self._world, min(deadline_ns, self._end)
        self._watch(moves.tolist())
        while not (self._fills or self._updates or self._moved) and world.next_ns <= until:
            world.step()
            self._now = world.now_ns
        if not (self._fills or self._updates or self._moved):
            self._now = max(self._now, until)
        events = Events(
            fills=tuple(self._fills),
            updates=tuple(self._updates),
            funding=tuple(self._funding),
            closed=self._now >= self._end,
        )
        self._fills, self._updates, self._funding = [], [], []
        return events

    def snapshot(self) -> MarketSnapshot:
        """Return the local view of all markets; trades are those since the last snapshot."""
        self._seen = self._middle.copy()
        return self._view.snapshot(self._now, next_hour(self._now))

    def account(self) -> AccountState:
        """Return the account as the exchange last reported it."""
        minute, used = self._minute
        left = IP_WEIGHT - (used if minute == self._now // (60 * NS) else 0.0)
        return msgspec.structs.replace(self._account, ip_weight=left)

    async def send(self, orders: Orders) -> None:
        """Hand orders over; they reach the exchange after the order latency."""
        batches = (orders.cancels, orders.modifies, orders.places, orders.exits)
        weight = sum(1.0 + len(batch) // 40 for batch in batches if batch)
        minute, used = self._minute
        this = self._now // (60 * NS)
        self._minute = (this, (used if minute == this else 0.0) + weight)
        self._world.at(self._entry.arrival(self._now), self._receive, orders)

    async def close(self) -> None:
        """Release what the venue holds: nothing."""

    # For reports and tests: the truth, which no strategy may look at

    def statistics(self) -> Statistics:
        """Return what happened to our account at the exchange so far."""
        return observed(self.exchange, self._owner, self._count, self._volume)

    # What reaches the exchange

    def _receive(self, orders: Orders) -> None:
        self.exchange.submit(self._owner, orders, self._world.now_ns)

    # What is sent to us

    def _send_trades(self, prints: list[Print]) -> None:
        self._world.at(self._feed.arrival(self._world.now_ns), self._view.trades, prints)

    def _send_prices(self) -> None:
        exchange = self.exchange
        context = np.stack((exchange.mark, exchange.oracle, exchange.funding_rate()))
        self._world.at(self._feed.arrival(self._world.now_ns), self._view.context, context)
        self._inform([])

    def _inform(self, messages: Sequence[tuple[int, Message]]) -> None:
        now_ns = self._world.now_ns
        state = self.exchange.account_state(self._owner, now_ns, IP_WEIGHT)
        news = [told(message, self._universe) for _, message in messages]
        for message in news:
            if isinstance(message, Fill):
                self._count += 1
                self._volume[not message.maker] += message.price * message.size
        self._world.at(self._response.arrival(now_ns), self._deliver_account, news, state)

    def _book_changed(self, asset: int) -> None:
        if self._pending[asset]:
            return
        book = self.exchange.books[asset]
        if (book.best(0), book.best(1)) != self._sent_best[asset]:
            due = self._sent_ns[asset] + int(self._settings.best_ms * MS)
            if due <= self._world.now_ns:
                self._send_book(asset)
            else:
                self._pending[asset] = True
                self._world.at(due, self._send_book, asset)

    def _book_due(self, asset: int) -> None:
        self._send_book(asset)
        due = self._world.now_ns + int(self._settings.book_ms * MS)
        self._world.at(due, self._book_due, asset)

    def _send_book(self, asset: int) -> None:
        book, levels = self.exchange.books[asset], self._settings.levels
        now_ns = self._world.now_ns
        self._pending[asset] = False
        self._sent_ns[asset] = now_ns
        self._sent_best[asset] = (book.best(0), book.best(1))
        message = BookMessage(now_ns, book.depth(0, levels), book.depth(1, levels))
        self._world.at(self._feed.arrival(now_ns), self._deliver_book, asset, message)

    # What arrives

    def _deliver_book(self, asset: int, message: BookMessage) -> None:
        self._view.book(asset, message)
        bids, asks = message.bids[0], message.asks[0]
        self._middle[asset] = bids[0] + asks[0] if bids and asks else 0
        if self._watching:
            self._compare(asset)

    def _deliver_account(
        self, news: Sequence[Fill | OrderUpdate | FundingPayment | None], state: AccountState
    ) -> None:
        self._account = state
        for message in news:
            if isinstance(message, Fill):
                self._fills.append(message)
            elif isinstance(message, OrderUpdate):
                self._updates.append(message)
            elif message is not None:
                self._funding.append(message)

    def _watch(self, moves: list[float]) -> None:
        """Look out for moves from the last snapshot, those that happened already included."""
        self._moves, self._moved = moves, False
        self._watching = min(moves) < math.inf
        if self._watching:
            for asset in range(len(moves)):
                self._compare(asset)

    def _compare(self, asset: int) -> None:
        middle, seen = self._middle[asset], self._seen[asset]
        if middle and seen and abs(math.log(middle / seen)) > self._moves[asset]:
            self._moved = True
