"""Arrival a and depth decay κ of takers, per side: conjugate Gamma updates with forgetting.

Sweeps arrive at rate a and reach an exponential depth of rate κ, so after n sweeps in T seconds
whose reaches sum to R the posterior means are

    a = (n + a₀ T₀) / (T + T₀),    κ = (n + n₀) / (R + n₀/κ₀),

with priors (a₀, κ₀) worth T₀ seconds and n₀ sweeps. Sums forget with time constant τ; the prior does
not, so that a market that falls silent returns to it. MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.config import Belief
from portfolio_mm.types import Floats


class Intensity(NamedTuple):
    """Discounted sums."""

    sweeps: Floats  # (N, 2)
    reach: Floats  # (N, 2)
    exposure: Floats  # (N,) s


def prior(n: int) -> Intensity:
    """Return the state before any sweep."""
    return Intensity(np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n))


def observe(
    config: Belief, state: Intensity, takers: Floats, reach: Floats, exposure: Floats, dt: float
) -> Intensity:
    """Add one cycle's counts, forgetting by `dt` seconds."""
    keep = math.exp(-dt / config.window_s)
    return Intensity(
        keep * state.sweeps + takers, keep * state.reach + reach, keep * state.exposure + exposure
    )


def arrival(config: Belief, state: Intensity) -> Floats:
    """Return a, (N, 2), takers per second."""
    strength = config.arrival_strength_s
    rate: Floats = (state.sweeps + config.arrival * strength) / (state.exposure[:, None] + strength)
    return rate


def decay(config: Belief, state: Intensity) -> Floats:
    """Return κ, (N, 2), 1/fraction, always positive."""
    strength = config.decay_strength
    rate: Floats = (state.sweeps + strength) / (state.reach + strength / config.decay)
    return rate
