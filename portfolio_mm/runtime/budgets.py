"""The gate between a cycle and the venue: what may be sent of what is wanted.

In this order: orders of unknown fate are cancelled, never modified; sides whose orders keep being
refused wait; whatever may rest, the leaving and the unknown included, stays inside the margin; and
requests, actions and weight are spent on cancels first, and never the last ones, which the kill ladder
needs. What is not sent leaves the order that rests where it is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from portfolio_mm.executor.reconcile import cloid
from portfolio_mm.rules import ticks
from portfolio_mm.runtime.life import LIVE, refusal
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.types import (
    NS,
    AccountState,
    Bools,
    Events,
    Floats,
    Ints,
    NewOrder,
    Orders,
    QuoteSet,
    Reason,
    Universe,
)

RESERVE = 20
"""Requests, actions and weight that only the kill ladder may spend."""

BATCH = 40
"""Orders of one kind per unit of weight beyond the first."""

REFUSALS = 3
"""In a row on a side of an asset, after which it waits."""

SHORTEST_S, LONGEST_S = 5.0, 120.0
"""Of that wait; it doubles with every further refusal."""

SHRUNK = 0x4000
"""Added to the level in the id of a replacement that was made smaller."""


class BackOff:
    """Sides of assets whose orders were refused several times in a row wait."""

    def __init__(self, n: int) -> None:
        self._refused: Ints = np.zeros((n, 2), dtype=np.int64)
        self._until_ns: Ints = np.zeros((n, 2), dtype=np.int64)

    def note(self, events: Events, tracker: OrderTracker, now_ns: int) -> None:
        """Count refusals; call it before the tracker learns of them, so that each counts once."""
        for update in events.updates:
            if tracker.order(update.cloid) is None:
                continue
            place = tracker.place(update.cloid)
            if refusal(update.status):
                self._refused[place] += 1
                excess = int(self._refused[place]) - REFUSALS
                if excess >= 0:
                    wait = min(SHORTEST_S * 2.0 ** min(excess, 10), LONGEST_S)
                    self._until_ns[place] = now_ns + round(wait * NS)
            elif update.status in LIVE or update.status == "filled":
                self._refused[place] = 0

    def waiting(self, now_ns: int) -> Bools:
        """Tell which sides wait, (N, 2)."""
        waits: Bools = self._until_ns > now_ns
        return waits


class Gate(NamedTuple):
    """What the gate knows besides the orders and the account."""

    run: str
    universe: Universe
    netted: bool  # whether opposite resting orders share their margin


def admit(
    gate: Gate,
    orders: Orders,
    quotes: QuoteSet,
    account: AccountState,
    tracker: OrderTracker,
    waiting: Bools,
) -> Orders:
    """Return what may be sent of `orders` now.

    Parameters
    ----------
    orders
        What the cycle wants.
    quotes
        Why sides carry no quote: cancels on bad market data pass whatever is left of the budgets.
    waiting : (N, 2)
        Sides that wait after refusals.
    """
    now = orders.time_ns
    orders = shrink(gate, orders, tracker)
    orders = settle_unknown(orders, tracker.unknown(now))
    strangers = tuple(name for name in tracker.orphans(now) if name not in orders.cancels)
    orders = msgspec.structs.replace(
        orders,
        cancels=strangers + orders.cancels,
        modifies=tuple(pair for pair in orders.modifies if not waiting[_place(pair[1])]),
        places=tuple(new for new in orders.places if not waiting[_place(new)]),
    )
    orders = within_margin(gate, orders, account, tracker)
    unsafe = {
        name
        for name in orders.cancels
        if name in strangers or quotes.reason[tracker.place(name)] == Reason.MARKET
    }
    return within_requests(orders, account, frozenset(unsafe))


def shrink(gate: Gate, orders: Orders, tracker: OrderTracker) -> Orders:
    """Make replacements smaller by what the replaced orders filled meanwhile."""
    touched = {*orders.cancels, *(old for old, _ in orders.modifies)}
    cancels, modifies = [], []
    for name, excess in tracker.overfilled(orders.time_ns).items():
        there = tracker.order(name)
        if name in touched or there is None:
            continue
        order, lots = there
        left = lots - excess
        if left * order.units * ticks.MICRO_USD < ticks.MIN_NOTIONAL:
            cancels.append(name)
        else:
            level = SHRUNK + order.level % SHRUNK
            place = order.asset, order.side, level
            smaller = msgspec.structs.replace(
                order, cloid=cloid(gate.run, orders.time_ns, *place), lots=left
            )
            modifies.append((name, smaller))
    if not cancels and not modifies:
        return orders
    return msgspec.structs.replace(
        orders, cancels=orders.cancels + tuple(cancels), modifies=orders.modifies + tuple(modifies)
    )


def settle_unknown(orders: Orders, unknown: frozenset[str]) -> Orders:
    """Cancel orders of unknown fate where they were to be modified; their successors wait."""
    if not any(old in unknown for old, _ in orders.modifies):
        return orders
    return msgspec.structs.replace(
        orders,
        cancels=orders.cancels + tuple(old for old, _ in orders.modifies if old in unknown),
        modifies=tuple(pair for pair in orders.modifies if pair[0] not in unknown),
    )


def within_margin(
    gate: Gate, orders: Orders, account: AccountState, tracker: OrderTracker
) -> Orders:
    """Drop what could rest beyond the margin of its pool, outer levels first.

    Cancels of the same moment free nothing: the venue may place before it cancels.
    """
    universe = gate.universe
    free = account.equity - account.position_margin
    usd = tracker.resting_usd()

    def fits(new: NewOrder, instead: float) -> bool:
        """Count an order in where its pool has margin for it."""
        place = _place(new)
        more = value(new) - instead
        usd[place] += more
        pool = universe.pool[new.asset]
        if more <= 0.0 or _margin(gate, usd)[pool] <= free[pool]:
            return True
        usd[place] -= more
        return False

    modifies = []
    for old, new in sorted(orders.modifies, key=lambda pair: pair[1].level):
        there = tracker.order(old)
        instead = 0.0
        if there is not None and _place(there[0]) == _place(new):
            instead = there[0].units * there[1] * ticks.MICRO_USD
        if fits(new, instead):
            modifies.append((old, new))
    places = [new for new in sorted(orders.places, key=lambda new: new.level) if fits(new, 0.0)]
    return msgspec.structs.replace(
        orders,
        modifies=tuple(pair for pair in orders.modifies if pair in modifies),
        places=tuple(new for new in orders.places if new in places),
    )


def within_requests(
    orders: Orders, account: AccountState, unsafe: frozenset[str] = frozenset()
) -> Orders:
    """Spend requests, actions and weight on cancels, then modifies, then places.

    Cancels of `unsafe` orders pass in any case.
    """
    count = min(account.address_requests, account.actions_left) - RESERVE
    weight = account.ip_weight - RESERVE

    def take(wanted: int, forced: int = 0) -> int:
        """Return how many of one kind may be sent, and spend them."""
        nonlocal count, weight
        by_weight = BATCH * math.floor(weight) - 1.0
        may = max(min(wanted, _whole(count), _whole(by_weight)), forced)
        if may:
            count -= may
            weight -= 1 + may // BATCH
        return may

    forced = [name for name in orders.cancels if name in unsafe]
    others = [name for name in orders.cancels if name not in unsafe]
    cancels = take(len(orders.cancels), len(forced))
    modifies = take(len(orders.modifies))
    places = take(len(orders.places))
    return msgspec.structs.replace(
        orders,
        cancels=tuple((forced + others)[:cancels]),
        modifies=orders.modifies[:modifies],
        places=orders.places[:places],
    )


def value(order: NewOrder) -> float:
    """Return an order's value at its limit price, USD."""
    return order.units * order.lots * ticks.MICRO_USD


def _margin(gate: Gate, usd: Floats) -> Floats:
    """Return the margin of resting orders worth `usd` (N, 2) by pool, (P,)."""
    universe = gate.universe
    side = usd.max(axis=1) if gate.netted else usd.sum(axis=1)
    margin = np.zeros(len(universe.pools))
    np.add.at(margin, universe.pool, side / universe.leverage)
    return margin


def _place(order: NewOrder) -> tuple[int, int]:
    return order.asset, order.side


def _whole(number: float) -> int:
    """Return the whole part of a number that is not below zero, also of infinity."""
    return int(max(number, 0.0)) if math.isfinite(number) else 1 << 30
