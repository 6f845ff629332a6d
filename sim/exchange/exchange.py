"""The exchange: users and their orders on the venue's clock, marks, funding and liquidation.

Every method takes the time and happens at that instant. Margin is checked when an order is placed
and again, for the resting side, when it trades. Orders with a trigger wait outside the book until
the mark sets them off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from portfolio_mm.rules import funding, ticks
from portfolio_mm.types import AccountState, Floats, NewOrder, OpenOrders, Orders, Universe
from sim.exchange import refusals
from sim.exchange.account import Account
from sim.exchange.checks import admission, carrying, mark_units, words
from sim.exchange.clearing import Clearing
from sim.exchange.liquidation import liquidate
from sim.exchange.messages import MICRO, Change, Payment, Trade
from sim.exchange.orders import Outcome, Record, Ticket
from sim.exchange.prices import Premiums, Settlement, next_mark
from sim.exchange.refusals import Refusal


class Exchange(Clearing):
    """Markets of one universe and the accounts that trade them."""

    def __init__(
        self, universe: Universe, mark: Floats, oi_caps: Sequence[float] | None = None
    ) -> None:
        super().__init__(universe, mark)
        self.settlements: list[Settlement] = []
        self.premiums = Premiums(universe)
        self._oi_caps = [math.inf] * len(universe) if oi_caps is None else list(oi_caps)
        self._waiting: dict[int, Record] = {}

    def submit(self, owner: int, orders: Orders, now_ns: int) -> None:
        """Execute cancels, modifies, places and exits, each if the request budget allows it."""
        for cloid in orders.cancels:
            if error := self.ration(owner, 1, now_ns, cancel=True):
                self._refuse_cancel(owner, cloid, error, now_ns)
            else:
                self.cancel(owner, cloid, now_ns)
        for old, new in orders.modifies:
            if self._rationed(owner, new, now_ns):
                self.modify(owner, old, _ticket(new), now_ns)
        for new in orders.places:
            if self._rationed(owner, new, now_ns):
                self.place(owner, _ticket(new), now_ns)
        for new in orders.exits:
            if self._rationed(owner, new, now_ns):
                exit_ = _ticket(new)._replace(tif="Ioc", reduce_only=True)
                self.place(owner, exit_, now_ns)
        self.accounts[owner].observe()

    def ration(self, owner: int, actions: int, now_ns: int, *, cancel: bool = False) -> str:
        """Count the actions of a request; return the refusal where they are too many."""
        account = self.accounts[owner]
        requests = account.requests
        if requests.admit(now_ns, count=actions, cancel=cancel):
            return ""
        self.rejections[refusals.RATIONED.text] += 1
        limit = requests.limit(cancel=cancel)
        return refusals.rationed(requests.used + actions, limit, account.volume / MICRO)

    def find(self, owner: int, key: int | str) -> Record | None:
        """Return an order of a user by its id or its client's, None if it is not known."""
        return self.accounts[owner].find(key)

    def place(self, owner: int, ticket: Ticket, now_ns: int, *, prefix: str = "") -> Outcome:
        """Place an order: rest it, let it trade or wait, or refuse it."""
        account = self.accounts[owner]
        record = Record(self.next_id(), owner, ticket, now_ns)
        refusal = admission(self, account, record, self._oi_caps[ticket.asset])
        trades: list[Trade] = []
        if refusal is not refusals.REUSED:
            account.remember(record)
        if refusal is None and record.waiting:
            self._waiting[record.oid] = record
            account.rest(record)
            self.change(record, "open", now_ns)
        elif refusal is None:
            refusal, trades = self._enter(account, record, now_ns)
        if refusal is None:
            return Outcome(record, "", [(trade.units, trade.lots) for trade in trades])
        text = prefix + words(self, refusal, ticket.asset)
        self._reject(record, refusal, now_ns, text)
        return Outcome(record, text)

    def cancel(self, owner: int, key: int | str, now_ns: int, asset: int | None = None) -> str:
        """Cancel an order by its id or its client's; return why not where it was refused."""
        record = self.find(owner, key)
        if record is not None and record.is_open and asset in (None, record.asset):
            self.remove(record, "canceled", now_ns)
            return ""
        refusal = refusals.GONE
        text = refusal.text if asset is None else words(self, refusal, asset)
        self.rejections[refusal.text] += 1
        if isinstance(key, str):
            self.tell(owner, Change(now_ns, None, key, refusal.status, 0, text))
        return text

    def modify(
        self,
        owner: int,
        key: int | str,
        ticket: Ticket,
        now_ns: int,
        *,
        always_place: bool = False,
    ) -> Outcome:
        """Cancel an order and place another, post-only unless it is always to be placed."""
        old = self.find(owner, key)
        if old is None or not old.is_open:
            refusal = refusals.UNMODIFIABLE
            self.rejections[refusal.text] += 1
            change = Change(now_ns, None, ticket.cloid, refusal.status, 0, refusal.text)
            self.tell(owner, change)
            return Outcome(None, refusal.text)
        if ticket.cloid == old.cloid:
            self.accounts[owner].cloids.pop(old.cloid, None)
        self.remove(old, "canceled", now_ns)
        if not always_place and ticket.trigger is None:
            ticket = ticket._replace(tif="Alo")
        return self.place(owner, ticket, now_ns, prefix=refusals.MODIFYING)

    def cancel_all(self, owner: int, status: str, now_ns: int) -> None:
        """Cancel every order of a user."""
        for record in list(self.accounts[owner].open.values()):
            self.remove(record, status, now_ns)

    def remove(self, record: Record, status: str, now_ns: int) -> None:
        """Take an order out of its book, or out of those that wait."""
        if self._waiting.pop(record.oid, None) is None:
            super().remove(record, status, now_ns)
        else:
            self.accounts[record.owner].release(record, record.lots)
            self.end(record, status, now_ns)

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

    # Prices, funding

    def update_prices(self, oracle: Floats, external: Floats, now_ns: int) -> None:
        """Set oracle prices and marks, liquidate who cannot stand on them, fire triggers."""
        self.mark = next_mark(
            self.books,
            self.universe,
            self.last_trade,
            mark=self.mark,
            oracle=oracle,
            external=external,
        )
        self.oracle = oracle
        self.revalue(now_ns)
        if self._waiting:
            self._fire(now_ns)

    def revalue(self, now_ns: int) -> None:
        """Value every account at the marks, and liquidate where they demand it."""
        for account in self.accounts:
            account.reprice(self.mark)
        for owner, account in enumerate(self.accounts):
            if account.held:
                account.observe()
                liquidate(self, owner, now_ns)

    def sample_premium(self) -> None:
        """Take one sample of every premium."""
        self.premiums.sample(self.books, self.mark, self.oracle)

    def funding_rate(self) -> Floats:
        """Return the hourly rates that the samples since the last settlement make, (N,)."""
        return self.premiums.settlement(0).rate

    def settle_funding(self, now_ns: int) -> None:
        """Let every position pay or receive the hour's funding."""
        rate = self.funding_rate()
        settlement = self.premiums.settlement(now_ns)._replace(rate=rate)
        self.settlements.append(settlement)
        for owner, account in enumerate(self.accounts):
            if not account.held:
                continue
            paid = np.rint(MICRO * funding.payment(account.position(), self.oracle, rate))
            for asset in np.flatnonzero(account.lots).tolist():
                amount, hourly = int(paid[asset]), float(rate[asset])
                account.pay_funding(asset, amount)
                lots, samples = account.lots[asset], settlement.samples
                payment = Payment(now_ns, asset, amount, lots, hourly, samples)
                account.payments.append(payment)
                self.tell(owner, payment)
            account.observe()
            liquidate(self, owner, now_ns)
        self.premiums.clear()

    # Orders

    def _enter(
        self, account: Account, record: Record, now_ns: int
    ) -> tuple[Refusal | None, list[Trade]]:
        """Let a checked order take what it may, and rest where something is left of it."""
        asset, side, book = record.asset, record.side, self.books[record.asset]
        if record.reduce_only:
            record.lots = min(record.lots, account.reducible(asset, side))
        trades: list[Trade] = []
        if record.tif != "Alo":
            empty = book.best(1 - side) == 0
            trades = self.aggress(asset, side, record.units, record.lots, record.owner, now_ns)
            if not trades and record.tif == "Ioc":
                market = record.trigger is not None and record.trigger.is_market
                return (refusals.ILLIQUID if market and empty else refusals.UNMATCHED), trades
        record.accepted = True
        for trade in trades:
            record.lots -= trade.lots
            self.book_trade(record, trade, now_ns, crossed=True)
        if record.lots == 0:
            self.end(record, "filled", now_ns)
        elif record.tif == "Ioc":
            self.end(record, "canceled", now_ns)
        else:
            book.add(record)
            account.rest(record)
            self.dirty.add(asset)
            self.change(record, "open", now_ns)
        return None, trades

    def _fire(self, now_ns: int) -> None:
        for record in list(self._waiting.values()):
            trigger, account = record.trigger, self.accounts[record.owner]
            mark = mark_units(self, record.asset)
            if trigger is None or not trigger.fires(record.side, mark):
                continue
            del self._waiting[record.oid]
            account.release(record, record.lots)
            record.waiting = False
            record.tif = "Ioc" if trigger.is_market else "Gtc"
            self.change(record, "triggered", now_ns)
            if record.reduce_only and not account.reducible(record.asset, record.side):
                self.end(record, "reduceOnlyCanceled", now_ns)
                continue
            refusal = carrying(self, account, record, self._oi_caps[record.asset])
            if refusal is None:
                refusal, _ = self._enter(account, record, now_ns)
            if refusal is not None:
                self._reject(record, refusal, now_ns, words(self, refusal, record.asset))
            account.observe()

    def _reject(self, record: Record, refusal: Refusal, now_ns: int, text: str) -> None:
        self.rejections[refusal.text] += 1
        self.end(record, refusal.status, now_ns, text)

    def _rationed(self, owner: int, new: NewOrder, now_ns: int) -> bool:
        error = self.ration(owner, 1, now_ns)
        if error:
            status = refusals.RATIONED.status
            self.tell(owner, Change(now_ns, None, new.cloid, status, 0, error))
        return not error

    def _refuse_cancel(self, owner: int, cloid: str, error: str, now_ns: int) -> None:
        """Say that a cancel was one too many: the order is what it was."""
        record = self.find(owner, cloid)
        status, lots = (refusals.GONE.status, 0) if record is None else (record.status, record.lots)
        self.tell(owner, Change(now_ns, record, cloid, status, lots, error))


def _ticket(new: NewOrder) -> Ticket:
    return Ticket(new.asset, new.side, new.units, new.lots, new.cloid)


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
