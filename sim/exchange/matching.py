"""One order book with price-time priority, in integer price units and lots.

Sides are 0 = bid and 1 = ask. An order that meets a resting order of its own owner cancels the
resting one without a trade. A replaced order always goes to the back of its queue, even when only
its size shrinks: the venue does not say, and this is the less favourable reading. Only the venue
itself shrinks an order in place, where reduce-only orders follow their position.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import NamedTuple

NOBODY = -1
"""Owner of orders that cannot meet themselves."""


class Order:
    """A limit order; `lots` is what remains of it."""

    __slots__ = ("cloid", "lots", "oid", "owner", "side", "units")

    def __init__(
        self, oid: int, owner: int, side: int, units: int, lots: int, cloid: str = ""
    ) -> None:
        self.oid = oid
        self.owner = owner
        self.side = side
        self.units = units
        self.lots = lots
        self.cloid = cloid


class Sweep(NamedTuple):
    """What an aggressive order did: (price units, lots) of each trade, and orders it removed."""

    trades: list[tuple[int, int]]
    remaining: int
    self_traded: list[Order]
    refused: list[Order]


Settle = Callable[[Order, int], bool]
"""Book a trade of a resting order, or return False if its owner cannot carry it."""


class Book:
    """Resting orders of one market."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self._levels: tuple[dict[int, dict[int, Order]], ...] = ({}, {})
        self._totals: tuple[dict[int, int], ...] = ({}, {})
        self._prices: tuple[list[int], list[int]] = ([], [])

    def best(self, side: int) -> int:
        """Return the best price in units, 0 if the side is empty."""
        prices = self._prices[side]
        return prices[side - 1] if prices else 0

    def crosses(self, side: int, units: int) -> bool:
        """Tell whether an order at this price would trade at once."""
        best = self.best(1 - side)
        return best > 0 and (units >= best if side == 0 else units <= best)

    def add(self, order: Order) -> bool:
        """Rest an order, or return False if it would trade: post-only."""
        if self.crosses(order.side, order.units):
            return False
        side, units = order.side, order.units
        level = self._levels[side].get(units)
        if level is None:
            level = self._levels[side][units] = {}
            self._totals[side][units] = 0
            insort(self._prices[side], units)
        level[order.oid] = self.orders[order.oid] = order
        self._totals[side][units] += order.lots
        return True

    def cancel(self, oid: int) -> Order | None:
        """Remove an order and return it, None if it does not rest."""
        order = self.orders.pop(oid, None)
        if order is not None:
            self._shrink(order, order.lots)
            level = self._levels[order.side][order.units]
            del level[oid]
            self._tidy(order.side, order.units)
        return order

    def shrink(self, order: Order, lots: int) -> None:
        """Take lots off a resting order, which keeps its place; some must remain."""
        self._shrink(order, lots)
        order.lots -= lots

    def sweep(self, side: int, limit: int | None, lots: int, owner: int, settle: Settle) -> Sweep:
        """Trade up to `lots` against the other side, best price and oldest order first.

        Parameters
        ----------
        side
            Of the aggressor.
        limit
            Worst price in units, None for a market order.
        lots
            Size.
        owner
            Of the aggressor.
        settle
            Called before each trade; a resting order it refuses is cancelled.
        """
        result = Sweep([], lots, [], [])
        while lots > 0 and (units := self.best(1 - side)) > 0:
            if limit is not None and (units > limit if side == 0 else units < limit):
                break
            order = next(iter(self._levels[1 - side][units].values()))
            size = min(lots, order.lots)
            if owner != NOBODY and order.owner == owner:
                self.cancel(order.oid)
                result.self_traded.append(order)
            elif not settle(order, size):
                self.cancel(order.oid)
                result.refused.append(order)
            else:
                lots -= size
                result.trades.append((units, size))
                self._fill(order, size)
        return result._replace(remaining=lots)

    def depth(self, side: int, levels: int) -> tuple[list[int], list[int]]:
        """Return prices in units and total lots of the best levels, best first."""
        prices = self._prices[side]
        best = prices[: -levels - 1 : -1] if side == 0 else prices[:levels]
        totals = self._totals[side]
        return best, [totals[units] for units in best]

    def queue(self, side: int, units: int) -> Iterator[Order]:
        """Yield the orders at a price, oldest first."""
        return iter(self._levels[side].get(units, {}).values())

    def _fill(self, order: Order, size: int) -> None:
        self._shrink(order, size)
        order.lots -= size
        if order.lots == 0:
            del self.orders[order.oid]
            del self._levels[order.side][order.units][order.oid]
            self._tidy(order.side, order.units)

    def _shrink(self, order: Order, size: int) -> None:
        self._totals[order.side][order.units] -= size

    def _tidy(self, side: int, units: int) -> None:
        if not self._levels[side][units]:
            del self._levels[side][units]
            del self._totals[side][units]
            prices = self._prices[side]
            del prices[bisect_left(prices, units)]
