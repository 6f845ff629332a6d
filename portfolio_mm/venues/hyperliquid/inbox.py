"""What the venue says of our account, each thing once, kept until the engine takes it.

Snapshots repeat, sockets duplicate and audits read what was told already: a fill is known by its
number, a funding payment by its market and hour, a word by what it changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from portfolio_mm.types import Events, Fill, FundingPayment, OrderUpdate
from portfolio_mm.venues.hyperliquid import events
from portfolio_mm.venues.hyperliquid.accounts import Accounts
from portfolio_mm.venues.hyperliquid.frames import (
    ClearinghouseFrame,
    FillsFrame,
    Frame,
    FundingsFrame,
    OrderUpdatesFrame,
    SpotFrame,
)
from portfolio_mm.venues.hyperliquid.wire_account import Funding, UserFill
from portfolio_mm.venues.hyperliquid.words import Words

REMEMBERED = 50_000
"""Fills and payments that are known again."""


class Inbox:
    """News of the account.

    Parameters
    ----------
    index
        Assets of the run.
    accounts, words
        What fills, reports and words change.
    since_ns
        Payments from before are no news.
    wake
        Called when there is something to act on.
    """

    def __init__(
        self,
        index: Mapping[str, int],
        accounts: Accounts,
        words: Words,
        since_ns: int,
        wake: Callable[[], None],
    ) -> None:
        self._index = index
        self._accounts = accounts
        self._words = words
        self._since_ns = since_ns
        self._wake = wake
        self._fills: list[Fill] = []
        self._updates: list[OrderUpdate] = []
        self._funding: list[FundingPayment] = []
        self._known: dict[int, None] = {}
        self._paid: dict[tuple[str, int], None] = {}
        self.started = False
        self.breaks = 0
        self.strangers: Counter[str] = Counter()

    @property
    def urgent(self) -> bool:
        """Whether there is something to act on."""
        return bool(self._fills or self._updates)

    def empty(self) -> Events:
        """Return what came since the last time."""
        happened = Events(
            fills=tuple(self._fills), updates=tuple(self._updates), funding=tuple(self._funding)
        )
        self._fills, self._updates, self._funding = [], [], []
        return happened

    def take(self, message: Frame, now_ns: int) -> None:
        """Take a frame; old fills, shown before the run has started, are no news."""
        match message:
            case OrderUpdatesFrame(data=reports):
                for report in reports:
                    update = events.order_update(report, now_ns)
                    if update is not None:
                        self.tell(update)
            case FillsFrame(data=data):
                for row in data.fills:
                    self.fill(row, passed_on=self.started or not data.is_snapshot)
            case FundingsFrame(data=data):
                for paid in data.fundings:
                    self._fund(paid)
            case ClearinghouseFrame(data=data):
                self._accounts.state(data.dex, data.clearinghouse_state)
            case SpotFrame(data=data):
                self._accounts.spot(data.spot_state)
            case _:
                pass

    def fill(self, row: UserFill, *, passed_on: bool) -> None:
        """Take a fill, once; where it does not continue what is known, `breaks` counts it."""
        if row.tid in self._known:
            return
        _remember(self._known, row.tid)
        fill = events.fill(row, self._index)
        if fill is None:
            self.strangers[row.coin] += 1
            return
        continues = self._accounts.fill(row)
        self._words.fill(fill)
        if passed_on:
            self.breaks += not continues
            self._fills.append(fill)
            self._wake()

    def tell(self, update: OrderUpdate, asked: bool = False) -> None:
        """Take a word on an order, if it is news or was asked for."""
        news = self._words.news(update, asked=asked)
        if news is not None:
            self._updates.append(news)
            self._wake()

    def _fund(self, row: Funding) -> None:
        key = (row.coin, row.time)
        payment = events.funding_payment(row, row.time, self._index)
        if payment is None or key in self._paid or payment.time_ns < self._since_ns:
            return
        _remember(self._paid, key)
        self._accounts.funding_paid[payment.asset] += payment.usd
        self._funding.append(payment)


def _remember(known: dict[Any, None], key: Any) -> None:
    known[key] = None
    while len(known) > REMEMBERED:
        del known[next(iter(known))]
