"""One account at the exchange: what its margin allows, and its orders.

Resting orders reserve their initial margin gross, opposite ones too; reduce-only orders and those
that wait for a trigger reserve none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from portfolio_mm.rules.margin import PoolMargin, pool_margin, tier_table
from portfolio_mm.types import Floats, Universe
from sim.exchange.holdings import Holdings, Mode
from sim.exchange.messages import MICRO, Execution, Ledger, Payment
from sim.exchange.orders import Record
from sim.exchange.requests import Requests

HISTORY = 10_000
"""Closed orders, executions and payments that are remembered."""

HAIRCUT = 0.1
"""Share of cross notional that must remain when money leaves a pool, if initial margin is less."""


class Account(Holdings):
    """Holdings, margin and orders of one user."""

    def __init__(
        self,
        universe: Universe,
        deposit: Sequence[int],
        allowance: float,
        *,
        mode: Mode = "standard",
        master: int | None = None,
    ) -> None:
        self.tiers = tier_table([i.tiers for i in universe.instruments])
        self.master = master
        self.open: dict[int, Record] = {}
        self.reducing: dict[int, Record] = {}  # resting reduce-only orders
        self.records: dict[int, Record] = {}
        self.cloids: dict[str, int] = {}
        self.resting = [[0, 0] for _ in universe.instruments]
        self.resting_lots = [[0, 0] for _ in universe.instruments]
        self.history: deque[Record] = deque()
        self.fills: deque[Execution] = deque(maxlen=HISTORY)
        self.payments: deque[Payment] = deque(maxlen=HISTORY)
        self.ledger: deque[Ledger] = deque(maxlen=HISTORY)
        self.scheduled_ns: int | None = None
        self.scheduled_day = (0, 0)  # UTC day, and how often the schedule fired in it
        self.requests = Requests(allowance)
        self._mark: Floats = np.zeros(len(universe))
        self._positions: PoolMargin | None = None
        super().__init__(universe, deposit, mode)

    def lay_out(self, mode: Mode, cash: Sequence[int]) -> None:
        """Arrange the pools of a mode, with so much cash in each."""
        super().lay_out(mode, cash)
        self.peak_use: Floats = np.zeros(len(self.cash))
        self._pool_row = np.array(self.pool)
        self._leverage_row = np.array(self.leverage)
        self._isolated_row = np.array(self.isolated)
        self._recount()

    def changed(self) -> None:
        """Hear that cash, a position or its value changed."""
        self._positions = None

    def set_terms(self, asset: int, leverage: int, *, isolated: bool) -> None:
        """Change the leverage and isolation of an asset, resting orders included."""
        self.leverage[asset] = leverage
        self.isolated[asset] = isolated
        self._leverage_row = np.array(self.leverage)
        self._isolated_row = np.array(self.isolated)
        self.changed()
        self._recount()

    # Margin

    def reprice(self, mark: Floats) -> None:
        """Value positions at new marks, USD (N,)."""
        self._mark = mark
        self.changed()

    def positions_margin(self) -> PoolMargin:
        """Return the margin of positions alone."""
        if self._positions is None:
            self._positions = self._margin(np.zeros((len(self.lots), 2)))
        return self._positions

    def margin(self) -> PoolMargin:
        """Return the margin of positions and resting orders."""
        return self._margin(np.array(self.resting) / MICRO)

    def observe(self) -> None:
        """Note the margin use of this instant; call after everything that can change it."""
        held = self.positions_margin()
        orders = np.array(self.reserved) / MICRO
        use = held._replace(order_margin=orders).use
        self.peak_use = np.maximum(self.peak_use, use)

    def available(self, asset: int) -> int:
        """Return the micro-dollars that orders on an asset may still reserve."""
        pool = self.pool[asset]
        return int(self._free(pool) * MICRO) - self.reserved[pool]

    def withdrawable(self, pool: int) -> int:
        """Return the micro-dollars that may leave a pool."""
        held = self.positions_margin()
        cross = (self._pool_row == pool) & ~self._isolated_row
        notional = np.abs(self.position() * self._mark)[cross]
        required = max(
            float((notional / self._leverage_row[cross]).sum()), HAIRCUT * float(notional.sum())
        )
        return max(
            int((float(held.cross_equity[pool]) - required) * MICRO) - self.reserved[pool], 0
        )

    def can_place(self, asset: int, side: int, units: int, lots: int) -> bool:
        """Tell whether free margin covers an order.

        Orders on the reducing side that together do not exceed the position need none.
        """
        if self.resting_lots[asset][side] + lots <= self.reducible(asset, side):
            return True
        pool = self.pool[asset]
        needed = self.reserved[pool] + self.initial(asset, units * lots)
        return needed <= self._free(pool) * MICRO

    def can_carry(self, asset: int, side: int, units: int, lots: int) -> bool:
        """Tell whether a fill leaves enough margin for the position it makes."""
        opened = lots - self.reducible(asset, side)
        if opened <= 0:
            return True
        return self.initial(asset, units * opened) <= self._free(self.pool[asset]) * MICRO

    def notional(self, asset: int) -> int:
        """Return the value of a position at its mark, micro-dollars."""
        return round(abs(float(self.position()[asset])) * float(self._mark[asset]) * MICRO)

    # Orders

    def find(self, key: int | str) -> Record | None:
        """Return an order by its id or its client's, None if it is not known."""
        return self.records.get(self.cloids.get(key, 0) if isinstance(key, str) else key)

    def uses(self, cloid: str) -> bool:
        """Tell whether a client's id belongs to an order that is open; it serves again after that."""
        known = self.find(cloid)
        return known is not None and known.is_open

    def remember(self, record: Record) -> None:
        """Know an order from now on, whether or not it is accepted."""
        self.records[record.oid] = record
        if record.cloid:
            self.cloids[record.cloid] = record.oid

    def rest(self, record: Record) -> None:
        """Reserve the margin of an order that now rests or waits for its trigger."""
        record.accepted = True
        self.open[record.oid] = record
        if record.reduce_only and not record.waiting:
            self.reducing[record.oid] = record
        self._reserve(record, 0, record.lots)

    def release(self, record: Record, lots: int) -> None:
        """Give back the margin of a part of an order that traded or was removed."""
        self._reserve(record, record.lots, record.lots - lots)
        if lots == record.lots:
            del self.open[record.oid]
            self.reducing.pop(record.oid, None)

    def file(self, record: Record) -> None:
        """File an order that is over, and forget the oldest one beyond what is remembered."""
        self.history.append(record)
        if len(self.history) > HISTORY:
            oldest = self.history.popleft()
            self.records.pop(oldest.oid, None)
            if self.cloids.get(oldest.cloid) == oldest.oid:
                del self.cloids[oldest.cloid]

    def _recount(self) -> None:
        """Reserve the margin of every resting order anew."""
        self.reserved = [0] * len(self.cash)
        for record in self.open.values():
            if not (record.reduce_only or record.waiting):
                needed = self.initial(record.asset, record.units * record.lots)
                self.reserved[self.pool[record.asset]] += needed

    def _margin(self, resting: Floats) -> PoolMargin:
        return pool_margin(
            cash=np.array(self.cash) / MICRO,
            isolated_cash=np.array(self.isolated_cash) / MICRO,
            position=self.position(),
            mark=self._mark,
            resting=resting,
            leverage=self._leverage_row,
            isolated=self._isolated_row,
            pool=self._pool_row,
            tiers=self.tiers,
        )

    def _free(self, pool: int) -> float:
        held = self.positions_margin()
        return float(held.equity[pool] - held.position_margin[pool])

    def _reserve(self, record: Record, before: int, after: int) -> None:
        if record.reduce_only or record.waiting:
            return
        asset, old, new = record.asset, record.units * before, record.units * after
        self.resting[asset][record.side] += new - old
        self.resting_lots[asset][record.side] += after - before
        change = self.initial(asset, new) - self.initial(asset, old)
        self.reserved[self.pool[asset]] += change
