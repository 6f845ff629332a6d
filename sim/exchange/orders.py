"""Orders of users: what they ask for, what rests or waits, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sim.exchange.matching import Order

Tif = Literal["Alo", "Gtc", "Ioc"]
"""Post-only, good till cancelled, immediate or cancel."""


class Trigger(NamedTuple):
    """When a waiting order becomes a live one, and whether it then takes at once."""

    units: int
    is_market: bool
    tpsl: Literal["tp", "sl"]

    def fires(self, side: int, mark: float) -> bool:
        """Tell whether a mark, in units, sets it off.

        A take-profit that sells waits for a rise, a stop that sells for a fall, buyers likewise.
        """
        rise = (side == 1) == (self.tpsl == "tp")
        return mark >= self.units if rise else mark <= self.units


class Ticket(NamedTuple):
    """A new order as a user asks for it; units and lots are -1 where the grid has no such one."""

    asset: int
    side: int  # 0 buys, 1 sells
    units: int
    lots: int
    cloid: str = ""
    tif: Tif = "Alo"
    reduce_only: bool = False
    trigger: Trigger | None = None


class Record(Order):
    """An order of a user and its status; `lots` is what remains of it."""

    __slots__ = (
        "accepted",
        "asset",
        "original_lots",
        "reduce_only",
        "status",
        "status_ns",
        "tif",
        "time_ns",
        "trigger",
        "waiting",
    )

    def __init__(self, oid: int, owner: int, ticket: Ticket, time_ns: int) -> None:
        super().__init__(oid, owner, ticket.side, ticket.units, ticket.lots, ticket.cloid)
        self.asset = ticket.asset
        self.original_lots = ticket.lots
        self.tif: Tif = ticket.tif
        self.reduce_only = ticket.reduce_only
        self.trigger = ticket.trigger
        self.waiting = ticket.trigger is not None
        self.accepted = False  # it rested, traded or waited
        self.time_ns = time_ns
        self.status = "open"
        self.status_ns = time_ns

    @property
    def is_open(self) -> bool:
        """Whether it rests in the book or waits for its trigger."""
        return self.status == "open"


class Outcome(NamedTuple):
    """What came of placing an order at once; an empty error means it was accepted."""

    record: Record | None
    error: str = ""
    trades: Sequence[tuple[int, int]] = ()  # price units and lots of what it took

    @property
    def filled_lots(self) -> int:
        """Lots it took."""
        return sum(lots for _, lots in self.trades)

    @property
    def average_units(self) -> float:
        """Average price in units of what it took, 0 if nothing."""
        lots = self.filled_lots
        return sum(units * size for units, size in self.trades) / lots if lots else 0.0
