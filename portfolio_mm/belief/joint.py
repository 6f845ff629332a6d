"""The joint Gaussian of log fair values v and drifts μ of all assets.

    dv = μ dt + Σ^½ dW,    dμ = −k μ dt + √(2k) S^½ dW',    S = f² k Σ

S is the stationary covariance of drift: over its lifetime 1/k a drift moves the price by f standard
deviations of diffusion, in every portfolio alike. So one number f sets the drift of any asset, and
correlated assets drift together. A price of one asset moves all others by P_ij / (P_jj + R).
MODEL section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.types import Bools, Floats, Ints


class Joint(NamedTuple):
    """Moments of (v, μ), stacked: mean (2N,), covariance (2N, 2N).

    An asset that was never observed has a diffuse v: its row of v is zero until `known`.
    """

    mean: Floats
    covariance: Floats
    known: Bools  # (N,)


def stationary(drift: Floats) -> Joint:
    """Return the state before any data: v unknown, μ with its stationary covariance (N, N)."""
    n = len(drift)
    covariance = np.zeros((2 * n, 2 * n))
    covariance[n:, n:] = drift
    return Joint(np.zeros(2 * n), covariance, np.zeros(n, dtype=np.bool_))


def drift_stationary(covariance: Floats, reversion: float, share: float) -> Floats:
    """Return S = f² k Σ, (N, N), 1/s²."""
    stationary_covariance: Floats = (share * share * reversion) * covariance
    return stationary_covariance


def predict(state: Joint, dt: float, covariance: Floats, drift: Floats, reversion: float) -> Joint:
    """Advance by `dt` seconds, exactly.

    With e = exp(−k dt) and φ = (1 − e)/k:

        v ← v + φ μ,  μ ← e μ
        P_vv ← P_vv + φ(P_vμ + P_μv) + φ² P_μμ + Σ dt + S (2/k)(dt − 2φ + (1 − e²)/(2k))
        P_vμ ← e (P_vμ + φ P_μμ) + S (1 − e)²/k
        P_μμ ← e² P_μμ + S (1 − e²)

    Parameters
    ----------
    covariance, drift : (N, N)
        Σ in 1/s and S in 1/s².
    reversion
        k in 1/s.
    """
    n = len(state.known)
    e = math.exp(-reversion * dt)
    one_minus_e = -math.expm1(-reversion * dt)
    phi = one_minus_e / reversion
    mean, p = state.mean, state.covariance
    p_vv, p_vm, p_mm = p[:n, :n], p[:n, n:], p[n:, n:]
    cross = phi * (p_vm + (0.5 * phi) * p_mm)
    spread = (2.0 / reversion) * (dt - 2.0 * phi + one_minus_e * (1.0 + e) / (2.0 * reversion))
    p_new = np.empty_like(p)
    p_new[:n, :n] = p_vv + (cross + cross.T) + covariance * dt + drift * spread
    p_new[:n, n:] = e * (p_vm + phi * p_mm) + drift * (one_minus_e * one_minus_e / reversion)
    p_new[n:, :n] = p_new[:n, n:].T
    p_new[n:, n:] = e * e * p_mm + drift * (one_minus_e * (1.0 + e))
    unknown = np.flatnonzero(~state.known)
    p_new[unknown, :] = 0.0
    p_new[:, unknown] = 0.0
    mean_new = np.concatenate([mean[:n] + phi * mean[n:], e * mean[n:]])
    mean_new[unknown] = 0.0
    return Joint(mean_new, p_new, state.known)


def observe(state: Joint, row: Ints, value: Floats, variance: Floats) -> Joint:
    """Condition on simultaneous observations of entries of (v, μ).

    The first observation of an asset's v is taken as it is, the limit of a diffuse prior; there may
    be only one of it in a batch.

    Parameters
    ----------
    row : (K,)
        Index into the stacked state: i for v_i, N + i for μ_i.
    value, variance : (K,)
        z and R > 0.
    """
    n = len(state.known)
    mean, p, known = state.mean.copy(), state.covariance, state.known
    first = (row < n) & ~known[np.minimum(row, n - 1)]
    if first.any():
        mean[row[first]] = value[first]
        p = p.copy()
        p[row[first], row[first]] = variance[first]
        known = known.copy()
        known[row[first]] = True
        row, value, variance = row[~first], value[~first], variance[~first]
    if len(row):
        innovation = value - mean[row]
        scale = p[np.ix_(row, row)] + np.diag(variance)
        factor = np.linalg.cholesky(scale)
        whitened = solve_triangular(
            factor, np.column_stack([p[row], innovation]), lower=True, check_finite=False
        )
        gain, residual = whitened[:, :-1], whitened[:, -1]
        mean = mean + gain.T @ residual
        p = p - gain.T @ gain
    return Joint(mean, p, known)


def condition_on_fill(
    state: Joint,
    asset: int,
    side: int,
    log_price: float,
    informed: float,
    reach: float,
    *,
    drift_s: float = 0.0,
    ahead: float = 0.0,
) -> Joint:
    """Condition on a fill of ours: Glosten–Milgrom on what an informed taker may know.

    That is y = v_i + φ μ_i + ε, fair value τ seconds ahead, with φ = `drift_s` seconds of drift and a
    variance `ahead` of the diffusion until then; y = v_i by default. With m, s² the moments of y
    before and m', s'² after, every entry follows by regression on y, c = Cov(·, y):
    mean += c/s² (m' − m) and P += c cᵀ (s'² − s²)/s⁴. A fill so moves the drift, too.
    """
    if not state.known[asset]:
        return state
    n = len(state.known)
    covariance = state.covariance[:, asset] + drift_s * state.covariance[:, n + asset]
    expected = state.mean[asset] + drift_s * state.mean[n + asset]
    before = covariance[asset] + drift_s * covariance[n + asset] + ahead
    mean, variance, _ = glosten_milgrom.posterior(
        expected, before, log_price, side, informed, reach
    )
    slope = covariance / before
    shrink = float(variance) - before
    return Joint(
        state.mean + slope * (float(mean) - expected),
        state.covariance + np.outer(slope, slope) * shrink,
        state.known,
    )
