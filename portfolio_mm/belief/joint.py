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

    An asset that was never observed has a diffuse v: its rows are zero until `known`.
    """

    mean: Floats
    covariance: Floats
    known: Bools  # (N,)


def stationary(n: int) -> Joint:
    """Return the state before any data; the first `predict` gives μ its stationary covariance."""
    return Joint(np.zeros(2 * n), np.zeros((2 * n, 2 * n)), np.zeros(n, dtype=np.bool_))


def drift_stationary(covariance: Floats, reversion: float, share: float) -> Floats:
    """Return S = f² k Σ, (N, N), 1/s²."""
    stationary_covariance: Floats = (share * share * reversion) * covariance
    return stationary_covariance


def predict(
    state: Joint, dt: float, covariance: Floats, drift: Floats, reversion: float
) -> Joint:
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
    moved = p_vm + phi * p_mm
    spread = (2.0 / reversion) * (dt - 2.0 * phi + one_minus_e * (1.0 + e) / (2.0 * reversion))
    p_new = np.empty_like(p)
    p_new[:n, :n] = p_vv + phi * (p_vm.T + moved) + covariance * dt + drift * spread
    p_new[:n, n:] = e * moved + drift * (one_minus_e * one_minus_e / reversion)
    p_new[n:, :n] = p_new[:n, n:].T
    p_new[n:, n:] = e * e * p_mm + drift * (one_minus_e * (1.0 + e))
    unknown = np.flatnonzero(~state.known)
    p_new[unknown, :] = 0.0
    p_new[:, unknown] = 0.0
    p_new[n + unknown, n + unknown] = drift[unknown, unknown]
    mean_new = np.concatenate([mean[:n] + phi * mean[n:], e * mean[n:]])
    return Joint(mean_new, p_new, state.known)


def observe(state: Joint, row: Ints, value: Floats, variance: Floats) -> Joint:
    """Condition on simultaneous observations of entries of (v, μ).

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
        # A diffuse prior takes the first observation as it is.
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
    state: Joint, asset: int, side: int, log_price: float, informed: float, reach: float
) -> Joint:
    """Replace the marginal of v_i by its Glosten–Milgrom posterior and carry the rest along.

    With m, s² before and m', s'² after, every other entry follows by regression on v_i:
    mean += P_·i/s² (m' − m) and P += P_·i P_i· (s'² − s²)/s⁴.
    """
    if not state.known[asset]:
        return state
    before = state.covariance[asset, asset]
    mean, variance, _ = glosten_milgrom.posterior(
        state.mean[asset], before, log_price, side, informed, reach
    )
    slope = state.covariance[:, asset] / before
    shrink = float(variance) - before
    return Joint(
        state.mean + slope * (float(mean) - state.mean[asset]),
        state.covariance + np.outer(slope, slope) * shrink,
        state.known,
    )
