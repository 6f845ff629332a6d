"""BELIEF: observations and our own fills in, the one posterior over the market out.

In time order: predict to each fill and condition on it, predict to now, condition on the book.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.belief import correlation, intensity, joint, volatility
from portfolio_mm.config import Belief
from portfolio_mm.types import (
    NS,
    Fill,
    Floats,
    MarketBelief,
    Observations,
    ParameterUpdates,
    Target,
    Universe,
)


class Params(NamedTuple):
    """What does not change during a run."""

    config: Belief
    reversion: float  # k, 1/s


class State(NamedTuple):
    """What the next cycle needs."""

    time_ns: int
    joint: joint.Joint
    volatility: volatility.LogVolatility
    correlation: correlation.Correlation
    intensity: intensity.Intensity
    realised: Floats  # (N, 2) informed fills, judged by what followed
    predicted: Floats  # (N, 2) informed fills expected


def init(config: Belief, universe: Universe) -> tuple[Params, State]:
    """Return the parameters and the stationary prior."""
    n = len(universe)
    state = State(
        time_ns=0,
        joint=joint.stationary(n),
        volatility=volatility.stationary(config, n),
        correlation=correlation.prior(config, n),
        intensity=intensity.prior(n),
        realised=np.zeros((n, 2)),
        predicted=np.zeros((n, 2)),
    )
    return Params(config, math.log(2.0) / config.drift_half_life_s), state


def step(
    params: Params,
    state: State,
    observations: Observations,
    fills: tuple[Fill, ...],
    updates: ParameterUpdates,
) -> tuple[State, MarketBelief]:
    """Update the posterior with one cycle's evidence."""
    config = params.config
    n = len(state.joint.known)
    now = observations.time_ns
    dt = (now - state.time_ns) / NS if state.time_ns else 0.0

    realised = state.realised + updates.realised
    predicted = state.predicted + updates.predicted
    informed = informed_share(config, realised, predicted)
    rates = intensity.observe(
        config,
        state.intensity,
        observations.takers,
        observations.reach,
        observations.exposure,
        dt,
    )
    decay = intensity.decay(config, rates)

    seen = observations.target == Target.LOG_VARIANCE
    log_volatility = volatility.observe(
        volatility.predict(config, state.volatility, dt),
        observations.asset[seen],
        observations.value[seen],
        observations.variance[seen],
        observations.noise[seen],
    )
    sigma = volatility.sigma(log_volatility)
    co_movement = correlation.observe(
        config, state.correlation, observations.returns, observations.interval, sigma, dt
    )
    covariance = correlation.matrix(co_movement) * np.outer(sigma, sigma)
    drift = joint.drift_stationary(covariance, params.reversion, config.drift_share)

    market, clock = state.joint, state.time_ns or now
    for fill in sorted(fills, key=lambda fill: (fill.time_ns, fill.fill_id)):
        until = min(max(fill.time_ns, clock), now)
        market = joint.predict(market, (until - clock) / NS, covariance, drift, params.reversion)
        clock = until
        side = 0 if fill.side > 0 else 1
        log_price = math.log(fill.price)
        depth = max(fill.side * (market.mean[fill.asset] - log_price), 0.0)
        market = joint.condition_on_fill(
            market,
            fill.asset,
            fill.side,
            log_price,
            float(informed[fill.asset, side]),
            math.exp(-decay[fill.asset, side] * depth),
        )
    market = joint.predict(market, (now - clock) / NS, covariance, drift, params.reversion)
    seen = observations.target != Target.LOG_VARIANCE
    asset = observations.asset[seen]
    stale = sigma[asset] ** 2 * observations.age[seen]  # diffusion since the observed instant
    is_drift = observations.target[seen] == Target.DRIFT
    market = joint.observe(
        market,
        asset + n * is_drift,
        observations.value[seen],
        observations.variance[seen] + np.where(is_drift, 0.0, stale),
    )

    belief = MarketBelief(
        time_ns=now,
        log_price=market.mean[:n],
        drift=market.mean[n:],
        variance=market.covariance.diagonal()[:n].copy(),
        drift_covariance=market.covariance[n:, n:],
        reversion=np.full(n, params.reversion),
        sigma=sigma,
        tail=volatility.tail(config, log_volatility),
        covariance=covariance,
        arrival=intensity.arrival(config, rates),
        decay=decay,
        informed=informed,
        crisis=volatility.crisis(log_volatility),
        known=market.known,
    )
    state = State(now, market, log_volatility, co_movement, rates, realised, predicted)
    return state, belief


def informed_share(config: Belief, realised: Floats, predicted: Floats) -> Floats:
    """Return π, (N, 2): the prior odds times informed fills realised over predicted.

    The prior is worth `informed_strength` informed fills on either count.
    """
    strength = config.informed_strength
    odds = config.informed / (1.0 - config.informed)
    odds_now = odds * (realised + strength) / (predicted + strength)
    share: Floats = odds_now / (1.0 + odds_now)
    return share
