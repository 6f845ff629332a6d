"""SENSOR: raw books and prints in, observations with known noise out.

Active without calibration are only observations whose noise is derived or measured: the micro-price
and squared returns. Features that observe drift are always recorded, and observe only where the
configuration gives their loading and noise. A repeated book is not a new observation.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np

from portfolio_mm.config import Feature, Sensor
from portfolio_mm.rules import ticks
from portfolio_mm.sensor.book import imbalance
from portfolio_mm.sensor.flow import sweeps
from portfolio_mm.sensor.microprice import microprice
from portfolio_mm.sensor.volatility import Noise, log_variance, observe, quiet, share
from portfolio_mm.theory import log_chi2
from portfolio_mm.types import (
    NS,
    Bools,
    Floats,
    Ints,
    MarketSnapshot,
    MarketStatus,
    Observations,
    Target,
    Universe,
)

FEATURES: tuple[str, ...] = get_args(Feature)
"""Columns of `Observations.features`."""

DEPTHS = (10e-4, 25e-4, 50e-4)
"""Distances from the mid of the imbalance features, in the order of their columns."""


class Params(NamedTuple):
    """What does not change during a run."""

    config: Sensor
    sz_decimals: Ints  # (N,)


class State(NamedTuple):
    """What the next cycle needs."""

    time_ns: int
    book_time_ns: Ints  # (N,) of the last book that was observed
    log_price: Floats  # (N,) its log micro-price, NaN before the first
    sample_ns: Ints  # (N,) of the last return sample
    sample: Floats  # (N,) its log micro-price, NaN before the first
    sample_variance: Floats  # (N,) of its error, as the spread allows
    noise: Noise  # how much of that shows in returns


def init(config: Sensor, universe: Universe) -> tuple[Params, State]:
    """Return the parameters and the state before any data."""
    n = len(universe)
    unseen = np.full(n, np.nan)
    never = np.zeros(n, dtype=np.int64)
    state = State(0, never, unseen, never, unseen, np.zeros(n), quiet(n))
    return Params(config, universe.sz_decimals), state


def step(params: Params, state: State, snapshot: MarketSnapshot) -> tuple[State, Observations]:
    """Observe one snapshot."""
    config = params.config
    bid, ask = snapshot.bid_price[:, 0], snapshot.ask_price[:, 0]
    tick = _tick(bid, params.sz_decimals)
    log_price, variance = microprice(
        bid, snapshot.bid_size[:, 0], ask, snapshot.ask_size[:, 0], tick
    )
    usable = (snapshot.status == MarketStatus.OPEN) & np.isfinite(log_price)
    fresh = usable & (snapshot.book_time_ns > state.book_time_ns)
    age = np.maximum(snapshot.time_ns - snapshot.book_time_ns, 0) / NS

    # One sampling grid for all assets, so that their returns overlap.
    grid = round(config.volatility_interval_s * NS)
    on_grid = snapshot.time_ns // grid > state.time_ns // grid
    due = usable & on_grid & (snapshot.book_time_ns > state.sample_ns)
    sampled = due & np.isfinite(state.sample)
    returns = np.where(sampled, log_price - state.sample, np.nan)
    interval = np.where(sampled, (snapshot.book_time_ns - state.sample_ns) / NS, 1.0)
    noise = observe(state.noise, sampled, returns, state.sample_variance)
    shown = share(noise, variance) * (variance + state.sample_variance) / interval

    known = np.isfinite(state.log_price)
    flow = sweeps(snapshot.trades, state.log_price, known)
    exposure = (snapshot.time_ns - state.time_ns) / NS if state.time_ns else 0.0
    log_mid = np.where(usable, log_price, 0.0)
    book = snapshot.bid_price, snapshot.bid_size, snapshot.ask_price, snapshot.ask_size
    features = np.stack([*(imbalance(*book, log_mid, d) for d in DEPTHS), flow.imbalance], axis=1)
    features[~usable] = 0.0

    rows = [_rows(fresh, Target.FAIR_VALUE, log_price, variance, 0.0, age)]
    if sampled.any():
        half_spread = np.sqrt(3.0 * variance)
        z = log_variance(np.where(sampled, returns, 1.0), interval, half_spread, tick)
        rows.append(_rows(sampled, Target.LOG_VARIANCE, z, log_chi2.VARIANCE, shown, age))
    for name, (loading, sd) in config.loadings.items():
        z = loading * features[:, FEATURES.index(name)]
        rows.append(_rows(fresh, Target.DRIFT, z, sd * sd, 0.0, age))
    asset, target, value, variance_rows, noise_rows, age_rows = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )

    observations = Observations(
        time_ns=snapshot.time_ns,
        asset=asset,
        target=target,
        value=value,
        variance=variance_rows,
        noise=noise_rows,
        age=age_rows,
        returns=returns,
        interval=interval,
        takers=flow.takers,
        reach=flow.reach,
        exposure=np.where(known, exposure, 0.0),
        features=features,
    )
    state = State(
        time_ns=snapshot.time_ns,
        book_time_ns=np.where(fresh, snapshot.book_time_ns, state.book_time_ns),
        log_price=np.where(fresh, log_price, state.log_price),
        sample_ns=np.where(due, snapshot.book_time_ns, state.sample_ns),
        sample=np.where(due, log_price, state.sample),
        sample_variance=np.where(due, variance, state.sample_variance),
        noise=noise,
    )
    return state, observations


def _tick(price: Floats, sz_decimals: Ints) -> Floats:
    """Tick at `price` as a fraction of it; 0 where there is no price."""
    present = price > 0
    price = np.where(present, price, 1.0)
    units = ticks.to_units(price, sz_decimals, 1)
    tick = ticks.from_units(ticks.tick_units(units, sz_decimals), sz_decimals)
    return np.where(present, tick / price, 0.0)


def _rows(
    chosen: Bools,
    target: Target,
    value: Floats,
    variance: Floats | float,
    noise: Floats | float,
    age: Floats,
) -> tuple[Ints, Ints, Floats, Floats, Floats, Floats]:
    """Return the columns of one kind of observation for the chosen assets."""
    asset = np.flatnonzero(chosen)
    shape = chosen.shape
    return (
        asset,
        np.full(len(asset), int(target), dtype=np.int64),
        value[asset],
        np.broadcast_to(variance, shape)[asset],
        np.broadcast_to(noise, shape)[asset],
        age[asset],
    )
