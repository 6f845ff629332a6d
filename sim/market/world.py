"""The world of the simulated exchange: other makers and takers, oracle and funding, on one clock.

What happens next lies on a heap of events. After every event whoever drives the world is told what
came of it, through four hooks: the public trades, what the exchange says to its accounts, the books
that changed, and new marks. Nothing depends on wall-clock time or on anything but the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.rules.funding import SAMPLE_SECONDS
from portfolio_mm.types import NS, Universe
from portfolio_mm.venues.settings import Simulated
from sim.exchange import schedule
from sim.exchange.exchange import Exchange
from sim.exchange.messages import Message, Print
from sim.market.flow import InformedTakers, Look, NoiseTakers, Taker
from sim.market.latency import MS
from sim.market.listing import LISTINGS
from sim.market.makers import WIDTHS_AND_LAGS, Maker
from sim.market.market import Market, Oracle

HOUR_NS = 3600 * NS
NEVER = 2**63 - 1
"""End of time, ns."""


def _ignore(*_told: object) -> None:
    """Do nothing with what is told."""


class World:
    """An exchange with everybody who trades there, on a virtual clock."""

    def __init__(self, settings: Simulated, universe: Universe) -> None:
        listings = [LISTINGS[name] for name in universe.names]
        start = int(settings.start.timestamp()) * NS
        market, noise, informed, oracle, *streams, makers = np.random.SeedSequence(
            settings.seed
        ).spawn(8)
        rng = np.random.default_rng
        self.universe = universe
        self.now_ns = start
        self.streams = streams
        """Seeds of public data, of orders and of responses, for whoever delays them."""
        self.market = Market(listings, settings, market, start)
        caps = [x.oi_cap_usd for x in listings]
        self.exchange = Exchange(universe, self.market.fair(start), caps)

        self.on_trades: Callable[[list[Print]], None] = _ignore
        self.on_messages: Callable[[list[tuple[int, Message]]], None] = _ignore
        self.on_books: Callable[[int], None] = _ignore
        self.on_prices: Callable[[], None] = _ignore

        self._oracle = Oracle(self.market, rng(oracle), settings.context_ms / 1e3)
        self._noise = NoiseTakers(listings, settings, self.market, rng(noise), start)
        self._informed = InformedTakers(listings, settings, self.market, rng(informed), start)
        self._context_ns = int(settings.context_ms * MS)
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = count()
        self._begin(settings, makers.spawn(len(universe) * len(WIDTHS_AND_LAGS)))

    # The clock

    @property
    def next_ns(self) -> int:
        """When the next thing happens."""
        return self._heap[0][0] if self._heap else NEVER

    def at(self, time_ns: int, action: Callable[..., None], *arguments: Any) -> None:
        """Have something happen at a time, after what was already to happen then."""
        heappush(self._heap, (time_ns, next(self._sequence), action, arguments))

    def step(self) -> None:
        """Run everything that happens at the next instant."""
        heap = self._heap
        self.now_ns = time_ns = heap[0][0]
        while heap and heap[0][0] == time_ns:
            _, _, action, arguments = heappop(heap)
            action(*arguments)
            self.flush()

    def run(self, until_ns: int) -> None:
        """Run everything up to a time, and set the clock to it."""
        while self._heap and self._heap[0][0] <= until_ns:
            self.step()
        self.now_ns = max(self.now_ns, until_ns)

    def flush(self) -> None:
        """Tell what came of the last event."""
        exchange = self.exchange
        if exchange.prints:
            prints, exchange.prints = exchange.prints, []
            self.on_trades(prints)
        if exchange.outbox:
            messages, exchange.outbox = exchange.outbox, []
            self.on_messages(messages)
        if exchange.dirty:
            for asset in sorted(exchange.dirty):
                self.on_books(asset)
            exchange.dirty.clear()

    # For users

    def schedule_cancel(self, owner: int, time_ns: int | None) -> str:
        """Have all of a user's orders cancelled at a time, None to forget it.

        Returns
        -------
        The venue's refusal, empty where it agrees.
        """
        error = schedule.arm(self.exchange, owner, time_ns, self.now_ns)
        if not error and time_ns is not None:
            self.at(time_ns, self._cancel_scheduled, owner, time_ns)
        return error

    def _cancel_scheduled(self, owner: int, time_ns: int) -> None:
        schedule.fire(self.exchange, owner, time_ns)

    # Everybody else

    def _begin(self, settings: Simulated, seeds: list[np.random.SeedSequence]) -> None:
        start = self.now_ns
        for index, seed in enumerate(seeds):
            asset, kind = divmod(index, len(WIDTHS_AND_LAGS))
            width, lag_ms = WIDTHS_AND_LAGS[kind]
            maker = Maker(
                LISTINGS[self.universe.names[asset]],
                settings,
                self.market,
                self.exchange,
                np.random.default_rng(seed),
                asset=asset,
                width=width,
                lag_ms=lag_ms,
            )
            self.at(start, self._maker_looks, maker)
        self.at(start, self._set_prices)
        self.at(start + int(SAMPLE_SECONDS * NS), self._sample)
        self.at(next_hour(start), self._settle)
        taker = self._noise.next()
        self.at(taker.time_ns, self._noise_takes, taker)
        if self._informed.active:
            look = self._informed.next()
            self.at(look.time_ns, self._informed_looks, look)

    def _maker_looks(self, maker: Maker) -> None:
        maker.look(self.now_ns)
        self.at(maker.next_look(self.now_ns), self._maker_looks, maker)

    def _noise_takes(self, taker: Taker) -> None:
        self._take(taker)
        following = self._noise.next()
        self.at(following.time_ns, self._noise_takes, following)

    def _informed_looks(self, look: Look) -> None:
        book, sz_decimals = self.exchange.books[look.asset], self.universe.sz_decimals[look.asset]
        bid, ask = (float(ticks.from_units(book.best(side), sz_decimals)) for side in (0, 1))
        taker = self._informed.decide(look, bid, ask)
        if taker is not None:
            self._take(taker)
        following = self._informed.next()
        self.at(following.time_ns, self._informed_looks, following)

    def _take(self, taker: Taker) -> None:
        sz_decimals = self.universe.sz_decimals[taker.asset]
        units = int(ticks.to_units(taker.limit, sz_decimals, 1 - 2 * taker.side))
        lots = int(ticks.to_lots(taker.usd / taker.limit, sz_decimals))
        self.exchange.take(taker.asset, taker.side, units, lots, self.now_ns)

    def _set_prices(self) -> None:
        self.exchange.update_prices(*self._oracle.prices(self.now_ns), self.now_ns)
        self.on_prices()
        self.at(self.now_ns + self._context_ns, self._set_prices)

    def _sample(self) -> None:
        self.exchange.sample_premium()
        self.at(self.now_ns + int(SAMPLE_SECONDS * NS), self._sample)

    def _settle(self) -> None:
        self.exchange.settle_funding(self.now_ns)
        self.at(self.now_ns + HOUR_NS, self._settle)


def next_hour(time_ns: int) -> int:
    """Return the next full hour."""
    return (time_ns // HOUR_NS + 1) * HOUR_NS
