"""What one account holds: an exact ledger of cash and positions.

A price unit times a lot is a micro-dollar for every asset, so cash is kept as integers of 1e-6 USD
and fees and funding are rounded to one: the ledger adds up exactly.

An isolated position holds its own cash. Opening it moves its initial margin there from the pool,
reducing it gives back the same share of its equity, closing it gives back all.

A standard account has a pool per deployer and spot dollars beside them; a unified account has one
pool for everything, and spot is that pool. Leverage and isolation are the account's own terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Floats, Universe

Mode = Literal["standard", "unified"]
SPOT = "spot"


class Holdings:
    """Cash per pool, and positions with their terms."""

    def __init__(self, universe: Universe, deposit: Sequence[int], mode: Mode) -> None:
        n = len(universe)
        self.universe = universe
        self.spot = 0
        self.isolated_cash = [0] * n
        self.lots = [0] * n
        self.cost = [0] * n  # of the open lots, unsigned
        self.held = 0  # assets with a position
        self.funding_paid = [0] * n
        self.funding_since_open = [0] * n
        self.funding_since_change = [0] * n
        self.fees_paid = 0
        self.forfeited = 0
        self.volume = 0
        self.leverage = [i.leverage for i in universe.instruments]
        self.isolated = [i.isolated for i in universe.instruments]
        self.lay_out(mode, deposit)

    def lay_out(self, mode: Mode, cash: Sequence[int]) -> None:
        """Arrange the pools of a mode, with so much cash in each."""
        self.mode: Mode = mode
        self.cash = list(cash)  # per pool, net of the cost of cross positions
        unified = mode == "unified"
        self.pool = [0 if unified else i.pool for i in self.universe.instruments]
        self.changed()

    def changed(self) -> None:
        """Hear that cash or a position changed."""

    def unify(self) -> None:
        """Put every pool and spot into one."""
        self.lay_out("unified", [sum(self.cash) + self.spot])
        self.spot = 0

    def separate(self) -> None:
        """Give every deployer its own empty pool and leave all dollars in spot."""
        self.spot = sum(self.cash)
        self.lay_out("standard", [0] * len(self.universe.pools))

    def pool_at(self, place: str) -> int | None:
        """Return the pool of a place, spot or a deployer; None for the spot of its own.

        Raises
        ------
        ValueError
            When there is no such place.
        """
        if place != SPOT and place not in self.universe.pools:
            raise ValueError(place)
        if self.mode == "unified":
            return 0
        return None if place == SPOT else self.universe.pools.index(place)

    def balance(self, place: str) -> int:
        """Return the cash of a place in micro-dollars, net of the cost of cross positions."""
        pool = self.pool_at(place)
        return self.spot if pool is None else self.cash[pool]

    def credit(self, place: str, amount: int) -> None:
        """Add micro-dollars to a place."""
        pool = self.pool_at(place)
        if pool is None:
            self.spot += amount
        else:
            self.cash[pool] += amount
        self.changed()

    def shift_isolated(self, asset: int, amount: int) -> None:
        """Move micro-dollars from the pool into an isolated position, or back."""
        self.cash[self.pool[asset]] -= amount
        self.isolated_cash[asset] += amount
        self.changed()

    def position(self) -> Floats:
        """Return positions in contracts, (N,)."""
        return ticks.from_lots(np.array(self.lots), self.universe.sz_decimals)

    def reducible(self, asset: int, side: int) -> int:
        """Return the lots of the position that an order on this side would close."""
        return max(-self.lots[asset] if side == 0 else self.lots[asset], 0)

    def initial(self, asset: int, notional: int) -> int:
        """Return the initial margin of micro-dollars of notional, rounded up."""
        return -(-notional // self.leverage[asset])

    def trade(self, asset: int, side: int, units: int, lots: int, fee: int) -> int:
        """Book a trade; side 0 buys, the fee is in micro-dollars. Return the profit it closed."""
        self.cash[self.pool[asset]] -= fee
        self.fees_paid += fee
        self.volume += units * lots
        self.held -= self.lots[asset] != 0
        closed = min(lots, self.reducible(asset, side))
        profit = self._close(asset, side, units, closed) if closed else 0
        if self.lots[asset] == 0:
            self.funding_since_open[asset] = 0
        self.funding_since_change[asset] = 0
        if lots > closed:
            self._open(asset, side, units, lots - closed)
        self.held += self.lots[asset] != 0
        self.changed()
        return profit

    def pay_funding(self, asset: int, amount: int) -> None:
        """Pay micro-dollars of funding out of what margins the position."""
        for total in (self.funding_paid, self.funding_since_open, self.funding_since_change):
            total[asset] += amount
        if self.isolated[asset]:
            self.isolated_cash[asset] -= amount
        else:
            self.cash[self.pool[asset]] -= amount
        self.changed()

    def forfeit(self, pool: int, amount: int) -> None:
        """Lose margin to the liquidator; a negative amount is bad debt it takes over."""
        self.cash[pool] -= amount
        self.forfeited += amount
        self.changed()

    def _open(self, asset: int, side: int, units: int, lots: int) -> None:
        notional = units * lots
        self.lots[asset] += lots if side == 0 else -lots
        self.cost[asset] += notional
        flow = -notional if side == 0 else notional
        if self.isolated[asset]:
            given = self.initial(asset, notional)
            self.cash[self.pool[asset]] -= given
            self.isolated_cash[asset] += given + flow
        else:
            self.cash[self.pool[asset]] += flow

    def _close(self, asset: int, side: int, units: int, lots: int) -> int:
        held = abs(self.lots[asset])
        equity = self.isolated_cash[asset] + self.lots[asset] * units
        flow = -units * lots if side == 0 else units * lots
        cost = self.cost[asset] * lots // held
        self.lots[asset] += lots if side == 0 else -lots
        self.cost[asset] -= cost
        if self.isolated[asset]:
            returned = equity if lots == held else max(equity, 0) * lots // held
            self.isolated_cash[asset] += flow - returned
            self.cash[self.pool[asset]] += returned
        else:
            self.cash[self.pool[asset]] += flow
        return flow + (cost if side == 0 else -cost)
