"""How many takers are informed, and how far ahead they see: the likelihood of what fills tell.

A hypothesis is a pair (π, τ): a share π of takers knows fair value τ seconds ahead. What such a taker
knows lies N(v̂, s²) from our belief, with

    s² = Var v + σ² (t + τ)

where t is how long our quote could not be changed. That is the s² of the Glosten–Milgrom mixture, so
the hypothesis that explains the price moves after our fills is the one that prices the next quote.

The move m over the h seconds after a fill at depth δ, seen from our side, is under

    noise      N(0, ω²),  ω² = σ² (t + h) + 2 Var v
    informed   mean −f s φ(d)/Φ(−d),  d = δ/s,  where f = min(1, (t + h)/(t + τ)) has come out by then,
               variance f² s² (1 − m_d C) + σ² (t + h)(1 − f) + σ² max(h − τ, 0) + 2 Var v

taken as Gaussian. A small share of moves has nothing to do with either and keeps the influence of any
single fill bounded.
"""

from __future__ import annotations

import math

import numpy as np

from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.theory.linalg import Array

SHARES = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95])
"""π of the hypotheses."""

FORESIGHTS_S = np.array([0.0, 1.0, 3.0, 10.0, 30.0])
"""τ of the hypotheses, seconds; moves over some ten seconds do not tell longer ones apart."""

SHARE, FORESIGHT_S = (grid.ravel() for grid in np.meshgrid(SHARES, FORESIGHTS_S, indexing="ij"))
"""π and τ of every hypothesis, (G,)."""

STRAY = 0.05
"""Share of moves that no hypothesis explains, five times as wide as noise."""


def knowledge_variance(variance: Array, volatility: Array, seconds: Array | float) -> Array:
    """Return s² = Var v + σ² · seconds: how far from our belief an informed taker's may lie.

    `seconds` is the time the quote cannot be changed plus the foresight τ; all broadcast.
    """
    return variance + volatility * volatility * seconds


def log_likelihood(
    move: Array,
    depth: Array,
    variance: Array,
    volatility: Array,
    decay: Array,
    stale_s: float,
    horizon_s: float,
) -> Array:
    """Return ln p(m | hit, π, τ) of each fill under each hypothesis, (K, G).

    Parameters
    ----------
    move : (K,)
        s (v̂ after h seconds − v̂ when quoted), s = +1 where we bought.
    depth : (K,)
        δ of the quote from v̂ when quoted, ≥ 0.
    variance : (K,)
        Var v when quoted.
    volatility : (K,)
        σ with its tail factor, 1/√s.
    decay : (K,)
        κ of the side that was hit.
    stale_s, horizon_s
        t and h, seconds.
    """
    m, depth, var, sigma2, kappa = (
        column[:, None] for column in (move, depth, variance, volatility**2, decay)
    )
    s2 = knowledge_variance(variance[:, None], volatility[:, None], stale_s + FORESIGHT_S)
    reach = np.exp(-kappa * depth)
    # π = 1 gives the moments of the informed component alone.
    surprise = glosten_milgrom.adverse_selection(depth, s2, 1.0)
    known = glosten_milgrom.posterior(0.0, s2, -depth, 1, 1.0)[1]
    hit = glosten_milgrom.posterior(0.0, s2, -depth, 1, SHARE, reach)[2]
    out = np.minimum(1.0, (stale_s + horizon_s) / (stale_s + FORESIGHT_S))
    noise_variance = sigma2 * (stale_s + horizon_s) + 2.0 * var
    informed_variance = (
        out * out * known
        + sigma2 * (stale_s + horizon_s) * (1.0 - out)
        + sigma2 * np.maximum(horizon_s - FORESIGHT_S, 0.0)
        + 2.0 * var
    )
    density = (1.0 - STRAY) * (
        hit * _normal(m + out * surprise, informed_variance)
        + (1.0 - hit) * _normal(m, noise_variance)
    ) + STRAY * _normal(m, 25.0 * noise_variance)
    likelihood: Array = np.log(np.maximum(density, 1e-300))
    return likelihood


def _normal(deviation: Array, variance: Array) -> Array:
    density: Array = np.exp(-0.5 * deviation * deviation / variance) / np.sqrt(
        2.0 * math.pi * variance
    )
    return density
