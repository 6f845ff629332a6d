"""The embedded venue: exchange, other participants and latency on a virtual clock.

Two views are kept apart: the exchange's, where everything happens at venue time, and the local
one, which knows what was delivered. Only three streams with latency join them: public data to us,
our orders to the exchange, and the exchange's word on our account. A book is sent twice a second
and when a best price changed, at most every 100 ms (both in the settings); trades are sent as they
happen, marks with the oracle. Nothing depends on wall-clock time or on anything but the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import msgspec
import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.rules.funding import SAMPLE_SECONDS
from portfolio_mm.types import (
    NS,
    AccountState,
    Events,
    Fill,
    FundingPayment,
    MarketSnapshot,
    Orders,
    OrderUpdate,
    Universe,
)
from portfolio_mm.venues.settings import Embedded
from sim.account import MICRO
from sim.exchange import Exchange, Message
from sim.flow import InformedTakers, Look, NoiseTakers, Taker
from sim.latency import MS, Stream
from sim.listing import LISTINGS
from sim.local_view import BookMessage, LocalView
from sim.makers import WIDTHS_AND_LAGS, Maker
from sim.market import Market, Oracle
from sim.statistics import Statistics, observed

HOUR_NS = 3600 * NS
IP_WEIGHT = 1200.0
"""REST weight of one minute."""
GROWTH_REQUESTS, REQUESTS = 0.1, 1.0
"""Actions that a dollar of volume earns, in growth mode and otherwise."""


class EmbeddedVenue:
    """A place to trade inside the process; implements `venues.base.Venue`."""

    def __init__(self, settings: Embedded, universe: Universe) -> None:
        listings = [LISTINGS[name] for name in universe.names]
        n, pools = len(universe), len(universe.pools)
        start = int(settings.start.timestamp()) * NS
        market, noise, informed, oracle, feed, order, response, makers = np.random.SeedSequence(
            settings.seed
        ).spawn(8)
        rng = np.random.default_rng
        self._settings = settings
        self._universe = universe
        self._now = start
        self._end = start + round(settings.hours * HOUR_NS)
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = count()

        self.market = Market(listings, settings, market, start)
        self._oracle = Oracle(self.market, rng(oracle), settings.context_ms / 1e3)
        earned = [GROWTH_REQUESTS if x.growth else REQUESTS for x in listings]
        self.exchange = Exchange(universe, self.market.fair(start), earned)
        deposit = round(settings.deposit_usd * MICRO / pools)
        self._owner = self.exchange.open_account([deposit] * pools, settings.requests)
        self._noise = NoiseTakers(listings, settings, self.market, rng(noise), start)
        self._informed = InformedTakers(listings, settings, self.market, rng(informed), start)
        self._feed = Stream(rng(feed), settings.feed_ms, settings.feed_jitter_ms)
        self._entry = Stream(rng(order), settings.order_ms, settings.order_jitter_ms)
        self._response = Stream(rng(response), settings.response_ms, settings.response_jitter_ms)

        self._sent_best = [(0, 0)] * n
        self._sent_ns = [start - HOUR_NS] * n
        self._pending = [False] * n

        self._view = LocalView(universe, settings.levels)
        self._fills: list[Fill] = []
        self._updates: list[OrderUpdate] = []
        self._funding: list[FundingPayment] = []
        self._minute = (0, 0.0)
        self._count = 0
        self._volume = [0.0, 0.0]

        self._start(makers.spawn(n * len(WIDTHS_AND_LAGS)))
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

    async def wait(self, deadline_ns: int) -> Events:
        """Run the market to the deadline, to a fill of ours being reported, or to the end."""
        until = min(deadline_ns, self._end)
        while not self._fills and self._heap and self._heap[0][0] <= until:
            self._run(self._heap[0][0])
        if not self._fills:
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
        return self._view.snapshot(self._now, _next_hour(self._now))

    def account(self) -> AccountState:
        """Return the account as the exchange last reported it."""
        minute, used = self._minute
        left = IP_WEIGHT - (used if minute == self._now // (60 * NS) else 0.0)
        return msgspec.structs.replace(self._account, ip_weight=left)

    async def send(self, orders: Orders) -> None:
        """Hand orders over; they reach the exchange after the order latency."""
        batches = (orders.cancels, orders.modifies, orders.places)
        weight = sum(1.0 + len(batch) // 40 for batch in batches if batch)
        minute, used = self._minute
        this = self._now // (60 * NS)
        self._minute = (this, (used if minute == this else 0.0) + weight)
        self._at(self._entry.arrival(self._now), self._receive, orders)

    async def close(self) -> None:
        """Release what the venue holds: nothing."""

    # For reports and tests: the truth, which no strategy may look at

    def statistics(self) -> Statistics:
        """Return what happened to our account at the exchange so far."""
        return observed(self.exchange, self._owner, self._count, self._volume)

    # Events

    def _at(self, time_ns: int, action: Callable[..., None], *arguments: Any) -> None:
        heappush(self._heap, (time_ns, next(self._sequence), action, arguments))

    def _run(self, time_ns: int) -> None:
        """Run everything that happens at one instant."""
        self._now = time_ns
        while self._heap and self._heap[0][0] == time_ns:
            _, _, action, arguments = heappop(self._heap)
            action(*arguments)
            self._report()

    def _start(self, seeds: list[np.random.SeedSequence]) -> None:
        settings, start, n = self._settings, self._now, len(self._universe)
        for index, seed in enumerate(seeds):
            asset, kind = divmod(index, len(WIDTHS_AND_LAGS))
            width, lag_ms = WIDTHS_AND_LAGS[kind]
            listing = LISTINGS[self._universe.names[asset]]
            maker = Maker(
                listing,
                settings,
                self.market,
                self.exchange,
                np.random.default_rng(seed),
                asset=asset,
                width=width,
                lag_ms=lag_ms,
            )
            self._at(start, self._maker_looks, maker)
        self._at(start, self._set_prices)
        for asset in range(n):
            self._at(start + asset * int(settings.book_ms * MS) // n, self._book_due, asset)
        self._at(start + int(SAMPLE_SECONDS * NS), self._sample)
        self._at(_next_hour(start), self._settle)
        taker = self._noise.next()
        self._at(taker.time_ns, self._noise_takes, taker)
        if self._informed.active:
            look = self._informed.next()
            self._at(look.time_ns, self._informed_looks, look)

    def _maker_looks(self, maker: Maker) -> None:
        maker.look(self._now)
        self._at(maker.next_look(self._now), self._maker_looks, maker)

    def _noise_takes(self, taker: Taker) -> None:
        self._take(taker)
        following = self._noise.next()
        self._at(following.time_ns, self._noise_takes, following)

    def _informed_looks(self, look: Look) -> None:
        book, sz_decimals = self.exchange.books[look.asset], self._universe.sz_decimals[look.asset]
        bid, ask = (float(ticks.from_units(book.best(side), sz_decimals)) for side in (0, 1))
        taker = self._informed.decide(look, bid, ask)
        if taker is not None:
            self._take(taker)
        following = self._informed.next()
        self._at(following.time_ns, self._informed_looks, following)

    def _take(self, taker: Taker) -> None:
        sz_decimals = self._universe.sz_decimals[taker.asset]
        units = int(ticks.to_units(taker.limit, sz_decimals, 1 - 2 * taker.side))
        lots = int(ticks.to_lots(taker.usd / taker.limit, sz_decimals))
        self.exchange.take(taker.asset, taker.side, units, lots, self._now)

    def _set_prices(self) -> None:
        self.exchange.update_prices(*self._oracle.prices(self._now), self._now)
        context = (self.exchange.mark, self.exchange.oracle, self.exchange.funding_rate())
        self._at(self._feed.arrival(self._now), self._view.context, np.stack(context))
        self._inform([])
        self._at(self._now + int(self._settings.context_ms * MS), self._set_prices)

    def _sample(self) -> None:
        self.exchange.sample_premium()
        self._at(self._now + int(SAMPLE_SECONDS * NS), self._sample)

    def _settle(self) -> None:
        self.exchange.settle_funding(self._now)
        self._at(self._now + HOUR_NS, self._settle)

    def _receive(self, orders: Orders) -> None:
        self.exchange.submit(self._owner, orders, self._now)

    # What is sent to us

    def _report(self) -> None:
        exchange = self.exchange
        if exchange.prints:
            self._at(self._feed.arrival(self._now), self._view.trades, exchange.prints)
            exchange.prints = []
        if exchange.outbox:
            self._inform([message for _, message in exchange.outbox])
            exchange.outbox = []
        for asset in sorted(exchange.dirty):
            book = exchange.books[asset]
            best = (book.best(0), book.best(1))
            if best != self._sent_best[asset] and not self._pending[asset]:
                due = self._sent_ns[asset] + int(self._settings.best_ms * MS)
                if due <= self._now:
                    self._send_book(asset)
                else:
                    self._pending[asset] = True
                    self._at(due, self._send_book, asset)
        exchange.dirty.clear()

    def _inform(self, messages: list[Message]) -> None:
        state = self.exchange.account_state(self._owner, self._now, IP_WEIGHT)
        for message in messages:
            if isinstance(message, Fill):
                self._count += 1
                self._volume[not message.maker] += message.price * message.size
        self._at(self._response.arrival(self._now), self._deliver_account, messages, state)

    def _book_due(self, asset: int) -> None:
        self._send_book(asset)
        self._at(self._now + int(self._settings.book_ms * MS), self._book_due, asset)

    def _send_book(self, asset: int) -> None:
        book, levels = self.exchange.books[asset], self._settings.levels
        self._pending[asset] = False
        self._sent_ns[asset] = self._now
        self._sent_best[asset] = (book.best(0), book.best(1))
        message = BookMessage(self._now, book.depth(0, levels), book.depth(1, levels))
        self._at(self._feed.arrival(self._now), self._view.book, asset, message)

    def _deliver_account(self, messages: list[Message], state: AccountState) -> None:
        self._account = state
        for message in messages:
            if isinstance(message, Fill):
                self._fills.append(message)
            elif isinstance(message, OrderUpdate):
                self._updates.append(message)
            else:
                self._funding.append(message)


def _next_hour(time_ns: int) -> int:
    return (time_ns // HOUR_NS + 1) * HOUR_NS
