"""Our own orders as we know them: from the moment they are sent to the venue's last word.

An unknown order counts as resting and is never placed again. The venue is asked about it, and only the
venue's word ends it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.runtime.life import LIVE, PATIENCE_NS, Known, Life, refusal
from portfolio_mm.runtime.records import Tracked
from portfolio_mm.types import (
    NS,
    UNKNOWN,
    Audit,
    Bools,
    Events,
    Fill,
    Floats,
    Ints,
    MarketSnapshot,
    NewOrder,
    OpenOrder,
    OpenOrders,
    Orders,
    OrderUpdate,
    Universe,
)

GRACE_NS = 2 * NS
"""What the venue lists and what it tells us may differ by messages this young."""

INQUIRY_NS = 2 * NS
"""Time between two questions about the same order."""

MEMORY_NS = 600 * NS
"""How long an order that ended is remembered, for what is said of it late."""

FILLS = 20_000
"""Fills that are remembered, lest one is counted twice."""


class OrderTracker:
    """What rests or is on its way, keyed by client order id.

    Parameters
    ----------
    since_ns
        Fills before this time belong to nobody's books here.
    """

    def __init__(self, universe: Universe, since_ns: int = 0) -> None:
        self._decimals = universe.sz_decimals
        self._since_ns = since_ns
        self._orders: dict[str, Known] = {}
        self._ended: dict[str, Known] = {}
        self._fill_ids: dict[int, None] = {}
        self.unmatched = 0
        """Fills so far of orders that nobody here knows."""

    def __len__(self) -> int:
        """Return the number of orders that may still rest."""
        return sum(not known.exits for known in self._orders.values())

    # What we did

    def sent(self, orders: Orders) -> None:
        """Note what is handed to the venue."""
        for name in orders.cancels:
            self._leave(name, orders.time_ns)
        for old, new in orders.modifies:
            known = self._add(new, orders.time_ns)
            there = self._find(old)
            if there is not None:
                self._leave(old, orders.time_ns)
                there.replaced_by = known
                known.replaces = there, there.filled
        for new in orders.places:
            self._add(new, orders.time_ns)
        for new in orders.exits:
            self._add(new, orders.time_ns).exits = True
        self._forget(orders.time_ns)

    # What the venue said

    def receive(self, events: Events) -> Events:
        """Take the venue's word on fills and orders; return the events without known fills."""
        fills = tuple(fill for fill in events.fills if self._fill(fill))
        for update in events.updates:
            self._update(update)
        if len(fills) == len(events.fills):
            return events
        return msgspec.structs.replace(events, fills=fills)

    def settle(self, audit: Audit) -> tuple[OpenOrder, ...]:
        """Take the venue's list of what rests; return what is not ours to keep.

        What it lists rests, what it does not list of ours became unclear.
        """
        listed = set()
        orphans = []
        for order in audit.orders:
            name = order.cloid or str(order.oid)
            listed.add(name)
            known = self._find(name)
            if known is not None and known.life(audit.time_ns) == Life.ENDED:
                if known.ended_ns > audit.time_ns - GRACE_NS:
                    continue  # it ended while the list was made
                known = None
            if known is None or not _same(known.order, order):
                known = self._take_in(name, order)
                orphans.append(order)
            known.open_ns = max(known.open_ns, audit.time_ns)
            known.seen_lots = min(known.seen_lots, order.lots)
        for name, known in list(self._orders.items()):
            if name in listed:
                continue
            if known.foreign:
                self._end(name, audit.time_ns)
            elif max(known.open_ns, known.sent_ns) < audit.time_ns - GRACE_NS:
                known.unknown_ns = max(known.unknown_ns, audit.time_ns)
        return tuple(orphans)

    # What follows

    def lives(self, now_ns: int) -> dict[str, Life]:
        """Return the state of every order that has not ended."""
        return {name: known.life(now_ns) for name, known in self._orders.items()}

    def resting(self) -> tuple[str, ...]:
        """Return the orders that may rest."""
        return tuple(name for name, known in self._orders.items() if not known.exits)

    def unresolved(self, now_ns: int) -> tuple[str, ...]:
        """Return the orders to ask the venue about now, and note that it is asked."""
        asked = [
            (name, known)
            for name, known in self._orders.items()
            if not known.foreign
            and now_ns - known.asked_ns >= INQUIRY_NS
            and known.life(now_ns) == Life.UNKNOWN
        ]
        for _, known in asked:
            known.asked_ns = now_ns
        return tuple(name for name, _ in asked)

    def unknown(self, now_ns: int) -> frozenset[str]:
        """Return the orders of which it is not known whether they rest."""
        return frozenset(
            name for name, known in self._orders.items() if known.life(now_ns) == Life.UNKNOWN
        )

    def orphans(self, now_ns: int) -> tuple[str, ...]:
        """Return what rests, is not ours to keep, and is not leaving."""
        return tuple(name for name, known in self._there(now_ns) if known.foreign)

    def exiting(self, asset: int, now_ns: int) -> bool:
        """Tell whether an exit of an asset waits for the venue's word."""
        return any(
            known.exits and known.order.asset == asset and known.life(now_ns) == Life.SENT
            for known in self._orders.values()
        )

    def overfilled(self, now_ns: int) -> dict[str, int]:
        """Return the lots by which replacements exceed what the replaced orders had left.

        A fill of the old order that was not known when its replacement was sent has made the
        replacement too large by as much.
        """
        excess = {}
        for name, known in self._there(now_ns):
            if known.replaces is not None:
                old, filled = known.replaces
                if old.filled > filled:
                    excess[name] = old.filled - filled
        return excess

    def place(self, name: str) -> tuple[int, int]:
        """Return asset and side of an order that was sent, also of one that ended."""
        known = self._find(name)
        if known is None:
            return -1, -1
        return known.order.asset, known.order.side

    def order(self, name: str) -> tuple[NewOrder, int] | None:
        """Return an order that may rest, and the lots that may be left of it."""
        known = self._orders.get(name)
        return None if known is None else (known.order, known.lots)

    def resting_usd(self) -> Floats:
        """Return the value of all that may rest, at limit prices, (N, 2) USD."""
        usd = np.zeros((len(self._decimals), 2))
        for known in self._orders.values():
            if not known.exits:
                order = known.order
                usd[order.asset, order.side] += order.units * known.lots * ticks.MICRO_USD
        return usd

    def cancel_all(self, time_ns: int, patience_ns: int = PATIENCE_NS) -> Orders:
        """Return the cancels of everything that may rest and has none on its way.

        A cancel older than `patience_ns` is sent again.
        """
        names = tuple(
            name
            for name, known in self._orders.items()
            if not known.exits
            and (known.life(time_ns) != Life.LEAVING or time_ns - known.leaving_ns >= patience_ns)
        )
        return Orders(time_ns=time_ns, cancels=names)

    def open_orders(self, snapshot: MarketSnapshot) -> OpenOrders:
        """Return the orders to reconcile against, with the queue believed ahead of each."""
        rows = [row for row in self._there(snapshot.time_ns) if not row[1].foreign]
        orders = [known.order for _, known in rows]
        asset = np.array([order.asset for order in orders], dtype=np.int64)
        side = np.array([order.side for order in orders], dtype=np.int64)
        units = np.array([order.units for order in orders], dtype=np.int64)
        resting = np.array([known.open_ns > 0 for _, known in rows], dtype=np.bool_)
        queue = np.array([known.queue for _, known in rows])
        queue = np.minimum(queue, self._displayed(snapshot, asset, side, units, resting))
        for (_, known), ahead in zip(rows, queue.tolist(), strict=True):
            known.queue = ahead
        return OpenOrders(
            cloid=tuple(name for name, _ in rows),
            asset=asset,
            side=side,
            level=np.array([order.level for order in orders], dtype=np.int64),
            units=units,
            lots=np.array([known.lots for _, known in rows], dtype=np.int64),
            queue=queue,
            time_ns=np.array([known.sent_ns for _, known in rows], dtype=np.int64),
        )

    # What another start needs

    def saved(self) -> tuple[Tracked, ...]:
        """Return our orders that may rest."""
        return tuple(
            Tracked(
                order=known.order,
                sent_ns=known.sent_ns,
                open_ns=known.open_ns,
                filled=known.filled,
            )
            for known in self._orders.values()
            if not known.exits and not known.foreign
        )

    def fill_ids(self, newest: int) -> tuple[int, ...]:
        """Return the numbers of the newest fills."""
        return tuple(self._fill_ids)[-newest:]

    def restore(self, orders: Iterable[Tracked], fill_ids: Iterable[int]) -> None:
        """Take over what an earlier start saved."""
        for tracked in orders:
            known = self._add(tracked.order, tracked.sent_ns)
            known.open_ns = tracked.open_ns
            known.seen_lots -= tracked.filled
        self._fill_ids.update(dict.fromkeys(fill_ids))

    # Facts

    def _find(self, name: str) -> Known | None:
        return self._orders.get(name) or self._ended.get(name)

    def _add(self, order: NewOrder, time_ns: int) -> Known:
        known = Known(order, time_ns)
        self._orders[order.cloid] = known
        return known

    def _take_in(self, name: str, order: OpenOrder) -> Known:
        """Track a resting order that is not ours, until it is gone."""
        stranger = NewOrder(
            cloid=name,
            asset=order.asset,
            side=order.side,
            level=0,
            units=order.units,
            lots=order.lots,
        )
        self._ended.pop(name, None)
        known = self._add(stranger, order.time_ns)
        known.foreign = True
        return known

    def _leave(self, name: str, time_ns: int) -> None:
        known = self._orders.get(name)
        if known is not None:
            known.leaving_ns = max(known.leaving_ns, time_ns)

    def _fill(self, fill: Fill) -> bool:
        """Note a fill; tell whether it is new."""
        if fill.fill_id in self._fill_ids or fill.time_ns < self._since_ns:
            return False
        self._fill_ids[fill.fill_id] = None
        if len(self._fill_ids) > 2 * FILLS:
            for old in list(self._fill_ids)[:FILLS]:
                del self._fill_ids[old]
        known = self._find(fill.cloid)
        if known is None:
            self.unmatched += 1
            return True
        known.fills[fill.fill_id] = int(ticks.to_lots(fill.size, self._decimals[fill.asset]))
        if known.lots <= 0:
            self._end(fill.cloid, fill.time_ns)
        return True

    def _update(self, update: OrderUpdate) -> None:
        known = self._find(update.cloid)
        if known is None:
            return
        if update.status in LIVE:
            known.open_ns = max(known.open_ns, update.time_ns)
            if update.reason:  # its cancel never left us
                known.stays_ns = max(known.stays_ns, update.time_ns)
        elif update.status == UNKNOWN:
            known.unknown_ns = max(known.unknown_ns, update.time_ns)
            if known.replaces is not None:
                old, _ = known.replaces
                old.unknown_ns = max(old.unknown_ns, update.time_ns)
        else:
            known.refused = known.refused or refusal(update.status)
            self._end(update.cloid, update.time_ns)

    def _end(self, name: str, time_ns: int) -> None:
        known = self._orders.pop(name, None)
        if known is not None:
            self._ended[name] = known
            known.ended_ns = time_ns or 1
        elif name in self._ended:
            self._ended[name].ended_ns = max(self._ended[name].ended_ns, time_ns)

    def _forget(self, now_ns: int) -> None:
        """Drop what ended long ago."""
        while self._ended:
            name = next(iter(self._ended))
            if now_ns - self._ended[name].ended_ns < MEMORY_NS:
                return
            del self._ended[name]

    def _there(self, time_ns: int) -> list[tuple[str, Known]]:
        """Return what may rest and is not leaving."""
        return [
            (name, known)
            for name, known in self._orders.items()
            if not known.exits and known.life(time_ns) != Life.LEAVING
        ]

    def _displayed(
        self, snapshot: MarketSnapshot, asset: Ints, side: Ints, units: Ints, resting: Bools
    ) -> Floats:
        """Return the size displayed at each order's price, inf where it is not seen, (K,).

        No more than that is ahead of an order that rests.
        """
        bid = side[:, None] == 0
        prices = np.where(bid, snapshot.bid_price[asset], snapshot.ask_price[asset])
        sizes = np.where(bid, snapshot.bid_size[asset], snapshot.ask_size[asset])
        price = ticks.from_units(units, self._decimals[asset])[:, None]
        there = (np.abs(prices - price) <= 1e-9 * price) & resting[:, None]
        return np.where(there.any(axis=1), (sizes * there).sum(axis=1), np.inf)


def _same(ours: NewOrder, listed: OpenOrder) -> bool:
    """Tell whether what the venue lists is the order that we sent."""
    return (
        (ours.asset, ours.side, ours.units) == (listed.asset, listed.side, listed.units)
    ) and 0 < listed.lots <= ours.lots
