"""Our account at a recorded exchange, behind the delay of our messages.

Orders reach the exchange after the order latency; what it says of them, and of the account, comes
back after the response latency. What the account is goes out with every own event and, while a
position is held, a second later again, or when the market moves next.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from portfolio_mm.types import NS, AccountState, Events, Fill, FundingPayment, Orders, OrderUpdate
from portfolio_mm.venues.settings import Recorded, Shadow
from sim.embedded import IP_WEIGHT
from sim.exchange.messages import MICRO, told
from sim.exchange.statistics import Statistics, observed
from sim.market.latency import Stream
from sim.market.world import HOUR_NS
from sim.recorded.exchange import RecordedExchange
from sim.recorded.markets import NEVER

_News = Fill | OrderUpdate | FundingPayment


class _Report(NamedTuple):
    """A message of the exchange on its way to us."""

    arrival_ns: int
    messages: tuple[_News, ...]
    wakes: bool  # it is about our orders
    account: AccountState


class RecordedAccount:
    """One account and its messages to and from the exchange."""

    def __init__(
        self, settings: Recorded | Shadow, exchange: RecordedExchange, now_ns: int
    ) -> None:
        pools = len(exchange.universe.pools)
        order, response = np.random.SeedSequence(settings.seed).spawn(2)
        rng = np.random.default_rng
        self._order = Stream(rng(order), settings.order_ms, settings.order_jitter_ms)
        self._response = Stream(rng(response), settings.response_ms, settings.response_jitter_ms)
        self._exchange = exchange
        deposit = round(settings.deposit_usd * MICRO / pools)
        self._owner = exchange.open_account([deposit] * pools, settings.requests)
        self.state = exchange.account_state(self._owner, now_ns, IP_WEIGHT)
        """What we were last told."""
        self._entering: deque[tuple[int, Orders]] = deque()
        self._reports: deque[_Report] = deque()
        self._settlement_ns = next_multiple(now_ns, HOUR_NS)
        self._statement_ns = NEVER
        self._fills = 0
        self._filled: set[str] = set()
        self._volume = [0.0, 0.0]

    @property
    def told_ns(self) -> int:
        """When the first news of our orders that is on its way to us arrives."""
        return next((report.arrival_ns for report in self._reports if report.wakes), NEVER)

    @property
    def filled_orders(self) -> int:
        """Orders that filled at least in part."""
        return len(self._filled)

    def send(self, orders: Orders, now_ns: int) -> None:
        """Hand orders over; they reach the exchange after the order latency."""
        self._entering.append((self._order.arrival(now_ns), orders))

    def run(self, until_ns: int) -> None:
        """Let things happen at the exchange, up to a time or up to `told_ns`: we may react then."""
        while True:
            due = self._next_due(until_ns)
            filled_ns = self._exchange.replay(due)
            if filled_ns is not None:
                self._inform(filled_ns)
            elif due == self._settlement_ns:
                self._settlement_ns += HOUR_NS
                self._exchange.settle_funding(due)
                self._inform(due)
            elif due == self._statement_ns:
                self._exchange.value(due)
                self._inform(due)
            elif self._entering and due == self._entering[0][0]:
                self._exchange.submit(self._owner, self._entering.popleft()[1], due)
                self._inform(due)
            else:
                return

    def deliver(self, now_ns: int) -> Events:
        """Return what has arrived by now."""
        messages: list[_News] = []
        while self._reports and self._reports[0].arrival_ns <= now_ns:
            report = self._reports.popleft()
            messages += report.messages
            self.state = report.account
        return Events(
            fills=tuple(m for m in messages if isinstance(m, Fill)),
            updates=tuple(m for m in messages if isinstance(m, OrderUpdate)),
            funding=tuple(m for m in messages if isinstance(m, FundingPayment)),
        )

    def statistics(self) -> Statistics:
        """Return what happened to the account so far."""
        return observed(self._exchange, self._owner, self._fills, self._volume)

    def _next_due(self, until_ns: int) -> int:
        """Return the next instant at which something other than a recorded row happens."""
        entering = self._entering[0][0] if self._entering else NEVER
        stop = min(until_ns, self.told_ns)
        return min(stop, self._settlement_ns, self._statement_ns, entering)

    def _inform(self, now_ns: int) -> None:
        """Send what the exchange has to say of this instant."""
        exchange = self._exchange
        news = (told(message, exchange.universe) for _, message in exchange.outbox)
        messages = tuple(message for message in news if message is not None)
        exchange.outbox.clear()
        state = exchange.account_state(self._owner, now_ns, IP_WEIGHT)
        moves_ns = exchange.markets.next_row_ns
        self._statement_ns = max(now_ns + NS, moves_ns) if state.position.any() else NEVER
        fills = [message for message in messages if isinstance(message, Fill)]
        arrival_ns = self._response.arrival(now_ns)
        wakes = any(isinstance(message, Fill | OrderUpdate) for message in messages)
        self._reports.append(_Report(arrival_ns, messages, wakes, state))
        self._fills += len(fills)
        self._filled.update(fill.cloid for fill in fills if fill.maker)
        for fill in fills:
            self._volume[not fill.maker] += fill.price * fill.size


def next_multiple(now_ns: int, period_ns: int) -> int:
    """Return the next multiple of a period after an instant."""
    return (now_ns // period_ns + 1) * period_ns
