"""What a fill says about fair value, and what that costs.

A quote is hit either by an informed trader, who knows v and trades only where it pays, or by a
noise trader, who reaches depth δ with probability ρ on either side with even chances. The
distribution of v given the fill is a mixture of the prior N(v̂, s²) and of the prior truncated
at the quote; belief update, adverse-selection charge and smallest depth all read the same
mixture, so the charge for a fill is the expected move of the belief.

Source: Glosten and Milgrom, "Bid, ask and transaction prices in a specialist market with
heterogeneously informed traders" (1985); MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import erfcx, expit, log_ndtr

from portfolio_mm.theory.linalg import Array, ArrayLike

_SMALLEST = float(np.finfo(np.float64).tiny)
_FLATTEST = 1.1615278842
"""Where 1/d + 1/C(d) is smallest."""
_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


class _Mixture(NamedTuple):
    """Fill at d standard deviations below the mean, in units of the prior.

    `informed` is P(informed | hit), `hazard` is m = φ(d)/Φ(−d), `excess` is C = m − d > 0; the
    truncated normal has mean −m and variance 1 − mC.
    """

    informed: Array
    hazard: Array
    excess: Array


def _hazard(d: Array) -> tuple[Array, Array]:
    """m(d) = φ(d)/Φ(−d) and C(d) = m − d, both positive; C is about 1/d for large d.

    C is the difference of two nearly equal numbers beyond d = 25, where the first levels of its
    continued fraction 1/(d + 2/(d + 3/(d + ...))) are exact to rounding instead.
    """
    hazard = np.asarray(_SQRT_2_OVER_PI / erfcx(_SQRT_HALF * d))
    excess = hazard - d
    if d.max(initial=0.0) < 25.0:
        return hazard, excess
    far = np.maximum(d, 25.0)
    fraction = far
    for level in (7.0, 6.0, 5.0, 4.0, 3.0, 2.0):
        fraction = far + level / fraction
    return hazard, np.where(d < 25.0, excess, 1.0 / fraction)


def _informed_share(log_probability: ArrayLike, informed: ArrayLike, reach: ArrayLike) -> Array:
    """P(informed | hit) = πp / (πp + (1−π)ρ/2) for an informed trader who hits with ln p given.

    In logarithms, so that it holds where both terms underflow.
    """
    pi = np.asarray(informed, dtype=np.float64)
    reached = np.maximum(np.asarray(reach, dtype=np.float64), _SMALLEST)
    noise = np.asarray(0.5 * (1.0 - pi) * reached)
    with np.errstate(divide="ignore"):
        odds = np.log(pi) - np.log(noise) + np.asarray(log_probability)
    return np.asarray(expit(odds))


def _mixture(d: Array, informed: ArrayLike, reach: ArrayLike) -> _Mixture:
    """Condition a standard normal on a fill at −d."""
    hazard, excess = _hazard(d)
    return _Mixture(_informed_share(log_ndtr(-d), informed, reach), hazard, excess)


def _standardised(distance: Array, deviation: Array) -> Array:
    """Return d = distance / s, held within ±10⁸ so that s = 0 needs no special case."""
    return np.clip(distance / np.maximum(deviation, 1e-150), -1e8, 1e8)


def posterior(
    mean: ArrayLike,
    variance: ArrayLike,
    price: ArrayLike,
    side: ArrayLike,
    informed: ArrayLike,
    reach: ArrayLike = 1.0,
) -> tuple[Array, Array, Array]:
    """Mean and variance of v after a fill: exact moments of the mixture.

    With d = ±(v̂ − price)/s and m = φ(d)/Φ(−d)::

        p = πΦ(−d) / (πΦ(−d) + (1−π)ρ/2)
        E[v | hit] = v̂ ∓ p s m
        Var[v | hit] = (1−p) s² + p s² (1 + dm − m²) + p (1−p) s² m²

    Parameters
    ----------
    mean, variance
        v̂ and s² ≥ 0 just before the fill; logarithms, or prices in one consistent unit.
    price
        Price of the quote, in the unit of `mean`.
    side
        +1 where our bid was hit, −1 where our ask was lifted.
    informed
        π, prior fraction of informed flow, in [0, 1].
    reach
        ρ, probability that a noise trader reaches the quote, in [0, 1].

    All broadcast.

    Returns
    -------
    mean, variance, p_informed
        Moments of the posterior and the probability that the trader was informed.

    Source: MODEL section 4.
    """
    prior_mean, prior_variance, sign, at = (
        np.asarray(argument, dtype=np.float64) for argument in (mean, variance, side, price)
    )
    deviation = np.sqrt(prior_variance)
    mixture = _mixture(_standardised(sign * (prior_mean - at), deviation), informed, reach)
    p, m = mixture.informed, mixture.hazard
    moved = prior_mean - sign * deviation * p * m
    # (1−p) + p(1 − mC) + p(1−p)m², with the two terms of opposite sign collected.
    shrink = np.maximum(1.0 - p * m * (mixture.excess - (1.0 - p) * m), 0.0)
    return moved, prior_variance * shrink, p


def adverse_selection(
    depth: ArrayLike, variance: ArrayLike, informed: ArrayLike, reach: ArrayLike = 1.0
) -> Array:
    """Return AS(δ) = v̂ − E[v | hit at δ] ≥ 0, the expected move of the belief against a fill.

    Parameters
    ----------
    depth
        δ, distance of the quote from v̂, fraction.
    variance
        s² = Var v, plus σ² times the expected time until the quote can next be changed.
    informed, reach
        π and ρ as in `posterior`.

    All broadcast.

    Returns
    -------
    Array, fraction.

    Source: MODEL section 4.
    """
    deviation = np.sqrt(np.asarray(variance, dtype=np.float64))
    mixture = _mixture(
        _standardised(np.asarray(depth, dtype=np.float64), deviation), informed, reach
    )
    return np.asarray(deviation * mixture.informed * mixture.hazard)


def floor(variance: ArrayLike, informed: ArrayLike, decay: ArrayLike) -> Array:
    """Smallest depth above which a quote earns at least what it loses: δ ≥ AS(δ) for all larger δ.

    With ρ = exp(−κδ), β = κs and d = δ/s, δ = AS(δ) reads F(d) = 0 for::

        F(d) = ln(π/(1−π)) + ½ ln(2/π) + ln(C/m) − ln d − d²/2 + βd
        F'(d) = β − 1/d − 1/C

    F falls, may rise once (noise traders thin out faster than informed ones) and falls for good,
    so its last root lies beyond the local maximum if F is positive there, and before it if not.
    Newton's method, kept in that bracket.

    Parameters
    ----------
    variance
        s² ≥ 0 as in `adverse_selection`.
    informed
        π in [0, 1].
    decay
        κ > 0, 1/fraction.

    All broadcast.

    Returns
    -------
    Array, fraction: 0 where nobody is informed or nothing is uncertain, inf where everybody is
    informed and no depth pays.
    """
    s, pi, kappa = np.broadcast_arrays(
        np.sqrt(np.asarray(variance, dtype=np.float64)),
        np.asarray(informed, dtype=np.float64),
        np.asarray(decay, dtype=np.float64),
    )
    mixed = (pi > 0.0) & (pi < 1.0)
    odds = np.where(mixed, pi, 0.5) / np.where(mixed, 1.0 - pi, 0.5)
    level = np.log(odds) + 0.5 * math.log(2.0 / math.pi)
    beta = kappa * s

    def excess_log(d: Array) -> tuple[Array, Array]:
        hazard, excess = _hazard(d)
        value = level + np.log(excess / (hazard * d)) + d * (beta - 0.5 * d)
        return value, beta - 1.0 / d - 1.0 / excess

    peak = _last_peak(beta)
    beyond = excess_log(peak)[0] >= 0.0
    low = np.where(beyond, peak, np.minimum(0.1, 0.5 * odds))
    high = np.where(beyond, 1.0 + beta + np.sqrt(beta * beta + 2.0 * np.maximum(level, 0.0)), peak)
    d = np.where(beyond, high, low)
    for _ in range(100):
        value, slope = excess_log(d)
        low = np.where(value >= 0.0, d, low)
        high = np.where(value >= 0.0, high, d)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = d - value / slope
        inside = (newton >= low) & (newton <= high)
        step = np.where(inside, newton, 0.5 * (low + high)) - d
        d = d + step
        if np.all(np.abs(step) <= 1e-13 * d):
            break
    depth = np.where(mixed, d, np.where(pi < 1.0, 0.0, np.inf))
    return np.asarray(np.multiply(s, depth, out=np.zeros_like(s), where=s > 0.0))


def _last_peak(beta: Array) -> Array:
    """Largest root of 1/d + 1/C(d) = β, or the minimum of the left side where there is none.

    The left side is convex and exceeds β at d = β, so Newton's method from there falls
    monotonically onto the root.
    """
    d = np.maximum(beta, _FLATTEST)
    for _ in range(8):
        hazard, excess = _hazard(d)
        gap = 1.0 / d + 1.0 / excess - beta
        slope = (1.0 - hazard * excess) / (excess * excess) - 1.0 / (d * d)
        d = np.maximum(d - gap / np.maximum(slope, 1e-3), _FLATTEST)
    return d


def two_point(
    low: ArrayLike, high: ArrayLike, prior: ArrayLike, informed: ArrayLike
) -> tuple[Array, Array]:
    """Zero-profit bid and ask where the value is `low` or `high` and nobody minds the price.

    ask = p V_H + (1−p) E[V] with p = πq / (πq + (1−π)/2), q = `prior` = P(V = V_H): the mixture
    of `posterior` with the truncated prior replaced by the point the informed trader knows.

    Returns
    -------
    bid, ask

    Source: Glosten and Milgrom (1985), two-point example.
    """
    below, above, q = (np.asarray(argument, dtype=np.float64) for argument in (low, high, prior))
    centre = q * above + (1.0 - q) * below
    seller = _informed_share(np.log(np.maximum(1.0 - q, _SMALLEST)), informed, 1.0)
    buyer = _informed_share(np.log(np.maximum(q, _SMALLEST)), informed, 1.0)
    return centre + seller * (below - centre), centre + buyer * (above - centre)
