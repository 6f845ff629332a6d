"""One recorded book, at one instant, and our orders in it.

The recording is never changed by our orders: they have a place in its queues (`queue_models`) but
add nothing to its display. Prices are integers in price units, sizes contracts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Bools, Floats, Ints
from sim.exchange.matching import Book, Order, Settle, Sweep
from sim.recorded.queue_models import Place, QueueModel
from sim.recorded.recording import DataError
from sim.recorded.tape import Books


class Rows(NamedTuple):
    """Rows of one instrument with prices in units, 0 where there is no level; (R, D)."""

    full: Bools  # (R,)
    units: tuple[Ints, Ints]  # bid, ask
    size: tuple[Floats, Floats]  # contracts
    sized: bool  # best prices came with sizes, else the sizes stand for what is not known better


def on_grid(name: str, price: Floats, sz_decimals: int) -> Ints:
    """Return recorded prices in units, 0 for NaN.

    Raises
    ------
    DataError
        When the recording has prices that the grid of `sz_decimals` cannot express.
    """
    known = np.where(np.isnan(price), 0.0, price)
    units = np.rint(known * 10.0 ** (ticks.DECIMALS - sz_decimals)).astype(np.int64)
    if not np.allclose(ticks.from_units(units, sz_decimals), known, rtol=ticks.TOLERANCE, atol=0):
        raise DataError(f"{name}: recorded prices are finer than szDecimals {sz_decimals} allows")
    return units


def rows_of(name: str, books: Books, sz_decimals: int, touch_usd: float) -> Rows:
    """Return the book rows of an instrument on its grid.

    A best price that came without a size gets that of its level in the last whole book, and
    `touch_usd` worth of contracts where that had no such level.
    """
    bid, ask = books.bid_price, books.ask_price
    known = np.isfinite(books.bid_size[:, 0]) | np.isnan(bid[:, 0])
    return Rows(
        full=books.full,
        units=(on_grid(name, bid, sz_decimals), on_grid(name, ask, sz_decimals)),
        size=(
            np.where(np.isnan(books.bid_size), touch_usd / bid, books.bid_size),
            np.where(np.isnan(books.ask_size), touch_usd / ask, books.ask_size),
        ),
        sized=bool(known.all()),
    )


class Display:
    """Both sides of a book as price levels."""

    __slots__ = ("_deepest", "_rows", "best", "levels")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.levels: list[dict[int, float]] = [{}, {}]  # units -> contracts
        self.best = [0, 0]  # units, 0 where a side is empty
        self._deepest = [0, 0]  # that was recorded, 0 where all of the side was

    def go_on(self, rows: Rows) -> None:
        """Keep what is shown, and take the next changes from other rows."""
        self._rows = rows

    def apply(self, row: int) -> None:
        """Replace the book by a whole one, or move its top to a best price."""
        change = self._replace if self._rows.full[row] else self._touch
        for side in (0, 1):
            change(side, row)

    def shown(self, side: int, units: int) -> float:
        """Return the contracts displayed at a price, inf where the recording is not that deep."""
        size = self.levels[side].get(units)
        if size is not None:
            return size
        deepest = self._deepest[side]
        beyond = deepest > 0 and (units < deepest if side == 0 else units > deepest)
        return math.inf if beyond else 0.0

    def depth(self, side: int) -> list[tuple[int, float]]:
        """Return price and size of the levels, best first."""
        return sorted(self.levels[side].items(), reverse=side == 0)

    def _replace(self, side: int, row: int) -> None:
        units = self._rows.units[side][row].tolist()
        levels = dict(zip(units, self._rows.size[side][row].tolist(), strict=True))
        levels.pop(0, None)
        self.levels[side] = levels
        self.best[side] = units[0]
        self._deepest[side] = units[-1]

    def _touch(self, side: int, row: int) -> None:
        levels = self.levels[side]
        units, size = int(self._rows.units[side][row, 0]), float(self._rows.size[side][row, 0])
        if units == 0:
            levels.clear()
        else:
            if not self._rows.sized:
                size = levels.get(units, size)
            for passed in [u for u in levels if (u > units if side == 0 else u < units)]:
                del levels[passed]
            levels[units] = size
        if self._deepest[side] > 0 and len(levels) <= 1:
            self._deepest[side] = units
        self.best[side] = units


class RecordedBook(Book):
    """A book whose liquidity is a recording and whose orders are ours alone."""

    def __init__(self, rows: Rows, exch_ns: Ints, sz_decimals: int, model: QueueModel) -> None:
        super().__init__()
        self.display = Display(rows)
        self._exch_ns = exch_ns
        self._whole = _last_whole(rows.full, -1)
        self._lot = 10.0**-sz_decimals
        self._model = model
        self._row = -1
        self._places: dict[int, Place] = {}
        self._ours: tuple[list[Order], list[Order]] = ([], [])  # best first, then oldest

    # What happened at the venue

    def go_on(self, rows: Rows, exch_ns: Ints) -> None:
        """Let what is left of the present rows happen, and go on with those that follow."""
        if len(self._exch_ns):
            self.sync(int(self._exch_ns[-1]))
        opened = any(self.display.best)
        self.display.go_on(rows)
        self._exch_ns = exch_ns
        self._whole = _last_whole(rows.full, 0 if opened else -1)
        self._row = -1

    def sync(self, now_ns: int) -> None:
        """Show the book as it was, when no order of ours rested meanwhile."""
        last = int(np.searchsorted(self._exch_ns, now_ns, side="right")) - 1
        if last > self._row and self._whole[last] >= 0:
            for row in range(max(int(self._whole[last]), self._row + 1), last + 1):
                self.display.apply(row)
            self._row = last

    def show(self, row: int) -> list[tuple[Order, int]]:
        """Move to a book row and return our orders that the opposite side met, with lots."""
        self.display.apply(row)
        self._row = row
        met = []
        for side, orders in enumerate(self._ours):
            opposite = self.display.best[1 - side]
            for order in orders:
                shown = self.display.shown(side, order.units)
                self._places[order.oid].show(shown, self._model)
                gap = order.units - opposite if side == 0 else opposite - order.units
                if opposite > 0 and self._model.meets(gap):
                    met.append((order, order.lots))
        return met

    def trade(self, side: int, units: int, size: float) -> list[tuple[Order, int]]:
        """Let a print against the orders of a side pass and return those it fills, with lots.

        Our orders share the print: each leaves to the next what it and its queue did not need.
        """
        filled = []
        available = size
        for order in self._ours[side]:
            distance = order.units - units if side == 0 else units - order.units
            if distance < 0:
                break
            place, wanted = self._places[order.oid], order.lots * self._lot
            if distance > 0:
                place.ahead = 0.0
            queued = place.ahead
            reached = (
                self._model.offered(available) if distance > 0 else place.take(available, size)
            )
            lots = order.lots if reached >= wanted else self._lots(reached)
            if lots > 0:
                filled.append((order, lots))
            available = max(available - queued - wanted, 0.0)
        return filled

    # What the exchange asks

    def best(self, side: int) -> int:
        """Return the best recorded price in units, 0 if the side is empty."""
        return self.display.best[side]

    def add(self, order: Order) -> bool:
        """Rest an order of ours, or return False if it would trade: post-only."""
        if self.crosses(order.side, order.units):
            return False
        self.orders[order.oid] = order
        self._places[order.oid] = Place(self.display.shown(order.side, order.units))
        ours = self._ours[order.side]
        ours.append(order)
        ours.sort(key=lambda o: (-o.units if o.side == 0 else o.units, o.oid))
        return True

    def cancel(self, oid: int) -> Order | None:
        """Remove an order of ours and return it, None if it does not rest."""
        order = self.orders.pop(oid, None)
        if order is not None:
            del self._places[oid]
            self._ours[order.side].remove(order)
        return order

    def fill(self, order: Order, lots: int) -> None:
        """Shrink an order by a fill and remove it when nothing is left."""
        order.lots -= lots
        if order.lots == 0:
            self.cancel(order.oid)

    def ahead(self, oid: int) -> float:
        """Return the contracts believed ahead of an order."""
        return self._places[oid].ahead

    def sweep(self, side: int, limit: int | None, lots: int, owner: int, settle: Settle) -> Sweep:
        """Trade against the display, which does not shrink: only liquidation takes."""
        del owner, settle
        trades = []
        for units, size in self.display.depth(1 - side):
            traded = min(lots, self._lots(size))
            if traded <= 0 or (
                limit is not None and (units > limit if side == 0 else units < limit)
            ):
                break
            trades.append((units, traded))
            lots -= traded
        return Sweep(trades, lots, [], [])

    def _lots(self, contracts: float) -> int:
        return math.floor(contracts / self._lot + ticks.TOLERANCE)


def _last_whole(full: Bools, before: int) -> Ints:
    """Return at each row the last whole book, `before` where there was none yet."""
    last: Ints = np.maximum.accumulate(np.where(full, np.arange(len(full)), before))
    return last
