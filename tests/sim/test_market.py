"""Fair values: covariance, drift, regimes, and independence of how they are asked for."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from portfolio_mm.types import NS
from portfolio_mm.venues.settings import Embedded, Regime
from sim.market.listing import DEFAULT_NAMES, LISTINGS
from sim.market.market import STEP_NS, Market, Oracle

LISTED = [LISTINGS[name] for name in DEFAULT_NAMES]
CALM = Regime(minutes=1.0, volatility=1.0, drift=1.0, informed=1.0, activity=1.0)
START = 1_767_623_400 * NS


def settings(**changes: object) -> Embedded:
    return msgspec.structs.replace(Embedded(seed=1, hours=1.0, deposit_usd=1.0), **changes)


def market(seed: int = 1, **changes: object) -> Market:
    return Market(LISTED, settings(**changes), np.random.SeedSequence(seed), START)


def test_returns_have_the_listed_covariance() -> None:
    """Twenty hours of one regime without drift: volatility to 1 %, correlation to 0.01."""
    m = market(regimes=(CALM, CALM, CALM), drift_share=0.0)
    _, prices, _ = m.path(START + 20 * 3600 * NS)
    returns = np.diff(np.log(prices), axis=0)
    sigma = returns.std(axis=0) / math.sqrt(STEP_NS / NS)
    annual = [listing.volatility for listing in LISTED]
    assert np.allclose(sigma * math.sqrt(365 * 86_400), annual, rtol=0.01)
    assert np.allclose(np.corrcoef(returns.T), m.correlation, atol=0.01)
    assert np.allclose(np.diag(m.correlation), 1.0)


def test_drift_moves_prices_by_its_share() -> None:
    """Var r(T) = sigma^2 T (1 + share^2 2 (kT - 1 + e^-kT) / (kT)) for the integrated drift."""
    share, k, horizon = 2.0, math.log(2) / 30.0, 600
    m = market(seed=2, regimes=(CALM, CALM, CALM), drift_share=share, drift_half_life_s=30.0)
    _, prices, _ = m.path(START + 50 * 3600 * NS)
    returns = np.diff(np.log(prices[:: horizon * 10]), axis=0)
    ratio = returns.var(axis=0) / (m.sigma**2 * horizon)
    kt = k * horizon
    expected = 1.0 + 2.0 * share**2 * (kt - 1.0 + math.exp(-kt)) / kt
    assert np.isclose(ratio.mean(), expected, rtol=0.15)


def test_regimes_scale_volatility_and_last_as_long_as_they_should() -> None:
    m = market(seed=3, drift_share=0.0)
    _, prices, regimes = m.path(START + 60 * 3600 * NS)
    returns = np.diff(np.log(prices), axis=0) / m.sigma / math.sqrt(STEP_NS / NS)
    for index, regime in enumerate(settings().regimes):
        inside = (regimes[1:] == index) & (regimes[:-1] == index)
        assert np.isclose(returns[inside].std(), regime.volatility, rtol=0.02)
        runs = np.diff(np.flatnonzero(np.diff(regimes == index)))
        assert runs.size > 4
    assert set(np.unique(regimes)) == {0, 1, 2}


def test_the_path_does_not_depend_on_how_it_is_asked_for() -> None:
    times = START + np.array([0, 3, 1000, 5000, 2000]) * NS
    forward, backward = market(), market()
    ahead = [forward.fair(int(t)) for t in times]
    behind = [backward.fair(int(t)) for t in times[::-1]][::-1]
    assert np.array_equal(ahead, behind)
    assert np.allclose(forward.fair(START - NS), [listing.price for listing in LISTED], rtol=1e-12)
    assert not np.array_equal(market(seed=9).fair(int(times[3])), ahead[3])


def test_oracle_keeps_near_fair_value() -> None:
    m = market()
    oracle = Oracle(m, np.random.default_rng(4), 3.0)
    misses = []
    for step in range(2000):
        time_ns = START + 3 * step * NS
        prices, external = oracle.prices(time_ns)
        misses.append(np.log(m.fair(time_ns) / prices))
        assert np.allclose(external / m.fair(time_ns), 1.0, atol=2e-4)
    assert 1e-4 < np.std(misses) < 1e-3
    assert np.abs(np.diff(misses, axis=0)).max() < 3e-4
