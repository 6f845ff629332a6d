"""Was the trader on the other side informed? The price move after the fill says.

With prior odds from the Glosten–Milgrom fill and the move m after the horizon, seen from our side,

    informed: m ~ N(−s φ(d)/Φ(−d), τ²),    noise: m ~ N(0, τ²),    τ² = σ²h + s²

so the posterior odds are the prior odds times exp(−(2 m μ + μ²)/(2τ²)), μ = s φ(d)/Φ(−d).
Sums of prior and posterior probabilities are the evidence on π.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.types import NS, Fill, Floats, Ints, MarketBelief, ParameterUpdates


class Trials(NamedTuple):
    """Fills that wait for their price move, (K,) each."""

    asset: Ints
    side: Ints  # +1 we bought
    log_fair: Floats  # when quoted
    prior: Floats  # probability of an informed trader
    surprise: Floats  # μ, fraction
    variance: Floats  # s²
    due_ns: Ints


def none_waiting() -> Trials:
    """Return the state before any fill."""
    floats, ints = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Trials(ints, ints, floats, floats, floats, floats, ints)


def add(
    trials: Trials, fills: tuple[Fill, ...], quoted: MarketBelief, stale_s: float, horizon_s: float
) -> Trials:
    """Open a trial for every maker fill, judged by the belief that the quote was priced with."""
    makers = [fill for fill in fills if fill.maker and quoted.known[fill.asset]]
    if not makers:
        return trials
    asset = np.array([fill.asset for fill in makers], dtype=np.int64)
    side = np.array([fill.side for fill in makers], dtype=np.int64)
    column = (side < 0).astype(np.int64)
    log_price = np.log([fill.price for fill in makers])
    log_fair = quoted.log_price[asset]
    variance = quoted.variance[asset] + (quoted.tail * quoted.sigma)[asset] ** 2 * stale_s
    depth = np.maximum(side * (log_fair - log_price), 0.0)
    reach = np.exp(-quoted.decay[asset, column] * depth)
    informed = quoted.informed[asset, column]
    _, _, prior = glosten_milgrom.posterior(log_fair, variance, log_price, side, informed, reach)
    time = np.array([fill.time_ns for fill in makers], dtype=np.int64)
    new = Trials(
        asset=asset,
        side=side,
        log_fair=log_fair,
        prior=prior,
        surprise=glosten_milgrom.adverse_selection(depth, variance, 1.0, reach),
        variance=variance,
        due_ns=time + round(horizon_s * NS),
    )
    return Trials(*(np.concatenate(pair) for pair in zip(trials, new, strict=True)))


def judge(
    trials: Trials, belief: MarketBelief, horizon_s: float
) -> tuple[Trials, ParameterUpdates]:
    """Close the trials that are due and return the evidence by asset and side."""
    due = trials.due_ns <= belief.time_ns
    closed = Trials(*(column[due] for column in trials))
    move = closed.side * (belief.log_price[closed.asset] - closed.log_fair)
    tau2 = belief.sigma[closed.asset] ** 2 * horizon_s + closed.variance
    log_ratio = -(2.0 * move + closed.surprise) * closed.surprise / (2.0 * tau2)
    log_prior = np.log(np.maximum(closed.prior, 1e-300)) - np.log1p(
        -np.minimum(closed.prior, 1.0 - 1e-12)
    )
    posterior = 1.0 / (1.0 + np.exp(-np.clip(log_prior + log_ratio, -math.log(1e300), 700.0)))
    n = len(belief.log_price)
    cell = 2 * closed.asset + (closed.side < 0)
    updates = ParameterUpdates(
        realised=np.bincount(cell, posterior, 2 * n).reshape(n, 2),
        predicted=np.bincount(cell, closed.prior, 2 * n).reshape(n, 2),
    )
    return Trials(*(column[~due] for column in trials)), updates
