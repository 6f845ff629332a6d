"""Log volatility ℓ = level + excursion, observed through squared returns.

Per asset a slow level (the asset's usual volatility) and an excursion that reverts to zero (the
present episode). An observation is z = ln(r²/Δt) + 1.270 of ln(e^{2ℓ} + ν), where ν is the variance
rate of price noise inside r²: where noise dominates, the gradient 2e^{2ℓ}/(e^{2ℓ} + ν) vanishes and
the return says nothing about σ. MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from portfolio_mm.config import Belief
from portfolio_mm.theory import log_chi2
from portfolio_mm.types import Floats, Ints

LN2 = math.log(2.0)


class LogVolatility(NamedTuple):
    """Moments of (level, excursion), and sums of realised and predicted squared returns."""

    mean: Floats  # (N, 2)
    covariance: Floats  # (N, 2, 2)
    realised: Floats  # (N,) discounted sum of r²/Δt over (σ² + ν)
    samples: Floats  # (N,) discounted count


def stationary(config: Belief, n: int) -> LogVolatility:
    """Return the prior of the level and the stationary law of the excursion."""
    level = math.log(config.volatility_daily) - 0.5 * math.log(86_400.0)
    mean = np.tile([level, 0.0], (n, 1))
    covariance = np.tile(np.diag([config.level_sd**2, config.excursion_sd**2]), (n, 1, 1))
    return LogVolatility(mean, covariance, np.zeros(n), np.zeros(n))


def predict(config: Belief, state: LogVolatility, dt: float) -> LogVolatility:
    """Advance by `dt` seconds: the level diffuses slowly, the excursion reverts."""
    e = math.exp(-LN2 * dt / config.excursion_half_life_s)
    transition = np.array([1.0, e])
    covariance = state.covariance * np.outer(transition, transition)
    covariance[:, 0, 0] += config.level_sd**2 * LN2 * dt / config.level_half_life_s
    covariance[:, 1, 1] += config.excursion_sd**2 * (1.0 - e * e)
    keep = math.exp(-LN2 * dt / config.tail_half_life_s)
    return LogVolatility(
        state.mean * transition, covariance, keep * state.realised, keep * state.samples
    )


def observe(
    state: LogVolatility, asset: Ints, value: Floats, variance: Floats, noise: Floats
) -> LogVolatility:
    """Condition on one squared return for each of the assets, all (K,).

    The logarithm makes the filter insensitive to single large returns; `realised` keeps them, as
    the squared return over what was predicted for it.
    """
    log_sigma = state.mean[asset].sum(axis=1)
    signal = np.exp(2.0 * log_sigma)
    gradient = 2.0 * signal / (signal + noise)
    column = state.covariance[asset].sum(axis=2)  # covariance of (level, excursion) with ℓ, (K, 2)
    scale = gradient**2 * column.sum(axis=1) + variance
    gain = column * (gradient / scale)[:, None]
    mean, covariance = state.mean.copy(), state.covariance.copy()
    mean[asset] += gain * (value - np.log(signal + noise))[:, None]
    covariance[asset] -= gain[:, :, None] * gain[:, None, :] * scale[:, None, None]
    realised, samples = state.realised.copy(), state.samples.copy()
    realised[asset] += np.exp(value + log_chi2.MEAN) / (signal + noise)
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


def crisis(state: LogVolatility) -> Floats:
    """Return the probability that σ is above twice its long-run level, (N,)."""
    probability: Floats = ndtr((state.mean[:, 1] - LN2) / np.sqrt(state.covariance[:, 1, 1]))
    return probability
