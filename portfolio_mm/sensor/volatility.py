"""Squared returns as observations of log variance, and the price noise inside them.

A return between two micro-prices is r = Δv + e − e₋ with errors e. Independent errors would add twice
their variance to r². But a quoted price may also follow fair value smoothly, so how much of that
shows in returns is measured: consecutive returns share one error with opposite signs, hence
E[r₋ r] = −Var e, and

    share = Σ(−r₋ r) / ΣR,   0 ≤ share ≤ 1,

with R the variance that the spread allows the shared error. Errors that persist from sample to
sample cancel in returns and in their product alike. Nothing is subtracted that was not measured:
the prior is a share of zero.

Source: Roll, "A simple implicit measure of the effective bid-ask spread" (1984); Zhou,
"High-frequency data and volatility in foreign-exchange rates" (1996).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.theory import log_chi2
from portfolio_mm.types import Bools, Floats

STRENGTH = 20.0
"""Samples that the prior of no noise is worth."""

MEMORY = 720.0
"""Samples after which a product has lost all but 1/e of its weight."""


class Noise(NamedTuple):
    """Running sums behind the share, (N,) each."""

    last: Floats  # the last return, 0 before the first
    product: Floats  # discounted sum of −r₋ r
    allowed: Floats  # discounted sum of R


def quiet(n: int) -> Noise:
    """Return the state before any return."""
    return Noise(np.zeros(n), np.zeros(n), np.zeros(n))


def observe(noise: Noise, sampled: Bools, returns: Floats, shared: Floats) -> Noise:
    """Add the returns of the assets that are `sampled`.

    `shared` (N,) is R of the price that a return starts from, where the one before it ended.
    """
    keep = 1.0 - 1.0 / MEMORY
    paired = sampled & (noise.last != 0.0)
    return Noise(
        np.where(sampled, returns, noise.last),
        np.where(paired, keep * noise.product - noise.last * returns, noise.product),
        np.where(paired, keep * noise.allowed + shared, noise.allowed),
    )


def share(noise: Noise, variance: Floats) -> Floats:
    """Return the part of R that shows in returns, (N,); `variance` is R now."""
    ratio: Floats = noise.product / (noise.allowed + STRENGTH * variance)
    return np.clip(ratio, 0.0, 1.0)


def log_variance(returns: Floats, interval: Floats, half_spread: Floats, tick: Floats) -> Floats:
    """Return ln(r²/Δt) + 1.270, an observation of ln(σ² + noise) with variance π²/2.

    Prices are discrete, and a return below their resolution q says no more than |r| < q, where a
    uniform law has E ln r² = ln q² − 2: that is the smallest value taken. A price that did not move
    at all tells only that fair value stayed within the spread.

    Parameters
    ----------
    returns : (K,)
        Log returns over `interval` seconds.
    half_spread, tick : (K,)
        Fractions of the price; q is the half-spread for a return of zero, half a tick otherwise.
    """
    resolution = np.where(returns == 0.0, half_spread, 0.5 * tick)
    squared = np.maximum(returns * returns, resolution * resolution * math.exp(-2.0))
    z: Floats = np.log(squared / interval) - log_chi2.MEAN
    return z
