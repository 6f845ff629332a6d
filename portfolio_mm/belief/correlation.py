"""The correlation of asynchronous returns, shrunk to a few factors.

Two returns share the time during which both ran. With o_ij that overlap over √(Δ_i Δ_j),

    E[z_i z_j] = ρ_ij o_ij,    z = r / (E[σ] √Δ),

so ρ_ij is the regression Σ o z_i z_j / Σ o², with exponential forgetting and a prior worth a stated
number of samples: assets that are quoted at different times are not taken for uncorrelated ones.
The result is replaced by its factor model C = G Gᵀ + diag(1 − G²), which is positive definite by
construction and does not see an asset that is uncorrelated with all others. The communalities G²
start from the last ones and settle along the samples. MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.config import Belief
from portfolio_mm.types import Floats

MAX_COMMUNALITY = 0.98
"""Every asset keeps some variance of its own, so that C is positive definite."""

ITERATIONS = 2
"""Steps of the principal-factor iteration per sample."""


class Correlation(NamedTuple):
    """Running sums and the factor model made of them."""

    product: Floats  # (N, N) sum of o_ij z_i z_j
    overlap: Floats  # (N, N) sum of o_ij²
    loadings: Floats  # (N, K) G


def prior(config: Belief, n: int) -> Correlation:
    """Return the state before any return."""
    zero = np.zeros((n, n))
    communality = np.full(n, config.correlation)
    return Correlation(zero, zero, _loadings(config, zero, zero, communality))


def observe(
    config: Belief,
    state: Correlation,
    returns: Floats,
    interval: Floats,
    age: Floats,
    sigma: Floats,
    dt: float,
) -> Correlation:
    """Add the returns of this cycle, forgetting by `dt` seconds.

    Parameters
    ----------
    returns : (N,)
        Log returns, NaN where none is due.
    interval, age : (N,)
        Seconds that a return spans, and since it ended.
    sigma : (N,)
        E[σ], 1/√s.
    """
    due = np.isfinite(returns)
    keep = math.exp(-math.log(2.0) * dt / config.correlation_half_life_s)
    product, overlap = keep * state.product, keep * state.overlap
    if due.sum() < 2:  # a lone return has no partner
        return Correlation(product, overlap, state.loadings)
    both = np.minimum.outer(-age, -age) - np.maximum.outer(-age - interval, -age - interval)
    shared = np.maximum(both, 0.0) / np.sqrt(np.outer(interval, interval)) * np.outer(due, due)
    z = np.where(due, returns, 0.0) / (sigma * np.sqrt(interval))
    product += shared * np.outer(z, z)
    overlap += shared * shared
    communality = (state.loadings**2).sum(axis=1)
    return Correlation(product, overlap, _loadings(config, product, overlap, communality))


def matrix(state: Correlation) -> Floats:
    """Return C = G Gᵀ + diag(1 − G²), (N, N)."""
    correlation: Floats = state.loadings @ state.loadings.T
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _loadings(config: Belief, product: Floats, overlap: Floats, communality: Floats) -> Floats:
    """Return G by iterated principal factors: the best K factors off the diagonal."""
    strength = config.correlation_strength
    raw = (product + strength * config.correlation) / (overlap + strength)
    raw = np.clip(raw, -MAX_COMMUNALITY, MAX_COMMUNALITY)
    np.fill_diagonal(raw, 0.0)
    for _ in range(ITERATIONS):
        np.fill_diagonal(raw, communality)
        values, vectors = np.linalg.eigh(raw)
        top = slice(-1, -1 - config.factors, -1)
        loadings = vectors[:, top] * np.sqrt(np.maximum(values[top], 0.0))
        communality = np.minimum((loadings**2).sum(axis=1), MAX_COMMUNALITY)
    total = (loadings**2).sum(axis=1)
    scale: Floats = np.sqrt(communality / np.where(total > 0, total, 1.0))
    scaled: Floats = loadings * scale[:, None]
    return scaled
