"""Were the traders on the other side informed? The price moves after our fills say.

A fill waits for the horizon h; then the move of fair value since the quote was priced goes into the
likelihood of every hypothesis on informed flow (theory.informed_flow). Fills of one side of one asset
within a cycle are one event and share one weight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.theory.informed_flow import SHARE, log_likelihood
from portfolio_mm.types import NS, Fill, Floats, Ints, MarketBelief, ParameterUpdates


class Trials(NamedTuple):
    """Fills that wait for their price move, (K,) each; the belief is that of the quote."""

    asset: Ints
    side: Ints  # +1 we bought
    weight: Floats  # one over the fills of its side in the same cycle
    log_fair: Floats
    depth: Floats  # δ, fraction
    variance: Floats  # Var v
    volatility: Floats  # σ with its tail factor, 1/√s
    decay: Floats  # κ of the side that was hit
    due_ns: Ints


def none_waiting() -> Trials:
    """Return the state before any fill."""
    floats, ints = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Trials(ints, ints, floats, floats, floats, floats, floats, floats, ints)


def add(trials: Trials, fills: tuple[Fill, ...], quoted: MarketBelief, horizon_s: float) -> Trials:
    """Open a trial for every maker fill, judged by the belief that the quote was priced with."""
    makers = [fill for fill in fills if fill.maker and quoted.known[fill.asset]]
    if not makers:
        return trials
    asset = np.array([fill.asset for fill in makers], dtype=np.int64)
    side = np.array([fill.side for fill in makers], dtype=np.int64)
    column = (side < 0).astype(np.int64)
    cell = 2 * asset + column
    log_fair = quoted.log_price[asset]
    time = np.array([fill.time_ns for fill in makers], dtype=np.int64)
    new = Trials(
        asset=asset,
        side=side,
        weight=1.0 / np.bincount(cell)[cell],
        log_fair=log_fair,
        depth=np.maximum(side * (log_fair - np.log([fill.price for fill in makers])), 0.0),
        variance=quoted.variance[asset],
        volatility=(quoted.tail * quoted.sigma)[asset],
        decay=quoted.decay[asset, column],
        due_ns=time + round(horizon_s * NS),
    )
    return Trials._make(np.concatenate(pair) for pair in zip(trials, new, strict=True))


def judge(
    trials: Trials, belief: MarketBelief, stale_s: float, horizon_s: float
) -> tuple[Trials, ParameterUpdates]:
    """Close the trials that are due and return their evidence by asset.

    `stale_s` is the time that a quote could not be changed, `horizon_s` that of the move, s.
    """
    due = trials.due_ns <= belief.time_ns
    closed = Trials._make(values[due] for values in trials)
    evidence = np.zeros((len(belief.log_price), len(SHARE)))
    if len(closed.asset):
        likelihood = log_likelihood(
            closed.side * (belief.log_price[closed.asset] - closed.log_fair),
            closed.depth,
            closed.variance,
            closed.volatility,
            closed.decay,
            stale_s,
            horizon_s,
        )
        np.add.at(evidence, closed.asset, closed.weight[:, None] * likelihood)
    updates = ParameterUpdates(informed_flow=evidence)
    return Trials._make(values[~due] for values in trials), updates
