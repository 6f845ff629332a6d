"""The exchange: books, accounts, margin, prices, funding and liquidation, on the venue's clock.

Every method takes the time and happens at that instant. What accounts and the public get to know
piles up in `outbox` and `prints`, and whoever drives the exchange delivers it. An address's
actions are executed in the order cancels, modifies, places. Margin is checked when an order is
placed and again, for the resting side, when it trades.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import funding, ticks
from portfolio_mm.types import (
    AccountState,
    Fill,
    Floats,
    FundingPayment,
    NewOrder,
    OpenOrders,
    Orders,
    OrderUpdate,
    Universe,
)
from sim.account import MICRO, Account
from sim.matching import NOBODY, Book, Order, Sweep
from sim.refusals import (
    CROSSING,
    DISTANT,
    GONE,
    MARGIN,
    MINIMUM,
    MODIFYING,
    RATIONED,
    REUSED,
    TICK,
    TOO_MANY,
    UNMODIFIABLE,
    ZERO,
    Refusal,
)

Message = Fill | OrderUpdate | FundingPayment

MARK_STEP = 0.01
"""Largest relative move of a mark in one update."""

BACKSTOP = 2.0 / 3.0
"""Share of maintenance margin below which the liquidator takes everything over."""

MAX_OPEN_ORDERS = 1000
MAX_DISTANCE = 0.95
"""Of a limit price from the oracle."""


class Print(NamedTuple):
    """A public trade."""

    asset: int
    side: int  # of the aggressor, 0 bought
    units: int
    lots: int
    time_ns: int


class Exchange:
    """Markets of one universe and the accounts that trade them."""

    def __init__(self, universe: Universe, mark: Floats, requests_per_usd: list[float]) -> None:
        self.universe = universe
        self.books = [Book() for _ in universe.instruments]
        self.accounts: list[Account] = []
        self.mark = mark
        self.oracle = mark
        self.outbox: list[tuple[int, Message]] = []
        self.prints: list[Print] = []
        self.dirty: set[int] = set()
        self.rejections: Counter[str] = Counter()
        self.liquidations = 0
        self._requests_per_usd = requests_per_usd
        self._last_trade = [0] * len(universe)
        self._premiums = np.zeros(len(universe))
        self._samples = 0
        self._ids = count(1)
        self._multiplier = np.array([i.funding_multiplier for i in universe.instruments])
        self._interest = np.array([i.interest_rate for i in universe.instruments])

    def open_account(self, deposit: list[int], allowance: float) -> int:
        """Open an account with micro-dollars in each pool and return its number."""
        account = Account(self.universe, deposit, allowance)
        account.reprice(self.mark)
        self.accounts.append(account)
        return len(self.accounts) - 1

    # Flow that has no account

    def quote(self, asset: int, side: int, units: int, lots: int) -> int:
        """Rest somebody's order and return its id, or 0 where it would trade at once."""
        order = Order(next(self._ids), NOBODY, side, units, lots)
        self.dirty.add(asset)
        return order.oid if self.books[asset].add(order) else 0

    def withdraw(self, asset: int, oid: int) -> None:
        """Cancel somebody's order if it still rests."""
        if self.books[asset].cancel(oid) is not None:
            self.dirty.add(asset)

    def take(self, asset: int, side: int, units: int, lots: int, now_ns: int) -> None:
        """Execute somebody's immediate-or-cancel order."""
        self._aggress(asset, side, units, lots, NOBODY, now_ns)

    # Users

    def submit(self, owner: int, orders: Orders, now_ns: int) -> None:
        """Execute a user's actions."""
        for cloid in orders.cancels:
            self._cancel(owner, cloid, now_ns)
        for old, new in orders.modifies:
            self._modify(owner, old, new, now_ns)
        for new in orders.places:
            if self._ration(owner, new.cloid, now_ns):
                self._place(owner, new, now_ns)
        self.accounts[owner].observe()

    def account_state(self, owner: int, now_ns: int, ip_weight: float) -> AccountState:
        """Return what the venue tells a user of the account."""
        account = self.accounts[owner]
        margin = account.margin()
        lots = np.array(account.lots)
        held = np.where(lots == 0, 1, np.abs(lots))
        entry = ticks.from_units(np.array(account.cost) / held, self.universe.sz_decimals)
        return AccountState(
            time_ns=now_ns,
            position=account.position(),
            entry_price=entry,
            mark=self.mark,
            isolated_margin=margin.isolated_equity,
            equity=margin.equity,
            position_margin=margin.position_margin,
            order_margin=margin.order_margin,
            maintenance=margin.maintenance,
            funding_paid=np.array(account.funding_paid) / MICRO,
            orders=NO_ORDERS,
            address_requests=account.requests.left,
            ip_weight=ip_weight,
        )

    def _cancel(self, owner: int, cloid: str, now_ns: int) -> None:
        account = self.accounts[owner]
        if not account.requests.admit(now_ns, cancel=True):
            self.rejections[RATIONED.text] += 1
        elif cloid in account.open:
            self._remove(owner, cloid, "canceled", now_ns)
        else:
            self._refuse(owner, cloid, GONE, now_ns)

    def _modify(self, owner: int, old: str, new: NewOrder, now_ns: int) -> None:
        if not self._ration(owner, new.cloid, now_ns):
            return
        account = self.accounts[owner]
        if old not in account.open:
            self._refuse(owner, new.cloid, UNMODIFIABLE, now_ns)
            return
        if new.cloid == old:
            account.cloids.discard(old)
        self._remove(owner, old, "canceled", now_ns)
        self._place(owner, new, now_ns, MODIFYING)

    def _place(self, owner: int, new: NewOrder, now_ns: int, prefix: str = "") -> None:
        account, book = self.accounts[owner], self.books[new.asset]
        refusal = self._check(account, new)
        if refusal is not None:
            self._refuse(owner, new.cloid, refusal, now_ns, prefix, new.asset)
            return
        account.cloids.add(new.cloid)
        order = Order(next(self._ids), owner, new.side, new.units, new.lots, new.cloid)
        book.add(order)
        account.rest(new.asset, order)
        self.dirty.add(new.asset)
        self._tell(owner, OrderUpdate(time_ns=now_ns, cloid=new.cloid, status="open"))

    def _check(self, account: Account, new: NewOrder) -> Refusal | None:
        book, instrument = self.books[new.asset], self.universe.instruments[new.asset]
        notional = new.units * new.lots * ticks.MICRO_USD
        price = float(ticks.from_units(new.units, instrument.sz_decimals))
        closes = new.lots == -account.lots[new.asset] * (1 - 2 * new.side)
        checks = (
            (new.cloid not in account.cloids, REUSED),
            (new.lots > 0, ZERO),
            (bool(ticks.valid_units(new.units, instrument.sz_decimals)), TICK),
            (closes or notional >= ticks.MIN_NOTIONAL, MINIMUM),
            (abs(price / self.oracle[new.asset] - 1.0) <= MAX_DISTANCE, DISTANT),
            (len(account.open) < MAX_OPEN_ORDERS, TOO_MANY),
            (not book.crosses(new.side, new.units), CROSSING),
            (account.can_place(new.asset, new.side, new.units, new.lots), MARGIN),
        )
        return next((refusal for passed, refusal in checks if not passed), None)

    def _ration(self, owner: int, cloid: str, now_ns: int) -> bool:
        admitted = self.accounts[owner].requests.admit(now_ns)
        if not admitted:
            self._refuse(owner, cloid, RATIONED, now_ns)
        return admitted

    def _refuse(
        self,
        owner: int,
        cloid: str,
        refusal: Refusal,
        now_ns: int,
        prefix: str = "",
        asset: int | None = None,
    ) -> None:
        self.rejections[refusal.text] += 1
        text = prefix + refusal.text
        if asset is not None:
            instrument = self.universe.instruments[asset]
            if refusal is CROSSING:
                bid, ask = (
                    ticks.price_text(self.books[asset].best(s), instrument.sz_decimals)
                    for s in (0, 1)
                )
                text += f", bbo was {bid}@{ask}."
            text += f" asset={instrument.asset_id}"
        self._tell(
            owner, OrderUpdate(time_ns=now_ns, cloid=cloid, status=refusal.status, reason=text)
        )

    def _remove(self, owner: int, cloid: str, status: str, now_ns: int) -> None:
        asset, oid = self.accounts[owner].open[cloid]
        order = self.books[asset].cancel(oid)
        if order is not None:
            self._removed(asset, order, status, now_ns)

    def _removed(self, asset: int, order: Order, status: str, now_ns: int) -> None:
        self.dirty.add(asset)
        if order.owner != NOBODY:
            self.accounts[order.owner].release(asset, order, order.lots)
            update = OrderUpdate(time_ns=now_ns, cloid=order.cloid, status=status)
            self._tell(order.owner, update)

    def _tell(self, owner: int, message: Message) -> None:
        self.outbox.append((owner, message))

    # Trades

    def _aggress(
        self, asset: int, side: int, limit: int | None, lots: int, owner: int, now_ns: int
    ) -> Sweep:
        settle = partial(self._settle, asset, now_ns)
        sweep = self.books[asset].sweep(side, limit, lots, owner, settle)
        for order in sweep.self_traded:
            self._removed(asset, order, "selfTradeCanceled", now_ns)
        for order in sweep.refused:
            self._removed(asset, order, "marginCanceled", now_ns)
        if sweep.trades:
            self.dirty.add(asset)
            self._last_trade[asset] = sweep.trades[-1][0]
            self.prints.extend(Print(asset, side, *trade, now_ns) for trade in sweep.trades)
        return sweep

    def _settle(self, asset: int, now_ns: int, order: Order, lots: int) -> bool:
        if order.owner == NOBODY:
            return True
        account = self.accounts[order.owner]
        if not account.can_carry(asset, order.side, order.units, lots):
            return False
        account.release(asset, order, lots)
        self._book_trade(order.owner, asset, order.side, order.units, lots, now_ns, order.cloid)
        if lots == order.lots:
            update = OrderUpdate(time_ns=now_ns, cloid=order.cloid, status="filled")
            self._tell(order.owner, update)
        return True

    def _book_trade(
        self,
        owner: int,
        asset: int,
        side: int,
        units: int,
        lots: int,
        now_ns: int,
        cloid: str | None = None,
        *,
        free: bool = False,
    ) -> None:
        """Book a trade of an account: of a resting order if it has a cloid, else a taker's."""
        instrument = self.universe.instruments[asset]
        rate = instrument.taker_fee if cloid is None else instrument.maker_fee
        account, notional = self.accounts[owner], units * lots
        fee = 0 if free else round(notional * rate)
        account.trade(asset, side, units, lots, fee)
        account.requests.cap += self._requests_per_usd[asset] * notional / MICRO
        account.observe()
        self._tell(
            owner,
            Fill(
                time_ns=now_ns,
                asset=asset,
                side=1 - 2 * side,
                price=float(ticks.from_units(units, instrument.sz_decimals)),
                size=float(ticks.from_lots(lots, instrument.sz_decimals)),
                fee=fee / MICRO,
                maker=cloid is not None,
                cloid=cloid or "",
                fill_id=next(self._ids),
            ),
        )

    # Prices, funding, liquidation

    def update_prices(self, oracle: Floats, external: Floats, now_ns: int) -> None:
        """Set new oracle prices and marks, then liquidate who cannot stand on them.

        The mark is the median of the oracle, an external price and the local one, which is the
        median of best bid, best ask and last trade (of both best prices before the first trade).
        """
        local = self._local(oracle)
        target = np.median(np.stack([oracle, external, local]), axis=0)
        self.oracle = oracle
        self.mark = np.clip(target, self.mark * (1.0 - MARK_STEP), self.mark * (1.0 + MARK_STEP))
        for owner, account in enumerate(self.accounts):
            account.reprice(self.mark)
            account.observe()
            self._liquidate(owner, now_ns)

    def sample_premium(self) -> None:
        """Take one sample of every premium."""
        middle = self._middle()
        middle = np.where(np.isnan(middle), self.mark, middle)
        self._premiums += funding.deployed_premium(middle, middle, self.oracle)
        self._samples += 1

    def funding_rate(self) -> Floats:
        """Return the hourly rates that the samples since the last settlement make, (N,)."""
        premium = self._premiums / max(self._samples, 1)
        return funding.hourly_rate(premium, multiplier=self._multiplier, interest=self._interest)

    def settle_funding(self, now_ns: int) -> None:
        """Let every position pay or receive the hour's funding."""
        rate = self.funding_rate()
        for owner, account in enumerate(self.accounts):
            paid = np.rint(MICRO * funding.payment(account.position(), self.oracle, rate))
            for asset in np.flatnonzero(account.lots).tolist():
                amount = int(paid[asset])
                account.pay_funding(asset, amount)
                usd = amount / MICRO
                payment = FundingPayment(
                    time_ns=now_ns, asset=asset, usd=usd, rate=float(rate[asset])
                )
                self._tell(owner, payment)
            account.observe()
            self._liquidate(owner, now_ns)
        self._premiums = np.zeros(len(self.universe))
        self._samples = 0

    def _middle(self) -> Floats:
        best = np.array([[book.best(0), book.best(1)] for book in self.books], dtype=np.float64)
        best[best == 0.0] = np.nan
        return ticks.from_units(best.mean(axis=1), self.universe.sz_decimals)

    def _local(self, fallback: Floats) -> Floats:
        known = np.array(
            [
                (bid := book.best(0), ask := book.best(1), last or (bid + ask) // 2)
                for book, last in zip(self.books, self._last_trade, strict=True)
            ]
        )
        price = ticks.from_units(np.median(known, axis=1), self.universe.sz_decimals)
        return np.where((known[:, :2] == 0).any(axis=1), fallback, price)

    def _liquidate(self, owner: int, now_ns: int) -> None:
        account = self.accounts[owner]
        held = account.positions_margin()
        cross, pool = ~self.universe.isolated, self.universe.pool
        short = held.isolated_equity < held.isolated_maintenance
        for asset in np.flatnonzero(short).tolist():
            beyond = held.isolated_equity[asset] < BACKSTOP * held.isolated_maintenance[asset]
            self._close_out(owner, [asset], [asset], bool(beyond), now_ns)
        for p in np.flatnonzero(held.cross_equity < held.cross_maintenance).tolist():
            members = np.flatnonzero((pool == p) & cross & (np.array(account.lots) != 0)).tolist()
            orders = np.flatnonzero(pool == p).tolist()
            beyond = held.cross_equity[p] < BACKSTOP * held.cross_maintenance[p]
            if members:
                self._close_out(owner, members, orders, bool(beyond), now_ns)

    def _close_out(
        self, owner: int, positions: list[int], orders: list[int], beyond: bool, now_ns: int
    ) -> None:
        """Cancel orders on some assets and close positions, in the market or to the liquidator."""
        account = self.accounts[owner]
        self.liquidations += 1
        for cloid in [c for c, (asset, _) in account.open.items() if asset in orders]:
            self._remove(owner, cloid, "liquidatedCanceled", now_ns)
        pool = self.universe.instruments[positions[0]].pool
        before = account.cash[pool]
        for asset in positions:
            lots = account.lots[asset]
            side, instrument = int(lots > 0), self.universe.instruments[asset]
            if beyond:
                scale = 10.0 ** (ticks.DECIMALS - instrument.sz_decimals)
                units = round(float(self.mark[asset]) * scale)
                self._book_trade(owner, asset, side, units, abs(lots), now_ns, free=True)
            else:
                sweep = self._aggress(asset, side, None, abs(lots), owner, now_ns)
                for units, size in sweep.trades:
                    self._book_trade(owner, asset, side, units, size, now_ns)
        if beyond:
            isolated = self.universe.instruments[positions[0]].isolated
            account.forfeit(pool, account.cash[pool] - (before if isolated else 0))
            account.observe()


NO_ORDERS = OpenOrders(
    cloid=(),
    asset=np.zeros(0, dtype=np.int64),
    side=np.zeros(0, dtype=np.int64),
    level=np.zeros(0, dtype=np.int64),
    units=np.zeros(0, dtype=np.int64),
    lots=np.zeros(0, dtype=np.int64),
    queue=np.zeros(0),
    time_ns=np.zeros(0, dtype=np.int64),
)
