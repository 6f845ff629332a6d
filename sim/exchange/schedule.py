"""Scheduled cancels, the venue's dead-man switch: all orders of an account go at a set time.

A time must lie five seconds ahead, the account must have traded a million dollars, and the switch
may fire ten times a UTC day.
"""

from __future__ import annotations

from portfolio_mm.types import DAY_S, NS
from sim.exchange import refusals
from sim.exchange.exchange import Exchange
from sim.exchange.messages import MICRO

AHEAD_NS = 5 * NS
REQUIRED_USD = 1_000_000
FIRES_PER_DAY = 10
_DAY_NS = int(DAY_S) * NS


def arm(exchange: Exchange, owner: int, time_ns: int | None, now_ns: int) -> str:
    """Set the time at which an account's orders go, or forget it; return why not if refused."""
    account = exchange.accounts[owner]
    if time_ns is not None:
        if account.volume < REQUIRED_USD * MICRO:
            return refusals.untraded(REQUIRED_USD, account.volume / MICRO)
        if time_ns < now_ns + AHEAD_NS:
            return refusals.TOO_SOON
        if account.scheduled_day == (now_ns // _DAY_NS, FIRES_PER_DAY):
            return refusals.SPENT
    account.scheduled_ns = time_ns
    return ""


def fire(exchange: Exchange, owner: int, time_ns: int) -> None:
    """Cancel everything, unless another time was set meanwhile."""
    account = exchange.accounts[owner]
    if account.scheduled_ns != time_ns:
        return
    day, fires = account.scheduled_day
    today = time_ns // _DAY_NS
    account.scheduled_day = (today, fires + 1 if day == today else 1)
    account.scheduled_ns = None
    exchange.cancel_all(owner, "scheduledCancel", time_ns)
