"""The closed form: optimal quotes of all assets from one eigendecomposition.

A market maker with absolute risk aversion γ, filled at rate a·exp(−κδ) at distance δ, has the
value function θ(x) ≈ −xᵀAx − xᵀB of its inventory x. The curvature A gives everything: the
skew 2Ax, the unwinding rates K = 2AD, and the horizon T = K⁻¹ over which drift and funding
act. K is similar to a symmetric matrix, so A, T, the response to a mean-reverting drift and
the discounting of settlements are functions of the same eigenvalues.

Source: Bergault, Evangelista, Guéant, Vieira, "Closed-form approximations in multi-asset market
making" (2021), extended as in MODEL section 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from portfolio_mm.theory.arguments import Sign, checked
from portfolio_mm.theory.linalg import Array, ArrayLike, psd_eigh, symmetrize

SETTLEMENT_PERIOD = 3600.0
"""Seconds between two funding settlements (H)."""

LIQUIDITY_FLOOR = 1e-9
"""Smallest D relative to its largest element: an asset that does not trade keeps finite numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class ClosedForm:
    """Optimal quotes and the matrices behind them, all as fractions of fair value.

    Attributes
    ----------
    curvature : Array
        A, (N, N), 1/USD: θ(x) = −xᵀAx − xᵀB.
    horizon : Array
        T = K⁻¹, (N, N), seconds: how long inventory is held; 2A = γTΣ.
    drift_response : Array
        M with KM + M diag(k) = I, (N, N), seconds.
    drift_shift : Array
        Mμ, (N,).
    carry : Array
        Expected funding paid by a long until it is unwound, (N,).
    asymmetry : Array
        w, (N,): buyers and sellers arrive differently.
    skew : Array
        Price of the inventory held, (N,); see `inventory_skew`.
    shift : Array
        Reservation price as a log-fraction above fair value, (N,):
        drift_shift − carry + asymmetry − skew.
    half_width : Array
        Distance of bid and ask from the reservation price, (N, 2).
    bid, ask : Array
        shift ∓ half_width, (N,), log-fractions above fair value.
    """

    curvature: Array
    horizon: Array
    drift_response: Array
    drift_shift: Array
    carry: Array
    asymmetry: Array
    skew: Array
    shift: Array
    half_width: Array
    bid: Array
    ask: Array


def value_rate(
    gamma: float, arrival: Array, decay: Array, size: Array, cost: Array
) -> tuple[Array, Array]:
    """Value rate h of an optimally placed quote per USD quoted, and its monopoly depth.

    h exp(−κp) is the supremum over δ of a exp(−κδ) (1 − exp(−g(δ − c − p)))/g, for a fill that
    lowers the value function by p per USD; it is attained at δ = c + p + ln(1 + g/κ)/g, the last
    term being the monopoly depth (1/κ for small g = γz). See `solve` for h and for the arguments,
    which are not checked here.

    Returns
    -------
    value_rate, monopoly
        (N, 2), 1/s and fraction.
    """
    g = gamma * size[:, None]
    u = g / decay
    inverse_power = np.log1p(u) / u
    value = arrival * np.exp(-decay * cost - inverse_power) / (decay + g)
    return value, inverse_power / decay


def inventory_skew(curvature: ArrayLike, decay: ArrayLike, inventory: ArrayLike) -> Array:
    """Price of inventory, (2/κ̄) asinh(κ̄ y/2) with y = 2Ax and κ̄ the mean of both sides.

    Linear in x while y is small against 1/κ̄ and logarithmic beyond, which is how far an
    exponential fill intensity needs a quote to move.

    Parameters
    ----------
    curvature
        A, (N, N), 1/USD.
    decay
        κ, (N, 2), 1/fraction.
    inventory
        x, (..., N), USD; leading axes are a batch.

    Returns
    -------
    Array, (..., N), fraction, increasing in the own inventory.
    """
    mean_decay = np.asarray(decay, dtype=np.float64).mean(axis=-1)
    linear = 2.0 * (np.asarray(inventory, dtype=np.float64) @ np.asarray(curvature))
    return np.asarray((2.0 / mean_decay) * np.arcsinh(0.5 * mean_decay * linear))


def effective_covariance(
    covariance: ArrayLike, drift_response: ArrayLike, drift_covariance: ArrayLike
) -> Array:
    """Covariance of the effective price V·exp(Mμ̂) when the drift is itself estimated.

    (Σ + MP) Σ⁻¹ (Σ + MP)ᵀ = Σ + MP + PMᵀ + MPΣ⁻¹PMᵀ with P = Var μ̂.

    Parameters
    ----------
    covariance
        Σ, (N, N), 1/s, positive definite.
    drift_response
        M of the last cycle, (N, N), s.
    drift_covariance
        P, (N, N), 1/s².

    Returns
    -------
    Array, (N, N), 1/s, positive semidefinite.

    Source: MODEL section 2.
    """
    sigma = np.asarray(covariance, dtype=np.float64)
    revised = sigma + np.asarray(drift_response) @ np.asarray(drift_covariance)
    return symmetrize(revised @ np.linalg.solve(sigma, revised.T))


def solve(
    covariance: ArrayLike,
    gamma: float,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    *,
    cost: ArrayLike = 0.0,
    drift: ArrayLike = 0.0,
    drift_reversion: ArrayLike = 0.0,
    funding: ArrayLike = 0.0,
    settlement: float | None = None,
    inventory: ArrayLike = 0.0,
) -> ClosedForm:
    """Quote N assets together.

    With g = γz, per asset and side::

        h = a exp(−κc) / (κ + g) · (1 + g/κ)^(−κ/g),   α₁ = −κh,   α₂ = κ²h
        D = diag(z (α₂ᵇ + α₂ᵃ))
        A = ½ √γ D^(−½) (D^½ Σ D^½)^½ D^(−½),   K = 2AD,   T = K⁻¹
        r = Mμ − carry + w − (2/κ̄) asinh(κ̄y/2),   y = 2Ax,   KM + M diag(k) = I
        w = D⁻¹ [z (α₁ᵇ − α₁ᵃ) + z² (α₂ᵇ − α₂ᵃ) diag(A)]
        δ* = c + ln(1 + g/κ)/g + A_ii z

    and carry = Tf, or with settlements of F = f·3600 s every H = 3600 s, the next in τ seconds,
    (I − e^(−HK))⁻¹ e^(−τK) F.

    Parameters
    ----------
    covariance
        Σ of returns, (N, N), 1/s, symmetric positive definite.
    gamma
        γ, absolute risk aversion, 1/USD, positive.
    arrival, decay
        a (1/s, ≥ 0) and κ (1/fraction, > 0), (N, 2) as [bid, ask].
    size
        z, reference fill size, (N,), USD, positive.
    cost
        c, expected cost of a fill, (N, 2) or broadcastable, fraction; negative is a rebate.
    drift, drift_reversion
        μ and its mean-reversion rate k ≥ 0, (N,) or scalar, 1/s.
    funding
        f, paid by a long, (N,) or scalar, 1/s.
    settlement
        Seconds to the next hourly settlement, None where funding is continuous.
    inventory
        x, (N,) or scalar, USD.

    Returns
    -------
    ClosedForm

    Raises
    ------
    ValueError
        Naming the argument that has a wrong shape, a wrong sign or a value that is not finite.

    Source: MODEL section 2. Accuracy: 4 % or 0.07 bps while κ A_ii z ≤ 0.05.
    """
    n = np.size(size)
    z = checked("size", size, (n,), Sign.POSITIVE)
    sigma = checked("covariance", np.atleast_2d(covariance), (n, n))
    a = checked("arrival", arrival, (n, 2), Sign.NONNEGATIVE)
    kappa = checked("decay", decay, (n, 2), Sign.POSITIVE)
    c = checked("cost", cost, (n, 2))
    mu = checked("drift", drift, (n,))
    k = checked("drift_reversion", drift_reversion, (n,), Sign.NONNEGATIVE)
    f = checked("funding", funding, (n,))
    x = checked("inventory", inventory, (n,))
    if not 0.0 < gamma < math.inf:
        raise ValueError(f"gamma must be positive and finite, got {gamma}")
    if settlement is not None and not 0.0 <= settlement < math.inf:
        raise ValueError(f"settlement must be nonnegative and finite, got {settlement}")

    h, monopoly = value_rate(gamma, a, kappa, z, c)
    alpha1 = -kappa * h
    alpha2 = -kappa * alpha1
    depth = z * alpha2.sum(axis=1)
    # Where nothing trades at all, the scale of one arrival a second stands in for the maximum.
    depth = np.maximum(depth, LIQUIDITY_FLOOR * (depth.max() or (z * kappa.T).max()))

    root = np.sqrt(depth)
    values, vectors = psd_eigh(root[:, None] * sigma * root)
    rates = np.sqrt(gamma * values)
    left = vectors / root[:, None]
    right = vectors.T * root
    curvature = 0.5 * (left * rates) @ left.T
    horizon = (left / rates) @ right
    response = left @ (right / (rates[:, None] + k)) if k.any() else horizon
    if settlement is None:
        carry = horizon @ f
    else:
        discount = np.exp(-settlement * rates) / -np.expm1(-SETTLEMENT_PERIOD * rates)
        carry = (left * discount) @ (right @ (f * SETTLEMENT_PERIOD))

    own = curvature.diagonal()
    tilt = alpha1 + (z * own)[:, None] * alpha2
    asymmetry = z * (tilt[:, 0] - tilt[:, 1]) / depth
    skew = inventory_skew(curvature, kappa, x)
    drift_shift = response @ mu
    shift = drift_shift - carry + asymmetry - skew
    half_width = c + monopoly + (own * z)[:, None]
    return ClosedForm(
        curvature=curvature,
        horizon=horizon,
        drift_response=response,
        drift_shift=drift_shift,
        carry=carry,
        asymmetry=asymmetry,
        skew=skew,
        shift=shift,
        half_width=half_width,
        bid=shift - half_width[:, 0],
        ask=shift + half_width[:, 1],
    )
