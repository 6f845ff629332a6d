"""BELIEF: observations and our own fills in, the one posterior over the market out.

In time order: predict to each fill and condition on it, predict to now, condition on the book.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.belief import correlation, informed, intensity, joint, volatility
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
    informed: Floats  # (N, G) evidence on informed flow


def init(config: Belief, universe: Universe) -> tuple[Params, State]:
    """Return the parameters and the stationary prior."""
    n = len(universe)
    params = Params(config, math.log(2.0) / config.drift_half_life_s)
    log_volatility = volatility.stationary(config, n)
    co_movement = correlation.prior(config, n)
    covariance = _covariance(log_volatility, co_movement)
    state = State(
        time_ns=0,
        joint=joint.stationary(
            joint.drift_stationary(covariance, params.reversion, config.drift_share)
        ),
        volatility=log_volatility,
        correlation=co_movement,
        intensity=intensity.prior(n),
        informed=informed.prior(n),
    )
    return params, state


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

    evidence = informed.observe(config, state.informed, updates.informed_flow, dt)
    flow = informed.estimate(config, evidence)
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
    sigma, tail = volatility.sigma(log_volatility), volatility.tail(config, log_volatility)
    age = np.zeros(n)
    age[observations.asset[seen]] = observations.age[seen]
    co_movement = correlation.observe(
        config,
        state.correlation,
        observations.returns,
        observations.interval,
        age,
        volatility.mean_sigma(log_volatility),
        dt,
    )
    covariance = _covariance(log_volatility, co_movement)
    drift = joint.drift_stationary(covariance, params.reversion, config.drift_share)

    market, clock = state.joint, state.time_ns or now
    makers = (fill for fill in fills if fill.maker)
    for fill in sorted(makers, key=lambda fill: (fill.time_ns, fill.fill_id)):
        until = min(max(fill.time_ns, clock), now)
        market = joint.predict(market, (until - clock) / NS, covariance, drift, params.reversion)
        clock = until
        side = 0 if fill.side > 0 else 1
        log_price = math.log(fill.price)
        depth = max(fill.side * (market.mean[fill.asset] - log_price), 0.0)
        foresight = float(flow.foresight_s[fill.asset])
        market = joint.condition_on_fill(
            market,
            fill.asset,
            fill.side,
            log_price,
            float(flow.share[fill.asset]),
            math.exp(-decay[fill.asset, side] * depth),
            drift_s=-math.expm1(-params.reversion * foresight) / params.reversion,
            ahead=float((tail[fill.asset] * sigma[fill.asset]) ** 2 * foresight),
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
        tail=tail,
        covariance=covariance,
        arrival=intensity.arrival(config, rates),
        decay=decay,
        informed=np.repeat(flow.share[:, None], 2, axis=1),
        foresight_s=flow.foresight_s,
        crisis=volatility.crisis(log_volatility),
        known=market.known,
    )
    state = State(now, market, log_volatility, co_movement, rates, evidence)
    return state, belief


def _covariance(
    log_volatility: volatility.LogVolatility, co_movement: correlation.Correlation
) -> Floats:
    """Return Σ = diag(σ) C diag(σ), (N, N), 1/s."""
    sigma = volatility.sigma(log_volatility)
    covariance: Floats = correlation.matrix(co_movement) * np.outer(sigma, sigma)
    return covariance
