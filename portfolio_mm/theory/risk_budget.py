"""Risk aversion that meets a volatility budget.

Fills kick inventory about and skewed quotes pull it back. The stationary covariance of
inventory follows from a Lyapunov equation, the daily volatility of the account from that, and
the risk aversion that brings it to the user's budget is the root of a decreasing function.

Source: MODEL section 3.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq

from portfolio_mm.theory import closed_form
from portfolio_mm.theory.linalg import Array, ArrayLike, lyapunov
from portfolio_mm.types import DAY_S

GAMMA_RANGE = (1e-15, 1e3)
"""Risk aversions, 1/USD, among which `gamma_for_budget` looks for its root."""


def inventory_covariance(
    gamma: float,
    covariance: ArrayLike,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    *,
    cost: ArrayLike = 0.0,
    flow_covariance: ArrayLike = 0.0,
) -> Array:
    """Stationary covariance X of inventory under the closed-form quotes: RX + XRᵀ = Q.

    With the fill rate λ* = a exp(−κδ*) of each quote at zero inventory::

        Q = diag(z² (λ*ᵇ + λ*ᵃ)) + flow covariance
        R = diag(z (λ*ᵇ κᵇ + λ*ᵃ κᵃ)) · 2A

    Parameters
    ----------
    gamma
        γ, 1/USD.
    covariance, arrival, decay, size, cost
        As in `closed_form.solve`.
    flow_covariance
        Covariance of fills beyond independent arrivals, (N, N), USD²/s.

    Returns
    -------
    Array, (N, N), USD².

    Raises
    ------
    ValueError
        As `closed_form.solve`.

    Source: MODEL section 3.
    """
    quotes = closed_form.solve(covariance, gamma, arrival, decay, size, cost=cost)
    kappa = np.asarray(decay, dtype=np.float64)
    z = np.asarray(size, dtype=np.float64)
    rate = np.asarray(arrival, dtype=np.float64) * np.exp(-kappa * quotes.half_width)
    noise = np.diag(z * z * rate.sum(axis=1)) + np.asarray(flow_covariance, dtype=np.float64)
    gain = z * (rate * kappa).sum(axis=1)
    floor = closed_form.LIQUIDITY_FLOOR * (gain.max() or 1.0)
    return lyapunov(2.0 * quotes.curvature, noise, np.maximum(gain, floor))


def inventory_volatility(
    gamma: float,
    covariance: ArrayLike,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    *,
    cost: ArrayLike = 0.0,
    flow_covariance: ArrayLike = 0.0,
) -> float:
    """Daily volatility of the value of inventory, √(86 400 tr(ΣX)), USD; decreasing in γ.

    Parameters as in `inventory_covariance`.
    """
    held = inventory_covariance(
        gamma, covariance, arrival, decay, size, cost=cost, flow_covariance=flow_covariance
    )
    return math.sqrt(DAY_S * float(np.sum(np.asarray(covariance) * held)))


def gamma_for_budget(
    covariance: ArrayLike,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    daily_vol_usd: float,
    *,
    cost: ArrayLike = 0.0,
    flow_covariance: ArrayLike = 0.0,
    start: float = 1e-3,
) -> float:
    """Risk aversion at which inventory risk meets the budget: inventory_volatility(γ) = budget.

    Volatility goes as γ^(−¼) over most of its range, so the root is bracketed by steps of that
    slope from `start` in ln γ; from the last root it takes a handful of evaluations.

    Parameters
    ----------
    covariance, arrival, decay, size, cost
        As in `closed_form.solve`.
    daily_vol_usd
        Budget νE, USD per √day.
    flow_covariance
        As in `inventory_covariance`.
    start
        First guess, 1/USD: the last root where there is one.

    Returns
    -------
    float, 1/USD.

    Raises
    ------
    ValueError
        Where no γ of `GAMMA_RANGE` meets the budget, or an argument is invalid.

    Source: MODEL section 3.
    """
    if not 0.0 < daily_vol_usd < math.inf:
        raise ValueError(f"daily_vol_usd must be positive and finite, got {daily_vol_usd}")
    lowest, highest = (math.log(gamma) for gamma in GAMMA_RANGE)

    def excess(log_gamma: float) -> float:
        volatility = inventory_volatility(
            math.exp(log_gamma),
            covariance,
            arrival,
            decay,
            size,
            cost=cost,
            flow_covariance=flow_covariance,
        )
        return math.log(max(volatility, 1e-300) / daily_vol_usd)

    here = min(max(math.log(start), lowest), highest)
    value = excess(here)
    while value != 0.0:
        # Half as far again as the slope −¼ says, so that the root is passed, not approached.
        there = min(max(here + 6.0 * value + math.copysign(1e-3, value), lowest), highest)
        beyond = excess(there)
        if (beyond > 0.0) != (value > 0.0):
            return math.exp(brentq(excess, min(here, there), max(here, there), xtol=1e-12))
        if there in (lowest, highest):
            raise ValueError(
                f"daily_vol_usd = {daily_vol_usd:g} cannot be met by a risk aversion between "
                f"{GAMMA_RANGE[0]:g} and {GAMMA_RANGE[1]:g} per USD: inventory volatility is "
                f"{daily_vol_usd * math.exp(beyond):.6g} USD a day at {math.exp(there):g}"
            )
        here, value = there, beyond
    return math.exp(here)
