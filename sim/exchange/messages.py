"""What the exchange tells: public trades, and to each account its executions, orders and payments.

Money is in micro-dollars, sides are 0 = buy and 1 = sell, owners are numbers of accounts.
"""

from __future__ import annotations

from typing import NamedTuple

from portfolio_mm.rules import ticks
from portfolio_mm.types import Fill, FundingPayment, OrderUpdate, Universe
from sim.exchange.orders import Record

MICRO = 1_000_000
"""Micro-dollars in a dollar."""


class Print(NamedTuple):
    """A public trade."""

    asset: int
    side: int  # of the aggressor
    units: int
    lots: int
    time_ns: int
    tid: int
    buyer: int
    seller: int


class Trade(NamedTuple):
    """A match: price in units, lots, and its number."""

    units: int
    lots: int
    tid: int


class Liquidation(NamedTuple):
    """Why an execution happened that its owner did not ask for."""

    owner: int
    mark: float
    method: str  # "market" or "backstop"


class Execution(NamedTuple):
    """One trade of one account."""

    time_ns: int
    asset: int
    side: int
    units: int
    lots: int
    oid: int
    cloid: str
    crossed: bool  # it took
    start_lots: int  # position before, signed
    closed_pnl: int
    fee: int
    tid: int
    liquidation: Liquidation | None

    @property
    def direction(self) -> str:
        """The venue's word for what it did to the position."""
        start, change = self.start_lots, self.lots if self.side == 0 else -self.lots
        held = "Long" if start > 0 else "Short"
        if start == 0 or (start > 0) == (change > 0):
            return f"Open {'Long' if change > 0 else 'Short'}"
        if abs(change) <= abs(start):
            return f"Close {held}"
        return f"{held} > {'Short' if start > 0 else 'Long'}"


class Change(NamedTuple):
    """The exchange's word on an order; without a record, on a request that made none."""

    time_ns: int
    record: Record | None
    cloid: str
    status: str
    lots: int  # that remain
    reason: str = ""


class Payment(NamedTuple):
    """One funding settlement of one position."""

    time_ns: int
    asset: int
    micro: int  # > 0 paid
    lots: int
    rate: float
    samples: int


class Ledger(NamedTuple):
    """Money that moved without a trade, as one of the accounts saw it."""

    time_ns: int
    kind: str
    micro: int  # signed
    source: str  # "spot" or the name of a dex
    destination: str
    counterpart: int | None  # the other account, None for the world outside


Message = Execution | Change | Payment | Ledger


def told(message: Message, universe: Universe) -> Fill | OrderUpdate | FundingPayment | None:
    """Return a message as an engine in the same process takes it, None where it takes none."""
    match message:
        case Execution():
            decimals = universe.instruments[message.asset].sz_decimals
            return Fill(
                time_ns=message.time_ns,
                asset=message.asset,
                side=1 - 2 * message.side,
                price=float(ticks.from_units(message.units, decimals)),
                size=float(ticks.from_lots(message.lots, decimals)),
                fee=message.fee / MICRO,
                maker=not message.crossed,
                cloid=message.cloid,
                fill_id=message.tid,
            )
        case Change():
            return OrderUpdate(
                time_ns=message.time_ns,
                cloid=message.cloid,
                status=message.status,
                reason=message.reason,
                oid=0 if message.record is None else message.record.oid,
            )
        case Payment():
            return FundingPayment(
                time_ns=message.time_ns,
                asset=message.asset,
                usd=message.micro / MICRO,
                rate=message.rate,
            )
        case Ledger():
            return None
