"""PnL by cause, adding up exactly.

Between two valuations at marks M₀ and M₁, with fills j of signed size q_j at price p_j,

    ΔE = Σ q_j (V_j − p_j)                      spread: distance from the fair value we quoted around
       + Σ q_j (M₁ − V_j) + y (M₁ − M₀)         adverse selection: moves on fills younger than h
       + (x − y) (M₁ − M₀)                      inventory: moves on everything older
       − fees − funding

x is the position and y its part from fills younger than the horizon h. The terms telescope, so the
sum over a run is the change of equity marked at M, whatever V and h are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.types import NS, Fill, Floats, FundingPayment, Ints


class Ledger(NamedTuple):
    """Cumulative PnL by cause, (N,) USD each, and what the next valuation needs."""

    spread: Floats
    adverse_selection: Floats
    inventory: Floats
    fees: Floats
    funding: Floats
    position: Floats  # (N,) contracts, from fills
    mark: Floats  # (N,) of the last valuation, NaN before the first
    young_asset: Ints  # (K,)
    young_size: Floats  # (K,) signed contracts
    young_until_ns: Ints  # (K,)


def opening(position: Floats) -> Ledger:
    """Return a ledger that starts with `position` (N,)."""
    zero = np.zeros(len(position))
    ints = np.zeros(0, dtype=np.int64)
    unmarked = np.full(len(position), np.nan)
    return Ledger(zero, zero, zero, zero, zero, position, unmarked, ints, np.zeros(0), ints)


def value(
    ledger: Ledger,
    time_ns: int,
    mark: Floats,
    fair: Floats,
    fills: tuple[Fill, ...],
    funding: tuple[FundingPayment, ...],
    horizon_s: float,
) -> Ledger:
    """Book one interval.

    Parameters
    ----------
    time_ns
        End of the interval.
    mark : (N,)
        Marks now; NaN keeps the last, and before the first is the fair value.
    fair : (N,)
        Fair values that the filled quotes were priced around, USD.
    fills, funding
        What happened in the interval.
    horizon_s
        h, seconds.
    """
    mark = np.where(np.isfinite(mark), mark, ledger.mark)
    mark = np.where(np.isfinite(mark), mark, fair)
    move = np.where(np.isfinite(ledger.mark), mark - ledger.mark, 0.0)
    n = len(mark)
    asset = np.array([fill.asset for fill in fills], dtype=np.int64)
    size = np.array([fill.side * fill.size for fill in fills])
    price = np.array([fill.price for fill in fills])

    young = np.bincount(ledger.young_asset, ledger.young_size, n)
    spread = np.bincount(asset, size * (fair[asset] - price), n)
    adverse = young * move + np.bincount(asset, size * (mark[asset] - fair[asset]), n)
    fees = np.bincount(asset, [fill.fee for fill in fills], n)
    paid = np.bincount([payment.asset for payment in funding], [p.usd for p in funding], n)

    until = np.array([fill.time_ns for fill in fills], dtype=np.int64) + round(horizon_s * NS)
    young_asset = np.concatenate([ledger.young_asset, asset])
    young_size = np.concatenate([ledger.young_size, size])
    young_until = np.concatenate([ledger.young_until_ns, until])
    stays = young_until > time_ns
    return Ledger(
        spread=ledger.spread + spread,
        adverse_selection=ledger.adverse_selection + adverse,
        inventory=ledger.inventory + (ledger.position - young) * move,
        fees=ledger.fees + fees,
        funding=ledger.funding + paid,
        position=ledger.position + np.bincount(asset, size, n),
        mark=mark,
        young_asset=young_asset[stays],
        young_size=young_size[stays],
        young_until_ns=young_until[stays],
    )


def total(ledger: Ledger) -> float:
    """Return the change of equity since the opening, USD."""
    return float(
        (
            ledger.spread
            + ledger.adverse_selection
            + ledger.inventory
            - ledger.fees
            - ledger.funding
        ).sum()
    )
