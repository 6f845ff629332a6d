"""Risk of a run in numbers: equity, drawdown, exposure, margin, and Gaussian tails.

Equity is the opening equity plus the PnL attributed so far, so that it is exact at every cycle; what
the venue reports lags it by the latency of its messages and is kept as a check.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from portfolio_mm.report.columns import Cycles, History
from portfolio_mm.types import DAY_S, Bools, Floats

CONFIDENCE = 0.99
CAUSES = ("spread", "adverse selection", "inventory", "fees", "funding")


def attributed(cycles: Cycles) -> Floats:
    """Return cumulative PnL by cause, (T, N, 5) USD in the order of `CAUSES`, > 0 gained."""
    return np.stack(
        [
            cycles.spread,
            cycles.adverse_selection,
            cycles.inventory_pnl,
            -cycles.fees,
            -cycles.funding,
        ],
        axis=2,
    )


def equity(cycles: Cycles) -> Floats:
    """Return opening equity + attributed PnL, (T,) USD."""
    curve: Floats = cycles.equity[0].sum() + attributed(cycles).sum(axis=(1, 2))
    return curve


def drawdown(curve: Floats) -> Floats:
    """Return 1 − E_t / max_{s ≤ t} E_s, (T,)."""
    fall: Floats = 1.0 - curve / np.maximum.accumulate(curve)
    return fall


class Accounts(NamedTuple):
    """How well the books agree, USD."""

    gross: float  # Σ |PnL| over assets and causes
    residual: float  # equity last reported − equity attributed
    ledger_residual: float  # equity recomputed from fills and last marks − equity attributed
    reported: Bools  # (T,) cycles with a new account report
    residuals: Floats  # (T,) equity reported − equity attributed


def accounts(history: History) -> Accounts:
    """Check attribution against the venue's equity and against the fills.

    The ledger knows only cash and positions: −Σ q_j p_j − fees − funding + Σ x M − Σ x₀ M₀, with M the
    last mark, that of the venue's last report, which its equity is valued at, too, and x₀, M₀ those of
    the opening.
    """
    cycles, fills = history.cycles, history.fills
    curve = equity(cycles)
    residuals = cycles.equity.sum(axis=1) - curve
    signed = fills.side * fills.size
    opening = history.position
    position = opening + np.bincount(fills.asset, signed, len(history.universe))
    held, began = position != 0, opening != 0
    value = float(position[held] @ last_known(cycles.mark)[held])
    value -= float(opening[began] @ last_known(cycles.mark[::-1])[began])
    cash = -float(signed @ fills.price) - float(fills.fee.sum()) - float(cycles.funding[-1].sum())
    return Accounts(
        gross=float(np.abs(attributed(cycles)[-1]).sum()),
        residual=float(residuals[-1]),
        ledger_residual=cash + value - float(curve[-1] - curve[0]),
        reported=np.diff(cycles.account_ns, prepend=0) > 0,
        residuals=residuals,
    )


def last_known(values: Floats) -> Floats:
    """Return the last finite row entry of every column of (T, N), NaN where there is none."""
    finite = np.isfinite(values)
    last = len(values) - 1 - finite[::-1].argmax(axis=0)
    known: Floats = values[last, np.arange(values.shape[1])]
    return known


def gross_exposure(inventory: Floats) -> Floats:
    """Return Σ |x_i|, over the last axis, USD."""
    gross: Floats = np.abs(inventory).sum(axis=-1)
    return gross


def margin_use(cycles: Cycles) -> Floats:
    """Return (initial margin of positions + of resting orders) / equity, (T, P)."""
    used = cycles.position_margin + cycles.order_margin
    without_equity = np.where(used > 0, np.inf, 0.0)
    return np.divide(used, cycles.equity, out=without_equity, where=cycles.equity > 0)


def volatility_per_day(variance: Floats) -> Floats:
    """Return √(86 400 xᵀΣx), USD per square root of a day, from variances in USD²/s."""
    volatility: Floats = np.sqrt(DAY_S * variance)
    return volatility


class Tail(NamedTuple):
    """Gaussian risk of an inventory over one day."""

    volatility: float  # USD
    value_at_risk: float  # USD
    expected_shortfall: float  # USD
    share: Floats  # (N,) of the variance; sums to 1, or 0 when flat


def gaussian_tail(inventory: Floats, covariance: Floats, confidence: float = CONFIDENCE) -> Tail:
    """Return the analytic Gaussian tail of the daily PnL of an inventory that is held.

    With S = √(86 400 xᵀΣx) and z = Φ⁻¹(confidence),

        VaR = z S,    ES = S φ(z) / (1 − confidence)

    Both are homogeneous of degree one, so Euler's components x_i ∂VaR/∂x_i = VaR · share_i, with
    share_i = x_i (Σx)_i / xᵀΣx, sum to the total; so do those of ES and of the volatility.

    Parameters
    ----------
    inventory : (N,)
        x, USD.
    covariance : (N, N)
        Σ, 1/s.
    """
    marginal = inventory * (covariance @ inventory)
    variance = float(marginal.sum())
    if variance <= 0.0:
        return Tail(0.0, 0.0, 0.0, np.zeros_like(inventory))
    z = float(ndtri(confidence))
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    deviation = math.sqrt(DAY_S * variance)
    return Tail(
        volatility=deviation,
        value_at_risk=z * deviation,
        expected_shortfall=deviation * density / (1.0 - confidence),
        share=marginal / variance,
    )


def correlation(covariance: Floats) -> Floats:
    """Return the correlations of a covariance matrix, (N, N)."""
    sigma = np.sqrt(covariance.diagonal())
    matrix: Floats = covariance / np.outer(sigma, sigma)
    return matrix
