"""Orders, modifications and cancels: from the wire to the exchange, and what came of them back.

An order whose price or size is finer than the grid is passed on as one that no grid has, so that
the exchange refuses it in the venue's words. Take-profits and stops of a `normalTpsl` group wait
until their parent has filled.
"""

from __future__ import annotations

from typing import Any

from portfolio_mm.rules import ticks
from portfolio_mm.types import Instrument
from sim.exchange.messages import Change
from sim.exchange.orders import Outcome, Ticket, Trigger
from sim.server import requests as r
from sim.server import text
from sim.server.state import State
from sim.server.users import Refused

LARGEST = 2**53
"""Units and lots beyond this are not numbers of the venue."""

HALTED = "Trading is halted. asset={}"
POST_ONLY = "Only post-only orders allowed immediately after a network upgrade"

Reply = dict[str, Any]


def on_grid(number: str, decimals: int) -> int:
    """Return a decimal as a number of steps of 10^-decimals, -1 if it is not one."""
    whole, _, fraction = number.partition(".")
    if len(fraction) > decimals or number.startswith("-"):
        return -1
    count = int(whole + fraction.ljust(decimals, "0"))
    return count if count <= LARGEST else -1


def takes(action: r.AnyAction) -> bool:
    """Tell whether an action may take: it holds an order that is not post-only."""
    match action:
        case r.PlaceOrders():
            orders = action.orders
        case r.Modify():
            orders = [action.order]
        case r.BatchModify():
            orders = [wire.order for wire in action.modifies]
        case _:
            return False
    return any(not isinstance(o.t.limit, r.Limit) or o.t.limit.tif != "Alo" for o in orders)


class Trading:
    """What a user does with orders."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._exchange = state.exchange
        self._children: dict[int, list[Ticket]] = {}
        self.post_only_until_ns = 0

    def place(self, owner: int, user: str, action: r.PlaceOrders) -> Reply:
        """Place orders."""
        if isinstance(action.builder, r.Builder):
            allowed = self._state.users.builders.get((user, action.builder.b.lower()), 0)
            if action.builder.f > allowed:
                raise Refused("Builder fee has not been approved.")
        if action.grouping == "normalTpsl":
            return _statuses("order", self._place_group(owner, action.orders))
        grouped = action.grouping == "positionTpsl"
        return _statuses("order", [self._place(owner, w, grouped) for w in action.orders])

    def cancel(self, owner: int, action: r.Cancel | r.CancelByCloid) -> Reply:
        """Cancel orders."""
        keys: list[tuple[int, int | str]]
        if isinstance(action, r.Cancel):
            keys = [(wire.a, wire.o) for wire in action.cancels]
        else:
            keys = [(wire.asset, wire.cloid.lower()) for wire in action.cancels]
        return _statuses("cancel", [self._cancel(owner, number, key) for number, key in keys])

    def modify(self, owner: int, action: r.Modify) -> Reply:
        """Replace one order; its new id is not told."""
        always = action.a is True
        status = self._modify(owner, r.ModifyWire(action.oid, action.order), always=always)
        if isinstance(status, dict) and "error" in status:
            raise Refused(status["error"])
        return {"type": "default"}

    def batch_modify(self, owner: int, action: r.BatchModify) -> Reply:
        """Replace orders."""
        always = action.a is True
        return _statuses(
            "order", [self._modify(owner, wire, always=always) for wire in action.modifies]
        )

    def follow(self, owner: int, change: Change) -> None:
        """Place what waited for an order to fill, or forget it when the order is gone."""
        if change.record is None or change.record.oid not in self._children:
            return
        if change.status == "filled":
            for child in self._children.pop(change.record.oid):
                self._exchange.place(owner, child, self._state.now_ns)
        elif change.status != "open":
            del self._children[change.record.oid]

    def _place_group(self, owner: int, wires: list[r.OrderWire]) -> list[Any]:
        first = self._place(owner, wires[0], grouped=False)
        if isinstance(first, dict) and "error" in first:
            return [first]
        if isinstance(first, dict) and "filled" in first:
            return [first, *(self._place(owner, wire, grouped=True) for wire in wires[1:])]
        tickets = [self._ticket(wire) for wire in wires[1:]]
        self._children[first["resting"]["oid"]] = [t for t in tickets if t is not None]
        return [first, *("waitingForFill" for _ in tickets)]

    def _place(self, owner: int, wire: r.OrderWire, grouped: bool) -> Any:
        ticket = self._ticket(wire)
        if ticket is None:
            return {"error": HALTED.format(wire.a)}
        if ticket.tif != "Alo" and self._state.now_ns < self.post_only_until_ns:
            return {"error": f"{POST_ONLY} asset={wire.a}"}
        outcome = self._exchange.place(owner, ticket, self._state.now_ns)
        if grouped and ticket.trigger is not None and not outcome.error:
            return "waitingForTrigger"
        return _status(outcome, self._instrument(ticket))

    def _modify(self, owner: int, wire: r.ModifyWire, *, always: bool) -> Any:
        ticket = self._ticket(wire.order)
        if ticket is None:
            return {"error": HALTED.format(wire.order.a)}
        key = wire.oid if isinstance(wire.oid, int) else wire.oid.lower()
        outcome = self._exchange.modify(owner, key, ticket, self._state.now_ns, always_place=always)
        return _status(outcome, self._instrument(ticket))

    def _cancel(self, owner: int, number: int, key: int | str) -> Any:
        asset = self._state.markets.number.get(number)
        if asset is None:
            return {"error": HALTED.format(number)}
        error = self._exchange.cancel(owner, key, self._state.now_ns, asset)
        return {"error": error} if error else "success"

    def _instrument(self, ticket: Ticket) -> Instrument:
        return self._state.markets.universe.instruments[ticket.asset]

    def _ticket(self, wire: r.OrderWire) -> Ticket | None:
        asset = self._state.markets.number.get(wire.a)
        if asset is None:
            return None
        sz_decimals = self._state.markets.universe.instruments[asset].sz_decimals
        places = ticks.DECIMALS - sz_decimals
        trigger = None
        if isinstance(wire.t.trigger, r.Trigger):
            terms = wire.t.trigger
            trigger = Trigger(on_grid(terms.triggerPx, places), terms.isMarket, terms.tpsl)
        return Ticket(
            asset=asset,
            side=0 if wire.b else 1,
            units=on_grid(wire.p, places),
            lots=on_grid(wire.s, sz_decimals),
            cloid=wire.c.lower() if isinstance(wire.c, str) else "",
            tif=wire.t.limit.tif if isinstance(wire.t.limit, r.Limit) else "Gtc",
            reduce_only=wire.r,
            trigger=trigger,
        )


def _statuses(kind: str, statuses: list[Any]) -> Reply:
    return {"type": kind, "data": {"statuses": statuses}}


def _status(outcome: Outcome, instrument: Instrument) -> Any:
    record = outcome.record
    if outcome.error or record is None:
        return {"error": outcome.error}
    named = {"oid": record.oid} | ({"cloid": record.cloid} if record.cloid else {})
    if not outcome.trades:
        return {"resting": named}
    price = outcome.average_units / 10.0 ** (ticks.DECIMALS - instrument.sz_decimals)
    filled = {
        "totalSz": text.size(outcome.filled_lots, instrument.sz_decimals),
        "avgPx": text.decimal(price),
    }
    return {"filled": filled | named}
