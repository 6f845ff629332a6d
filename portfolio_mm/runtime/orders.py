"""Our own orders as we know them: from the moment they are sent to the venue's last word."""

from __future__ import annotations

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    NS,
    Bools,
    Events,
    Floats,
    Ints,
    MarketSnapshot,
    NewOrder,
    OpenOrders,
    Orders,
    Universe,
)

LIVE = frozenset({"open", "resting"})
"""Words of the venue for an order that rests; every other word is its end."""

PATIENCE_NS = 10 * NS
"""An order whose cancel was sent this long ago, and that is still there, is ours to move again."""


class _Tracked:
    """One order of ours."""

    __slots__ = ("leaving_ns", "lots", "order", "queue", "replaces", "resting", "time_ns")

    def __init__(self, order: NewOrder, time_ns: int, replaces: str = "") -> None:
        self.order = order
        self.lots = order.lots
        self.time_ns = time_ns
        self.replaces = replaces  # the order that makes way for this one
        self.queue = np.inf  # contracts ahead, unknown until it rests
        self.resting = False
        self.leaving_ns = -PATIENCE_NS  # when its cancel was sent


class OrderTracker:
    """What rests or is on its way, keyed by client order id.

    An order is tracked from sending on, so that the next cycle does not send it twice, and is
    offered for reconciliation until its cancel is sent, and again where that cancel was refused or
    lost. Only the venue's word ends it.
    """

    def __init__(self, universe: Universe) -> None:
        self._decimals = universe.sz_decimals
        self._orders: dict[str, _Tracked] = {}

    def __len__(self) -> int:
        """Return the number of orders that may still rest."""
        return len(self._orders)

    def sent(self, orders: Orders) -> None:
        """Note what was handed to the venue."""
        for cloid in orders.cancels:
            self._orders[cloid].leaving_ns = orders.time_ns
        for old, new in orders.modifies:
            self._orders[old].leaving_ns = orders.time_ns
            self._orders[new.cloid] = _Tracked(new, orders.time_ns, replaces=old)
        for new in orders.places:
            self._orders[new.cloid] = _Tracked(new, orders.time_ns)

    def apply(self, events: Events) -> None:
        """Take the venue's word on fills and orders."""
        for fill in events.fills:
            tracked = self._orders.get(fill.cloid)
            if tracked is not None:
                tracked.lots -= int(ticks.to_lots(fill.size, self._decimals[fill.asset]))
                if tracked.lots <= 0:
                    del self._orders[fill.cloid]
        for update in events.updates:
            tracked = self._orders.get(update.cloid)
            if tracked is None:
                continue
            if update.status in LIVE:
                tracked.resting = True
            else:
                del self._orders[update.cloid]
                old = self._orders.get(tracked.replaces)
                if old is not None and not tracked.resting:  # the modify was refused
                    old.leaving_ns = -PATIENCE_NS

    def cancel_all(self, time_ns: int) -> Orders:
        """Return the cancels of everything that may rest and is not leaving."""
        return Orders(time_ns=time_ns, cancels=tuple(cloid for cloid, _ in self._ours(time_ns)))

    def open_orders(self, snapshot: MarketSnapshot) -> OpenOrders:
        """Return the orders to reconcile against, with the queue believed ahead of each."""
        rows = self._ours(snapshot.time_ns)
        orders = [tracked.order for _, tracked in rows]
        asset = np.array([order.asset for order in orders], dtype=np.int64)
        side = np.array([order.side for order in orders], dtype=np.int64)
        units = np.array([order.units for order in orders], dtype=np.int64)
        resting = np.array([tracked.resting for _, tracked in rows], dtype=np.bool_)
        queue = np.array([tracked.queue for _, tracked in rows])
        queue = np.minimum(queue, self._displayed(snapshot, asset, side, units, resting))
        for (_, tracked), ahead in zip(rows, queue.tolist(), strict=True):
            tracked.queue = ahead
        return OpenOrders(
            cloid=tuple(cloid for cloid, _ in rows),
            asset=asset,
            side=side,
            level=np.array([order.level for order in orders], dtype=np.int64),
            units=units,
            lots=np.array([tracked.lots for _, tracked in rows], dtype=np.int64),
            queue=queue,
            time_ns=np.array([tracked.time_ns for _, tracked in rows], dtype=np.int64),
        )

    def _ours(self, time_ns: int) -> list[tuple[str, _Tracked]]:
        """Return what may rest and is not leaving."""
        return [
            (cloid, tracked)
            for cloid, tracked in self._orders.items()
            if time_ns - tracked.leaving_ns >= PATIENCE_NS
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
