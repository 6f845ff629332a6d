"""Log volatility ℓ = level + excursion, observed through squared returns.

Per asset a slow level (the asset's usual volatility) and an excursion that reverts to zero (the
present episode), both stationary. An observation is z = ln(r²/Δt) + 1.270 of g(ℓ) = ln(e^{2ℓ} + ν),
where ν is the variance rate of price noise inside r². The update is the best linear one, with the
moments of g under the present law of ℓ by quadrature: without noise it is Kalman's, and where noise
dominates g hardly varies and the return says nothing about σ. MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtr

from portfolio_mm.config import Belief
from portfolio_mm.theory import log_chi2
from portfolio_mm.types import DAY_S, Floats, Ints

LN2 = math.log(2.0)

NODES, _weights = hermegauss(7)
WEIGHTS = _weights / _weights.sum()
"""Quadrature of a standard normal."""


class LogVolatility(NamedTuple):
    """Moments of (level, excursion), and sums of realised over predicted squared returns."""

    mean: Floats  # (N, 2)
    covariance: Floats  # (N, 2, 2)
    realised: Floats  # (N,) discounted sum of r²/Δt over E[σ²] + ν
    samples: Floats  # (N,) discounted count


def stationary(config: Belief, n: int) -> LogVolatility:
    """Return the stationary law of level and excursion."""
    mean, sd, _ = _prior(config)
    return LogVolatility(
        np.tile(mean, (n, 1)), np.tile(np.diag(sd**2), (n, 1, 1)), np.zeros(n), np.zeros(n)
    )


def predict(config: Belief, state: LogVolatility, dt: float) -> LogVolatility:
    """Advance by `dt` seconds: level and excursion revert to their stationary law."""
    mean, sd, half_life = _prior(config)
    e = np.exp(-LN2 * dt / half_life)
    covariance = state.covariance * np.outer(e, e) + np.diag(sd**2 * (1.0 - e * e))
    keep = math.exp(-LN2 * dt / config.tail_half_life_s)
    return LogVolatility(
        mean + (state.mean - mean) * e, covariance, keep * state.realised, keep * state.samples
    )


def observe(
    state: LogVolatility, asset: Ints, value: Floats, variance: Floats, noise: Floats
) -> LogVolatility:
    """Condition on one squared return for each of the assets, all (K,), no asset twice.

    The logarithm makes the filter insensitive to single large returns; `realised` keeps them, as
    the squared return over what was predicted for it.
    """
    column = state.covariance[asset].sum(axis=2)  # covariance of (level, excursion) with ℓ, (K, 2)
    sd = np.sqrt(column.sum(axis=1))
    log_sigma = state.mean[asset].sum(axis=1)[:, None] + sd[:, None] * NODES
    g = np.log(np.exp(2.0 * log_sigma) + noise[:, None])
    expected = g @ WEIGHTS
    surprise = g - expected[:, None]
    scale = surprise**2 @ WEIGHTS + variance
    slope = surprise @ (WEIGHTS * NODES) / sd  # of the regression of g on ℓ
    gain = column * (slope / scale)[:, None]
    mean, covariance = state.mean.copy(), state.covariance.copy()
    mean[asset] += gain * (value - expected)[:, None]
    covariance[asset] -= gain[:, :, None] * gain[:, None, :] * scale[:, None, None]
    realised, samples = state.realised.copy(), state.samples.copy()
    realised[asset] += np.exp(value + log_chi2.MEAN) / (sigma(state)[asset] ** 2 + noise)
    samples[asset] += 1.0
    return LogVolatility(mean, covariance, realised, samples)


def tail(config: Belief, state: LogVolatility) -> Floats:
    """Return the realised over predicted sd of returns, (N,), with a prior of one."""
    strength = config.tail_strength
    ratio: Floats = np.sqrt((state.realised + strength) / (state.samples + strength))
    return ratio


def sigma(state: LogVolatility) -> Floats:
    """Return √E[σ²] = exp(E ℓ + Var ℓ), (N,): uncertain volatility is priced as risk."""
    expected: Floats = np.exp(state.mean.sum(axis=1) + state.covariance.sum(axis=(1, 2)))
    return expected


def mean_sigma(state: LogVolatility) -> Floats:
    """Return E[σ] = exp(E ℓ + ½ Var ℓ), (N,): what products of returns of two assets scale with."""
    expected: Floats = np.exp(state.mean.sum(axis=1) + 0.5 * state.covariance.sum(axis=(1, 2)))
    return expected


def crisis(state: LogVolatility) -> Floats:
    """Return the probability that σ is above twice its long-run level, (N,)."""
    probability: Floats = ndtr((state.mean[:, 1] - LN2) / np.sqrt(state.covariance[:, 1, 1]))
    return probability


def _prior(config: Belief) -> tuple[Floats, Floats, Floats]:
    """Mean, sd and half-life of (level, excursion), (2,) each."""
    level = math.log(config.volatility_daily) - 0.5 * math.log(DAY_S)
    return (
        np.array([level, 0.0]),
        np.array([config.level_sd, config.excursion_sd]),
        np.array([config.level_half_life_s, config.excursion_half_life_s]),
    )
