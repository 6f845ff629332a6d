"""Growth-optimal exposure: how much gross inventory the expected edge justifies.

    S* = φ E m / (ŵᵀΣŵ T̄)

A dollar quoted earns m and is exposed for T̄ to the variance of the quoted basket ŵ. Correlation
raises ŵᵀΣŵ and so shrinks S*. MODEL section 3.
"""

from __future__ import annotations

import math

from portfolio_mm.types import Floats


def exposure(
    kelly_fraction: float,
    equity: float,
    covariance: Floats,
    arrival: Floats,
    decay: Floats,
    size: Floats,
) -> float:
    """Return S*, USD of worst-side gross exposure.

    The basket ŵ is what trades: the reference sizes weighted by how often they are reached. A quote
    at the monopoly depth 1/κ earns m = 1/κ and is filled at rate a/e, so the edge is the weighted
    mean of 1/κ and the holding time that of e/a. Infinite where nothing trades: nothing is quoted
    then either.

    Parameters
    ----------
    covariance : (N, N)
        Σ, 1/s.
    arrival, decay : (N, 2)
        a in 1/s and κ in 1/fraction.
    size : (N,)
        z, USD.
    """
    volume = size * arrival.mean(axis=1)
    if not volume.any():
        return math.inf
    weight = volume / volume.sum()
    edge = float(weight @ (1.0 / decay).mean(axis=1))
    holding = math.e * float(size[volume > 0].sum() / volume.sum())
    variance = float(weight @ covariance @ weight)
    return kelly_fraction * equity * edge / (variance * holding)
