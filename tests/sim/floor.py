"""A floor with several users, and what must always hold there."""

from __future__ import annotations

from typing import Any

import numpy as np

from portfolio_mm.types import NS
from sim.exchange import transfers
from sim.exchange.exchange import Exchange
from sim.exchange.matching import NOBODY
from sim.exchange.messages import MICRO, Change, Execution, Payment
from sim.exchange.orders import Outcome, Record, Ticket
from sim.market.listing import LISTINGS, listed_universe

NAMES = ("ETH", "xyz:TSLA", "xyz:HOOD", "para:AVGO")
UNIVERSE = listed_universe(NAMES)
ETH, TSLA, HOOD, AVGO = range(4)
PRICE = np.array([LISTINGS[name].price for name in UNIVERSE.names])
DECIMALS = [6 - int(d) for d in UNIVERSE.sz_decimals]
BUY, SELL = 0, 1
PLACES = ("spot", *UNIVERSE.pools)
OWN = 5
"""Users: two standard, two unified, and a sub-account of the first."""


def units(asset: int, price: float) -> int:
    """Return a valid price near one in USD, in units."""
    step = 10 ** (DECIMALS[asset] - 1)
    return max(round(price * 10 ** DECIMALS[asset] / step) * step, step)


def size(asset: int, contracts: float) -> int:
    return round(contracts * 10 ** int(UNIVERSE.sz_decimals[asset]))


class Floor:
    """An exchange with a market around the marks, and users with 10 000 USD everywhere."""

    def __init__(self, users: int = OWN, usd: float = 10_000.0) -> None:
        self.exchange = Exchange(UNIVERSE, PRICE.copy())
        self.now = 1_700_000_000 * NS
        self.credited = 0
        self.told: list[tuple[int, Any]] = []
        for user in range(users):
            mode = "unified" if user in (2, 3) else "standard"
            self.exchange.open_user(mode, 1e9, 0 if user == 4 else None)
            for place in PLACES if mode == "standard" else ("spot",):
                self.credit(user, place, usd)
        self.refresh()

    def credit(self, user: int, place: str, usd: float) -> None:
        self.credited += round(usd * MICRO)
        transfers.credit(self.exchange, user, place, round(usd * MICRO), self.now)

    def refresh(self) -> None:
        """Let somebody stand a percent away on both sides of every market."""
        for asset, price in enumerate(self.exchange.mark):
            for side, factor in ((BUY, 0.99), (SELL, 1.01)):
                lots = size(asset, 1e5 / price)
                self.exchange.quote(asset, side, units(asset, price * factor), lots)

    def place(
        self, user: int, asset: int, side: int, price: float, contracts: float, **how: Any
    ) -> Outcome:
        self.now += NS
        ticket = Ticket(asset, side, units(asset, price), size(asset, contracts), **how)
        return self.exchange.place(user, ticket, self.now)

    def take(self, asset: int, side: int, price: float, contracts: float) -> None:
        self.now += NS
        self.exchange.take(asset, side, units(asset, price), size(asset, contracts), self.now)

    def marks(self, price: np.ndarray[Any, Any]) -> None:
        self.now += 3 * NS
        self.exchange.update_prices(price, price, self.now)

    def hold(self, user: int, asset: int, contracts: float) -> None:
        """Give a user a position at the mark, against somebody."""
        price, side = float(PRICE[asset]), BUY if contracts > 0 else SELL
        assert self.place(user, asset, side, price, abs(contracts)).error == ""
        self.take(asset, 1 - side, price, abs(contracts))
        assert self.exchange.accounts[user].lots[asset] == size(asset, contracts)
        self.news()

    def news(self) -> list[tuple[int, Any]]:
        """Return what was told since the last call."""
        told, self.exchange.outbox = self.exchange.outbox, []
        self.told += told
        return told

    def changes(self) -> list[tuple[str, str]]:
        """Return client ids and statuses of what was told since the last call."""
        return [(m.cloid, m.status) for _, m in self.news() if isinstance(m, Change)]

    def check(self) -> None:
        """Assert everything that must always hold."""
        self.news()
        exchange = self.exchange
        executions = [m for _, m in self.told if isinstance(m, Execution)]
        paid = sum(m.micro for _, m in self.told if isinstance(m, Payment))
        flow = sum((2 * m.side - 1) * m.units * m.lots - m.fee for m in executions)
        forfeited = sum(account.forfeited for account in exchange.accounts)
        money = sum(a.spot + sum(a.cash) + sum(a.isolated_cash) for a in exchange.accounts)
        assert money == self.credited + flow - paid - forfeited
        resting = [o for book in exchange.books for o in book.orders.values() if o.owner != NOBODY]
        for owner, account in enumerate(exchange.accounts):
            live = {o.oid: o for o in resting if o.owner == owner}
            assert live == {r.oid: r for r in account.open.values() if not r.waiting}
            assert all(r.is_open and r.lots > 0 for r in account.open.values())
            assert not any(r.is_open for r in account.history)
            assert len({r.oid for r in account.history}) == len(account.history)
            for record in account.reducing.values():
                assert record.lots <= account.reducible(record.asset, record.side)
            gross = [0] * len(account.cash)
            for record in live.values():
                if isinstance(record, Record) and not record.reduce_only:
                    notional = record.units * record.lots
                    gross[account.pool[record.asset]] += account.initial(record.asset, notional)
            assert account.reserved == gross
            assert account.held == sum(lots != 0 for lots in account.lots)
            net = [0] * len(UNIVERSE)
            for m in account.fills:
                net[m.asset] += m.lots if m.side == BUY else -m.lots
            assert account.lots == net
            for asset, lots in enumerate(account.lots):
                assert lots != 0 or account.isolated_cash[asset] == account.cost[asset] == 0
        for asset, (long, short) in enumerate(exchange.interest):
            lots = [account.lots[asset] for account in exchange.accounts]
            assert long == sum(x for x in lots if x > 0)
            assert short == -sum(x for x in lots if x < 0)
        records = {r.oid: r for a in exchange.accounts for r in a.records.values()}
        for m in executions:
            record = records.get(m.oid)
            if record is not None and record.reduce_only:
                assert (m.start_lots > 0) == (m.side == SELL)
                assert m.lots <= abs(m.start_lots)
