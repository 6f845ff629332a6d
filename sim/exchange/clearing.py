"""Clearing: books and accounts, and the trades between them.

A trade is booked for both sides at once, at the resting order's price. Whatever changes a position
also shrinks the reduce-only orders that stand on it, and cancels them when it is gone. What
accounts and the public get to know piles up in `outbox` and `prints`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count

from portfolio_mm.types import Floats, Universe
from sim.exchange.account import Account
from sim.exchange.holdings import Mode
from sim.exchange.matching import NOBODY, Book, Order
from sim.exchange.messages import MICRO, Change, Execution, Liquidation, Message, Print, Trade
from sim.exchange.orders import Record


class Clearing:
    """Markets of one universe, the accounts that trade them, and somebody without an account."""

    def __init__(self, universe: Universe, mark: Floats) -> None:
        n = len(universe)
        self.universe = universe
        self.books = [Book() for _ in universe.instruments]
        self.accounts: list[Account] = []
        self.mark = mark
        self.oracle = mark
        self.last_trade = [0] * n  # units
        self.interest = [[0, 0] for _ in range(n)]  # lots that users hold long and short
        self.outbox: list[tuple[int, Message]] = []
        self.prints: list[Print] = []
        self.dirty: set[int] = set()
        self.rejections: Counter[str] = Counter()
        self.liquidations = 0
        self.isolated_only = frozenset(
            asset for asset, i in enumerate(universe.instruments) if i.isolated
        )
        self._ids = count(1)

    def next_id(self) -> int:
        """Return a number for an order or a trade that no other one has."""
        return next(self._ids)

    def open_account(self, deposit: Sequence[int], allowance: float) -> int:
        """Open an account with micro-dollars in each pool of the universe; return its number."""
        return self._admit(Account(self.universe, deposit, allowance))

    def open_user(self, mode: Mode, allowance: float, master: int | None = None) -> int:
        """Open an empty account, of a master if it is a sub-account; return its number."""
        empty = [0] * (1 if mode == "unified" else len(self.universe.pools))
        return self._admit(Account(self.universe, empty, allowance, mode=mode, master=master))

    # Somebody

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
        self.aggress(asset, side, units, lots, NOBODY, now_ns)

    # Trades

    def aggress(
        self, asset: int, side: int, limit: int | None, lots: int, owner: int, now_ns: int
    ) -> list[Trade]:
        """Trade against the book and book the resting side; the aggressor's is the caller's."""
        makers: list[tuple[int, int]] = []

        def settle(order: Order, size: int) -> bool:
            tid = next(self._ids)
            if isinstance(order, Record) and not self.settle(order, size, now_ns, tid):
                return False
            makers.append((order.owner, tid))
            return True

        sweep = self.books[asset].sweep(side, limit, lots, owner, settle)
        for order in sweep.self_traded:
            self.removed(asset, order, "selfTradeCanceled", now_ns)
        for order in sweep.refused:
            self.removed(asset, order, "marginCanceled", now_ns)
        if not sweep.trades:
            return []
        self.dirty.add(asset)
        self.last_trade[asset] = sweep.trades[-1][0]
        trades = []
        for index, (units, size) in enumerate(sweep.trades):
            maker, tid = makers[index] if makers else (NOBODY, self.next_id())
            buyer, seller = (owner, maker) if side == 0 else (maker, owner)
            self.prints.append(Print(asset, side, units, size, now_ns, tid, buyer, seller))
            trades.append(Trade(units, size, tid))
        return trades

    def settle(self, order: Record, lots: int, now_ns: int, tid: int) -> bool:
        """Book a trade of a resting order, or return False if its account cannot carry it."""
        account = self.accounts[order.owner]
        if not account.can_carry(order.asset, order.side, order.units, lots):
            return False
        account.release(order, lots)
        self.book_trade(order, Trade(order.units, lots, tid), now_ns)
        if lots == order.lots:
            self.end(order, "filled", now_ns, remaining=0)
        return True

    def book_trade(
        self,
        order: Record,
        trade: Trade,
        now_ns: int,
        *,
        crossed: bool = False,
        liquidation: Liquidation | None = None,
        free: bool = False,
    ) -> None:
        """Book a trade of an account's order, free of fees where the liquidator takes over."""
        asset, owner, (units, lots, tid) = order.asset, order.owner, trade
        instrument, account = self.universe.instruments[asset], self.accounts[order.owner]
        rate = instrument.taker_fee if crossed else instrument.maker_fee
        notional, start = units * lots, account.lots[asset]
        fee = 0 if free else round(notional * rate)
        profit = account.trade(asset, order.side, units, lots, fee)
        account.requests.cap += instrument.requests_per_usd * notional / MICRO
        account.observe()
        execution = Execution(
            now_ns,
            asset,
            order.side,
            units,
            lots,
            order.oid,
            order.cloid,
            crossed,
            start,
            profit,
            fee,
            tid,
            liquidation,
        )
        account.fills.append(execution)
        self.tell(owner, execution)
        for side, sign in enumerate((1, -1)):
            change = max(sign * account.lots[asset], 0) - max(sign * start, 0)
            self.interest[asset][side] += change
        if account.reducing:
            self._follow(account, asset, now_ns, order)

    # Orders that end

    def remove(self, record: Record, status: str, now_ns: int) -> None:
        """Take an order out of its book."""
        if self.books[record.asset].cancel(record.oid) is not None:
            self.removed(record.asset, record, status, now_ns)

    def removed(self, asset: int, order: Order, status: str, now_ns: int) -> None:
        """Release what an order that left its book had reserved."""
        self.dirty.add(asset)
        if isinstance(order, Record):
            self.accounts[order.owner].release(order, order.lots)
            self.end(order, status, now_ns)

    def end(
        self,
        record: Record,
        status: str,
        now_ns: int,
        reason: str = "",
        *,
        remaining: int | None = None,
    ) -> None:
        """Give an order its last status and file it."""
        self.change(record, status, now_ns, reason, remaining=remaining)
        self.accounts[record.owner].file(record)

    def change(
        self,
        record: Record,
        status: str,
        now_ns: int,
        reason: str = "",
        *,
        remaining: int | None = None,
    ) -> None:
        """Give an order a status and tell its owner."""
        record.status, record.status_ns = status, now_ns
        lots = record.lots if remaining is None else remaining
        self.tell(record.owner, Change(now_ns, record, record.cloid, status, lots, reason))

    def tell(self, owner: int, message: Message) -> None:
        """Put a message to an account into the outbox."""
        self.outbox.append((owner, message))

    def _admit(self, account: Account) -> int:
        account.reprice(self.mark)
        self.accounts.append(account)
        return len(self.accounts) - 1

    def _follow(self, account: Account, asset: int, now_ns: int, trading: Record) -> None:
        """Shrink reduce-only orders to the position they reduce, but for the one that trades."""
        for record in [r for r in account.reducing.values() if r.asset == asset]:
            held = account.reducible(asset, record.side)
            if record is trading:
                continue
            if held == 0:
                self.remove(record, "reduceOnlyCanceled", now_ns)
            elif record.lots > held:
                self.books[asset].shrink(record, record.lots - held)
                self.dirty.add(asset)
