"""The correlation of asynchronous returns, shrunk to a few factors.

Products of standardised returns are averaged with exponential forgetting. Two assets sampled at the
same instant whose last samples lie Δ_i and Δ_j back share min(Δ_i, Δ_j) of diffusion, so

    E[z_i z_j] = ρ_ij min(Δ_i, Δ_j) / √(Δ_i Δ_j),    z = r / (σ √Δ),

and ρ_ij is the ratio of the two running sums, with a prior worth a stated number of samples.
The result is replaced by its factor model C = G Gᵀ + diag(1 − G²), which is positive definite by
construction and does not see an asset that is uncorrelated with all others. MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.config import Belief
from portfolio_mm.types import Floats

MAX_COMMUNALITY = 0.98
"""Every asset keeps some variance of its own, so that C is positive definite."""

ITERATIONS = 5


class Correlation(NamedTuple):
    """Running sums and the factor model made of them."""

    product: Floats  # (N, N) sum of z_i z_j
    overlap: Floats  # (N, N) sum of min(Δ_i, Δ_j) / √(Δ_i Δ_j)
    loadings: Floats  # (N, K) G


def prior(config: Belief, n: int) -> Correlation:
    """Return the state before any return."""
    zero = np.zeros((n, n))
    return Correlation(zero, zero, _loadings(config, zero, zero))


def observe(
    config: Belief, state: Correlation, returns: Floats, interval: Floats, sigma: Floats, dt: float
) -> Correlation:
    """Add the returns that are due in this cycle (NaN elsewhere), forgetting by `dt` seconds."""
    due = np.isfinite(returns)
    keep = math.exp(-math.log(2.0) * dt / config.correlation_half_life_s)
    if due.sum() < 2:  # a lone return has no partner
        return Correlation(keep * state.product, keep * state.overlap, state.loadings)
    root = np.sqrt(interval)
    z = np.where(due, returns, 0.0) / (sigma * root)
    shared = np.minimum.outer(interval, interval) / np.outer(root, root)
    product = keep * state.product + np.outer(z, z)
    overlap = keep * state.overlap + shared * np.outer(due, due)
    return Correlation(product, overlap, _loadings(config, product, overlap))


def matrix(state: Correlation) -> Floats:
    """Return C = G Gᵀ + diag(1 − G²), (N, N)."""
    correlation: Floats = state.loadings @ state.loadings.T
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _loadings(config: Belief, product: Floats, overlap: Floats) -> Floats:
    """Return G by iterated principal factors: the best K factors off the diagonal."""
    strength = config.correlation_strength
    raw = (product + strength * config.correlation) / (overlap + strength)
    raw = np.clip(raw, -MAX_COMMUNALITY, MAX_COMMUNALITY)
    np.fill_diagonal(raw, 0.0)
    communality = np.abs(raw).max(axis=1)
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
