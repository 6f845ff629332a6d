"""One account at the exchange: an exact ledger, and what its margin allows.

A price unit times a lot is a micro-dollar for every asset, so cash is kept as integers of 1e-6 USD
and fees and funding are rounded to one: the ledger adds up exactly.

An isolated position holds its own cash. Opening it moves its initial margin there from the pool,
reducing it gives back the same share of its equity, closing it gives back all.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.rules.margin import PoolMargin, pool_margin, tier_table
from portfolio_mm.types import NS, Floats, Universe
from sim.matching import Order

MICRO = 1_000_000
"""Micro-dollars in a dollar."""

CANCEL_EXTRA = 100_000
WAIT_NS = 10 * NS


class Requests:
    """How many actions the address may send: an allowance, and more with volume.

    Cancels may go beyond the limit L, up to min(L + 100 000, 2 L). An exhausted address may act
    once in ten seconds. Refused actions cost nothing.
    """

    def __init__(self, allowance: float) -> None:
        self.cap = allowance
        self.used = 0
        self._last_ns = 0

    @property
    def left(self) -> float:
        """Actions left before the limit, at least 0."""
        return max(self.cap - self.used, 0.0)

    def admit(self, now_ns: int, *, cancel: bool = False) -> bool:
        """Count an action, or return False if it is one too many."""
        limit = min(self.cap + CANCEL_EXTRA, 2.0 * self.cap) if cancel else self.cap
        if self.used >= limit and now_ns < self._last_ns + WAIT_NS:
            return False
        self._last_ns = now_ns
        self.used += 1
        return True


class Account:
    """Cash, positions and resting orders of one user."""

    def __init__(self, universe: Universe, deposit: list[int], allowance: float) -> None:
        n = len(universe)
        self.universe = universe
        self.tiers = tier_table([i.tiers for i in universe.instruments])
        self.cash = list(deposit)  # per pool, net of the cost of cross positions
        self.isolated_cash = [0] * n
        self.lots = [0] * n
        self.cost = [0] * n  # of the open lots, unsigned
        self.funding_paid = [0] * n
        self.fees_paid = 0
        self.forfeited = 0
        self.resting = [[0, 0] for _ in range(n)]
        self.resting_lots = [[0, 0] for _ in range(n)]
        self.reserved = [0] * len(deposit)
        self.open: dict[str, tuple[int, int]] = {}  # cloid -> asset, oid
        self.cloids: set[str] = set()
        self.requests = Requests(allowance)
        self.peak_use = np.zeros(len(deposit))
        self._leverage = [i.leverage for i in universe.instruments]
        self._pool = [i.pool for i in universe.instruments]
        self._isolated = [i.isolated for i in universe.instruments]
        self._positions: PoolMargin | None = None
        self._mark: Floats = np.zeros(n)

    def position(self) -> Floats:
        """Return positions in contracts, (N,)."""
        return ticks.from_lots(np.array(self.lots), self.universe.sz_decimals)

    def reprice(self, mark: Floats) -> None:
        """Value positions at new marks, USD (N,)."""
        self._mark = mark
        self._positions = None

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

    def can_place(self, asset: int, side: int, units: int, lots: int) -> bool:
        """Tell whether free margin covers an order.

        Orders on the reducing side that together do not exceed the position need none.
        """
        if self.resting_lots[asset][side] + lots <= self._reducible(asset, side):
            return True
        pool = self._pool[asset]
        needed = self.reserved[pool] + self._initial(asset, units * lots)
        return needed <= self._free(pool) * MICRO

    def can_carry(self, asset: int, side: int, units: int, lots: int) -> bool:
        """Tell whether a fill leaves enough margin for the position it makes."""
        opened = lots - self._reducible(asset, side)
        if opened <= 0:
            return True
        return self._initial(asset, units * opened) <= self._free(self._pool[asset]) * MICRO

    def rest(self, asset: int, order: Order) -> None:
        """Reserve the margin of an order that now rests."""
        self.open[order.cloid] = (asset, order.oid)
        self._reserve(asset, order, 0, order.lots)

    def release(self, asset: int, order: Order, lots: int) -> None:
        """Give back the margin of a part of an order that traded or was removed."""
        self._reserve(asset, order, order.lots, order.lots - lots)
        if lots == order.lots:
            del self.open[order.cloid]

    def trade(self, asset: int, side: int, units: int, lots: int, fee: int) -> None:
        """Book a trade; side 0 buys, the fee is in micro-dollars."""
        self.cash[self._pool[asset]] -= fee
        self.fees_paid += fee
        closed = min(lots, self._reducible(asset, side))
        if closed:
            self._close(asset, side, units, closed)
        if lots > closed:
            self._open(asset, side, units, lots - closed)
        self._positions = None

    def pay_funding(self, asset: int, amount: int) -> None:
        """Pay micro-dollars of funding out of what margins the position."""
        self.funding_paid[asset] += amount
        if self._isolated[asset]:
            self.isolated_cash[asset] -= amount
        else:
            self.cash[self._pool[asset]] -= amount
        self._positions = None

    def forfeit(self, pool: int, amount: int) -> None:
        """Lose margin to the liquidator; a negative amount is bad debt it takes over."""
        self.cash[pool] -= amount
        self.forfeited += amount
        self._positions = None

    def _margin(self, resting: Floats) -> PoolMargin:
        return pool_margin(
            cash=np.array(self.cash) / MICRO,
            isolated_cash=np.array(self.isolated_cash) / MICRO,
            position=self.position(),
            mark=self._mark,
            resting=resting,
            leverage=self.universe.leverage,
            isolated=self.universe.isolated,
            pool=self.universe.pool,
            tiers=self.tiers,
        )

    def _free(self, pool: int) -> float:
        held = self.positions_margin()
        return float(held.equity[pool] - held.position_margin[pool])

    def _reducible(self, asset: int, side: int) -> int:
        return max(-self.lots[asset] if side == 0 else self.lots[asset], 0)

    def _initial(self, asset: int, notional: int) -> int:
        return -(-notional // self._leverage[asset])

    def _reserve(self, asset: int, order: Order, before: int, after: int) -> None:
        old, new = order.units * before, order.units * after
        self.resting[asset][order.side] += new - old
        self.resting_lots[asset][order.side] += after - before
        change = self._initial(asset, new) - self._initial(asset, old)
        self.reserved[self._pool[asset]] += change

    def _open(self, asset: int, side: int, units: int, lots: int) -> None:
        notional = units * lots
        self.lots[asset] += lots if side == 0 else -lots
        self.cost[asset] += notional
        flow = -notional if side == 0 else notional
        if self._isolated[asset]:
            given = self._initial(asset, notional)
            self.cash[self._pool[asset]] -= given
            self.isolated_cash[asset] += given + flow
        else:
            self.cash[self._pool[asset]] += flow

    def _close(self, asset: int, side: int, units: int, lots: int) -> None:
        held = abs(self.lots[asset])
        equity = self.isolated_cash[asset] + self.lots[asset] * units
        flow = -units * lots if side == 0 else units * lots
        self.lots[asset] += lots if side == 0 else -lots
        self.cost[asset] -= self.cost[asset] * lots // held
        if self._isolated[asset]:
            returned = equity if lots == held else max(equity, 0) * lots // held
            self.isolated_cash[asset] += flow - returned
            self.cash[self._pool[asset]] += returned
        else:
            self.cash[self._pool[asset]] += flow
