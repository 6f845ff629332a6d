"""What the exchange tells a user, as each channel of the websocket puts it."""

from __future__ import annotations

from typing import Any

from sim.exchange.messages import Change, Execution, Ledger, Message, Payment
from sim.server import order_shapes
from sim.server import subscriptions as s
from sim.server.info import Info
from sim.server.state import State

BY_VENUE = frozenset(
    (
        "marginCanceled",
        "liquidatedCanceled",
        "selfTradeCanceled",
        "scheduledCancel",
        "openInterestCapCanceled",
        "siblingFilledCanceled",
        "delistedCanceled",
    )
)
"""Ends of orders that are reported as cancelled by the venue."""


def news(
    state: State, info: Info, subscription: s.AnySubscription, rows: list[Message]
) -> list[Any]:
    """Return what messages to a user are to a subscription of the user's, frame by frame."""
    instruments = state.markets.universe.instruments
    fills = [m for m in rows if isinstance(m, Execution)]
    payments = [m for m in rows if isinstance(m, Payment)]
    shapes: list[dict[str, Any]]
    match subscription:
        case s.OrderUpdates():
            shapes = [
                order_shapes.update(m, m.record, instruments[m.record.asset])
                for m in rows
                if isinstance(m, Change) and m.record is not None
            ]
            return [shapes] if shapes else []
        case s.UserEvents(user):
            return _events(state, info, user, rows)
        case s.UserFills(user, aggregate):
            fills = order_shapes.aggregated(fills) if aggregate is True else fills
            shapes = info.users.fill_shapes(fills)
            return [{"user": user, "fills": shapes}] if shapes else []
        case s.UserFundings(user):
            shapes = [order_shapes.funding(m, instruments[m.asset]) for m in payments]
            return [{"user": user, "fundings": shapes}] if shapes else []
        case s.UserNonFundingLedgerUpdates(user):
            count = sum(isinstance(m, Ledger) for m in rows)
            shapes = info.users.ledger(user)[-count:] if count else []
            return [{"user": user, "nonFundingLedgerUpdates": shapes}] if shapes else []
    return []


def _events(state: State, info: Info, user: str, rows: list[Message]) -> list[Any]:
    instruments = state.markets.universe.instruments
    fills = [m for m in rows if isinstance(m, Execution)]
    events: list[Any] = []
    if fills:
        events.append({"fills": info.users.fill_shapes(fills)})
    events += [
        {"funding": order_shapes.funding(m, instruments[m.asset])}
        for m in rows
        if isinstance(m, Payment)
    ]
    events += [
        {"liquidation": order_shapes.liquidation(m, user)}
        for m in fills
        if m.liquidation and state.members.address(m.liquidation.owner) == user
    ]
    cancelled = [
        {"coin": instruments[m.record.asset].name, "oid": m.record.oid}
        for m in rows
        if isinstance(m, Change) and m.record is not None and m.status in BY_VENUE
    ]
    if cancelled:
        events.append({"nonUserCancel": cancelled})
    return events
