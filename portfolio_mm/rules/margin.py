"""Margin arithmetic of the venue: tiers, initial, maintenance, liquidation, pools.

A tier t holds from a notional b_t upwards and allows leverage L_t. With rate m_t = 1/(2 L_t) and
deduction d_t = d_{t-1} + b_t (m_t - m_{t-1}), d_0 = 0, the maintenance margin of a notional n is

    M(n) = n m_t - d_t = max_t ( n m_t - d_t )

The maximum is over all tiers: M is convex because rates increase. Initial margin of a position
is n / leverage, of a resting order its size times its limit price over leverage, and opposite
orders do not net. An isolated position is margined by the equity it was given, everything else
by the cross equity of its collateral pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from portfolio_mm.types import Bools, Floats, Ints, MarginTier


class TierTable(NamedTuple):
    """Tiers of N assets as columns; short tables repeat their last tier. Shape (N, T)."""

    rate: Floats
    deduction: Floats


class PoolMargin(NamedTuple):
    """Margin of one account. Pools (P,), assets (N,), all in USD."""

    equity: Floats  # (P,) isolated positions included
    cross_equity: Floats  # (P,) what cross positions and orders stand on
    position_margin: Floats  # (P,) initial margin of cross positions plus isolated equity
    order_margin: Floats  # (P,) initial margin of all resting orders
    maintenance: Floats  # (P,) isolated positions included
    cross_maintenance: Floats  # (P,)
    isolated_equity: Floats  # (N,) 0 where cross
    isolated_maintenance: Floats  # (N,) 0 where cross

    @property
    def free(self) -> Floats:
        """USD that new orders may still reserve, (P,)."""
        return self.equity - self.position_margin - self.order_margin

    @property
    def use(self) -> Floats:
        """Margin used over equity, (P,); infinite where margin stands on no equity."""
        used = self.position_margin + self.order_margin
        backed = self.equity > 0.0
        ratio = used / np.where(backed, self.equity, 1.0)
        return np.where(backed, ratio, np.where(used > 0.0, np.inf, 0.0))


def tier_table(tiers: Sequence[Sequence[MarginTier]]) -> TierTable:
    """Lay the tiers of N assets out as arrays; each list is sorted by its lower bound."""
    width = max(len(t) for t in tiers)
    padded = [[*t, *[t[-1]] * (width - len(t))] for t in tiers]
    bound = np.array([[tier.lower_bound for tier in t] for t in padded])
    rate = np.array([[0.5 / tier.max_leverage for tier in t] for t in padded])
    rise = np.diff(rate, axis=1, prepend=rate[:, :1])
    return TierTable(rate=rate, deduction=np.cumsum(bound * rise, axis=1))


def maintenance(notional: Floats, tiers: TierTable) -> Floats:
    """Return the maintenance margin M(n) in USD of notionals (N,)."""
    margin: Floats = np.max(notional[:, None] * tiers.rate - tiers.deduction, axis=1)
    return margin


def initial(notional: ArrayLike, leverage: ArrayLike) -> Floats:
    """Return the initial margin n / leverage in USD of positions or orders."""
    margin: Floats = np.divide(notional, leverage)
    return margin


def liquidation_price(
    position: Floats, mark: Floats, available: Floats, tiers: TierTable
) -> Floats:
    """Return the mark at which each position is liquidated, all else equal.

    The price p solves  E + q (p - mark) = M(|q| p),  so per tier, with s = sign q,

        p_t = (s mark - (E + d_t) / |q|) / (s - m_t)

    and the tier that holds at p gives the largest root for a long, the smallest for a short.

    Parameters
    ----------
    position
        q, contracts, (N,).
    mark
        USD, (N,).
    available
        E, USD (N,). Isolated: the position's equity. Cross: the pool's cross equity less the
        maintenance margin of its other positions.
    tiers
        Tier table of the N assets.

    Returns
    -------
    USD (N,), 0 where there is none: a flat position, or a long that no price endangers.
    """
    side = np.sign(position)[:, None]
    size = np.where(position == 0.0, 1.0, np.abs(position))[:, None]
    roots = (side * mark[:, None] - (available[:, None] + tiers.deduction) / size) / (
        side - tiers.rate
    )
    price = np.where(position > 0.0, roots.max(axis=1), roots.min(axis=1))
    return np.where(position == 0.0, 0.0, np.maximum(price, 0.0))


def pool_margin(
    *,
    cash: Floats,
    isolated_cash: Floats,
    position: Floats,
    mark: Floats,
    resting: Floats,
    leverage: Floats,
    isolated: Bools,
    pool: Ints,
    tiers: TierTable,
) -> PoolMargin:
    """Aggregate an account's positions and resting orders into margin per pool.

    Parameters
    ----------
    cash
        (P,) USD of each pool, net of the cost of its cross positions ("raw USD").
    isolated_cash
        (N,) USD inside isolated positions, net of their cost; 0 where cross or flat.
    position
        (N,) contracts.
    mark
        (N,) USD.
    resting
        (N, 2) USD of resting bids and asks at their limit prices.
    leverage
        (N,) chosen leverage.
    isolated
        (N,) margined alone.
    pool
        (N,) pool of each asset; a unified account gives several venues' assets one pool.
    tiers
        Tier table of the N assets.
    """
    pools = len(cash)
    value = position * mark
    notional = np.abs(value)
    required = maintenance(notional, tiers)
    alone = np.where(isolated & (position != 0.0), isolated_cash + value, 0.0)
    own = np.where(isolated, alone, initial(notional, leverage))
    orders = initial(resting.sum(axis=1), leverage)

    def total(per_asset: Floats) -> Floats:
        return np.bincount(pool, weights=per_asset, minlength=pools).astype(np.float64)

    cross_equity = cash + total(np.where(isolated, 0.0, value))
    return PoolMargin(
        equity=cross_equity + total(alone),
        cross_equity=cross_equity,
        position_margin=total(own),
        order_margin=total(orders),
        maintenance=total(required),
        cross_maintenance=total(np.where(isolated, 0.0, required)),
        isolated_equity=alone,
        isolated_maintenance=np.where(isolated, required, 0.0),
    )


def portfolio_liquidation_prices(
    margin: PoolMargin,
    *,
    position: Floats,
    mark: Floats,
    isolated: Bools,
    pool: Ints,
    tiers: TierTable,
) -> Floats:
    """Return each position's liquidation price within its account, USD (N,), 0 where none."""
    own = maintenance(np.abs(position * mark), tiers)
    others = (margin.cross_equity - margin.cross_maintenance)[pool] + own
    available = np.where(isolated, margin.isolated_equity, others)
    return liquidation_price(position, mark, available, tiers)
