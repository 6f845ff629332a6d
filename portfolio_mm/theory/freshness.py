"""When a resting quote is worth an action.

The best place of a quote moves with fair value, as Brownian motion of volatility σ, and the quote is
w/κ further out than that. A flat quote with decay κ then earns f·(1 + w)e^(−w), where f is what it
earns in its best place. Leaving it loses f·ℓ(w), moving it costs p. In units in which
w has unit variance per unit of time, the least average loss η (as a share of f) solves

    ½V″ + ℓ(w) − η = 0,   ℓ(w) = 1 − (1 + w)e^(−w)
    V′(−l) = V′(m) = V′(r) = 0,   V(−l) − V(m) = V(r) − V(m) = q,   q = p(κσ)²/f

so the whole policy is a function of the one number q: rest while −l < w < r, else move to w = m. The
three places are roots of ηw − L(w) = k, L = ∫ℓ, and q is twice the area between curve and chord on
either side of m. For small q it is the symmetric band of a quadratic loss, θ⁴ = 12 pσ²/c with
c = κ²f: l = r = θκ, m = 0, σ²/θ² moves a second. For larger q a quote that fair value left waits to be met
again, at no cost but its income, while one that it comes near is moved at w = −2 at the latest. From
q = 2e² on no quote is worth its actions, wherever it is put: it is moved never and earns nothing.

Source: MODEL section 7; free boundaries and smooth fit as in Constantinides and Richard, "Existence of
optimal simple policies for discounted-cost inventory and cash management in continuous time" (1978).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from portfolio_mm.theory.linalg import Array, ArrayLike

NODES = 400
"""Policies that are solved exactly; between them logarithms are interpolated."""

EDGE = 60.0
"""Below the nodes policies follow their power laws, down to q = e^(−60); e^(−60) stands for zero."""

WORTHLESS = 2.0 * math.e**2
"""q from which on a quote is not worth its actions."""


class Policy(NamedTuple):
    """How quotes are left to rest; lengths in 1/κ, times in 1/(κσ)²."""

    offset: Array  # m: how far outside its best place a quote is put
    inner: Array  # l: where it is moved when fair value came near
    outer: Array  # r: where it is moved when fair value went away
    lost: Array  # η: share of income lost to waiting and to moving
    rate: Array  # moves per unit of time, 1/((m + l)(r − m))
    variance: Array  # of the displacement towards fair value: twice E[w²; w < 0]


class Plan(NamedTuple):
    """What a budget of requests allows."""

    price: float  # of a move, USD
    requests_per_hour: float
    hours: float  # that the requests last at this rate
    kept: float  # share of the income of quotes that are always in place
    quotes: int  # that are worth any


def loss(w: ArrayLike) -> Array:
    """Return ℓ(w) = 1 − (1 + w)e^(−w), the share of income lost w/κ outside the best place."""
    x = np.asarray(w, dtype=np.float64)
    return np.asarray(1.0 - (1.0 + x) * np.exp(-x))


def income(arrival: ArrayLike, decay: ArrayLike, size: ArrayLike, depth: ArrayLike) -> Array:
    """Return f = a z e^(−κδ)/κ, what a quote earns in its best place δ, USD/s.

    Parameters
    ----------
    arrival, decay
        a in 1/s and κ in 1/fraction.
    size
        z, USD.
    depth
        δ, fraction. All broadcast.
    """
    kappa = np.asarray(decay, dtype=np.float64)
    rate = np.asarray(arrival) * np.exp(-kappa * np.asarray(depth))
    return np.asarray(rate * np.asarray(size) / kappa)


def policy(price: ArrayLike) -> Policy:
    """Return the best policy at q = p(κσ)²/f ≥ 0, infinite where a quote earns nothing."""
    with np.errstate(divide="ignore"):
        at = np.clip(np.log(np.asarray(price, dtype=np.float64)), -EDGE, EDGE)
    nodes, logs = _table()
    return Policy(*(np.exp(np.interp(at, nodes, column)) for column in logs))


def moves(price: float, earned: Array, diffusion: Array) -> float:
    """Return how often quotes are moved at a price of a move, 1/s.

    Parameters
    ----------
    price
        p, USD.
    earned
        f of every quote, USD/s; 0 where there is none.
    diffusion
        (κσ)² of every quote, 1/s; broadcast.
    """
    with np.errstate(divide="ignore"):
        at = np.log(price) + np.log(diffusion) - np.log(earned)
    nodes, logs = _table()
    rate = np.exp(np.interp(np.minimum(at, EDGE), nodes, logs[Policy._fields.index("rate")]))
    return float((rate * diffusion).sum())


def move_price(rate: float, earned: Array, diffusion: Array, least: float, most: float) -> float:
    """Return the price of a move at which quotes are moved `rate` times a second, USD.

    Parameters
    ----------
    rate
        Moves that the budget allows, 1/s.
    earned, diffusion
        As in `moves`.
    least, most
        Bounds of the price, USD, positive.
    """
    if moves(least, earned, diffusion) <= rate:
        return least
    if moves(most, earned, diffusion) >= rate:
        return most

    def excess(log_price: float) -> float:
        return math.log(moves(math.exp(log_price), earned, diffusion) / rate)

    return math.exp(brentq(excess, math.log(least), math.log(most), xtol=1e-13))


def plan(
    requests: float,
    horizon_s: float,
    earned: Array,
    diffusion: Array,
    least: float,
    most: float,
) -> Plan:
    """Return what `requests` allow that are to last `horizon_s` seconds; `hours` may be infinite.

    Other arguments as in `move_price`.
    """
    price = move_price(requests / horizon_s, earned, diffusion, least, most)
    rate = moves(price, earned, diffusion)
    with np.errstate(divide="ignore"):
        kept = 1.0 - policy(price * diffusion / earned).lost
    total = float(earned.sum())
    return Plan(
        price=price,
        requests_per_hour=3600.0 * rate,
        hours=requests / (3600.0 * rate) if rate > 0.0 else math.inf,
        kept=float((kept * earned).sum() / total) if total > 0.0 else 0.0,
        quotes=int((np.broadcast_to(earned, kept.shape)[kept > 0.0] > 0.0).sum()),
    )


@functools.lru_cache(maxsize=1)
def _table() -> tuple[Array, Array]:
    """Return ln q and the logarithms of a policy's columns there, (NODES + 3,) and (6, ·)."""
    small = np.geomspace(1e-4, 0.5, NODES // 2, endpoint=False)
    lost = np.concatenate([small, 1.0 - np.geomspace(0.5, 1e-9, NODES - NODES // 2)])
    offset, inner, outer, price = _solve(lost)
    time = (inner + offset) * (outer - offset)
    variance = inner**4 / (3.0 * (inner + outer) * (inner + offset))
    logs = np.log(np.stack([offset, inner, outer, lost, 1.0 / time, variance]))
    nodes = np.log(price)
    # l, r ~ q^¼, m, η ~ q^½ for small q.
    slope = np.array([[0.5], [0.25], [0.25], [0.5], [-0.5], [0.5]])
    below = logs[:, :1] - slope * (EDGE + nodes[0])
    above = logs[:, -1:].copy()
    above[3:] = [[0.0], [-EDGE], [-EDGE]]
    return (
        np.concatenate([[-EDGE], nodes, [math.log(WORTHLESS), EDGE]]),
        np.concatenate([below, logs, above, above], axis=1),
    )


def _solve(lost: Array) -> tuple[Array, Array, Array, Array]:
    """Return m, l, r and q of the policies with average losses η in (0, 1).

    The chord of height k = ηm − L(m) has roots −l and r besides m; m is bisected until both
    areas between curve and chord are equal.
    """

    def level(w: Array) -> Array:  # ηw − L(w)
        return lost * w - (w + (2.0 + w) * np.exp(-w) - 2.0)

    def area(w: Array) -> Array:  # its integral from 0
        return 0.5 * (lost - 1.0) * w * w + 2.0 * w - 3.0 + (3.0 + w) * np.exp(-w)

    left, right = _turning(lost)
    low, high = left, right
    for _ in range(60):
        m = 0.5 * (low + high)
        k = level(m)
        # The curve is concave inwards of its minimum; outwards it falls, in the end as −(1 − η)w.
        inner, outer = left - 2.0 * np.sqrt(6.0 * lost), np.maximum((2.0 - k) / (1.0 - lost), right)
        for _ in range(30):
            inner = inner - (level(inner) - k) / (lost - loss(inner))
            outer = outer - (level(outer) - k) / (lost - loss(outer))
        beyond, before = area(outer) - k * outer, area(inner) - k * inner
        rising = beyond > before
        low, high = np.where(rising, m, low), np.where(rising, high, m)
    price = 2.0 * (beyond - (area(m) - k * m))
    return m, -inner, outer, price


def _turning(lost: Array) -> tuple[Array, Array]:
    """Return the roots of ℓ(w) = η on both sides of 0, by Newton's method."""
    left = -np.sqrt(2.0 * lost)
    right = np.sqrt(2.0 * lost) + 1.0 - np.log1p(-lost)
    for _ in range(60):
        left = left - (loss(left) - lost) / (left * np.exp(-left))
        right = right - (np.log1p(right) - right - np.log1p(-lost)) / (1.0 / (1.0 + right) - 1.0)
    return left, right
