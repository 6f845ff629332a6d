"""Takers: stationary rates, excitation, reach, sizes, and what informed ones do."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.types import NS
from portfolio_mm.venues.settings import Embedded, Regime
from sim.market.flow import InformedTakers, Look, NoiseTakers, Taker
from sim.market.listing import DEFAULT_NAMES, LISTINGS
from sim.market.market import Market

LISTED = [LISTINGS[name] for name in DEFAULT_NAMES]
CALM = Regime(minutes=5.0, volatility=1.0, drift=1.0, informed=1.0, activity=1.0)
BASE = Embedded(seed=1, hours=1.0, deposit_usd=1.0, regimes=(CALM, CALM, CALM))
START = 1_767_623_400 * NS
HOURS = 4


def build(settings: Embedded = BASE) -> tuple[Market, NoiseTakers, InformedTakers]:
    market = Market(LISTED, settings, np.random.SeedSequence(3), START)
    noise = NoiseTakers(LISTED, settings, market, np.random.default_rng(4), START)
    informed = InformedTakers(LISTED, settings, market, np.random.default_rng(5), START)
    return market, noise, informed


@pytest.fixture(scope="module")
def takers() -> list[Taker]:
    _, noise, _ = build()
    taken = [noise.next()]
    while taken[-1].time_ns < START + HOURS * 3600 * NS:
        taken.append(noise.next())
    return taken[:-1]


def test_mean_rates_are_the_listed_ones(takers: list[Taker]) -> None:
    """Counts are over-dispersed by 1 / (1 - g)^2 = 6.25 against Poisson."""
    counts = np.zeros((12, 2))
    for taker in takers:
        counts[taker.asset, taker.side] += 1
    expected = HOURS * 3600 * np.array([[x.arrival] * 2 for x in LISTED])
    assert np.all(np.abs(counts - expected) < 4.5 * np.sqrt(6.25 * expected))
    assert counts.sum() == pytest.approx(expected.sum(), rel=0.05)


def test_takers_excite_takers(takers: list[Taker]) -> None:
    """Same-side gaps of one asset are burstier than a Poisson process of the same rate."""
    times = np.array([t.time_ns for t in takers if t.asset == 1 and t.side == 0]) / NS
    gaps = np.diff(times)
    assert gaps.std() > 1.15 * gaps.mean()
    ordered = np.array([t.time_ns for t in takers])
    assert np.all(np.diff(ordered) >= 0)


def test_reach_is_exponential(takers: list[Taker]) -> None:
    """Quotes at depth d meet a share exp(-kappa d) of the takers of their side."""
    market, *_ = build()
    for asset, listing in enumerate(LISTED[:4]):
        mine = [t for t in takers if t.asset == asset]
        fair = np.array([market.fair(t.time_ns)[asset] for t in mine])
        sign = np.array([1 - 2 * t.side for t in mine])
        reach = sign * np.log(np.array([t.limit for t in mine]) / fair)
        assert reach.min() >= 0.0
        assert reach.mean() * listing.decay == pytest.approx(1.0, abs=4 / np.sqrt(len(mine)))
        share = np.mean(reach > 4e-4)
        assert share == pytest.approx(np.exp(-4e-4 * listing.decay), abs=0.04)
        assert np.median([t.usd for t in mine]) == pytest.approx(listing.taker_usd, rel=0.1)


def test_busy_regimes_bring_more_takers() -> None:
    busy = msgspec.structs.replace(CALM, activity=3.0)
    _, calm, _ = build()
    _, rushed, _ = build(msgspec.structs.replace(BASE, regimes=(busy, busy, busy)))
    spans = []
    for noise in (calm, rushed):
        for _ in range(3000):
            last = noise.next()
        spans.append(last.time_ns - START)
    assert spans[0] / spans[1] == pytest.approx(3.0, rel=0.2)


def test_informed_takers_take_only_what_pays() -> None:
    market, _, informed = build()
    look = Look(START + 60 * NS, 1, 5 * NS, 1000.0)
    known = market.fair(START + 65 * NS)[1]
    assert informed.decide(look, known * (1 - 1e-4), known * (1 + 1e-4)) is None
    assert informed.decide(look, 0.0, 0.0) is None
    buy = informed.decide(look, known * 0.998, known * 0.999)
    sell = informed.decide(look, known * 1.001, known * 1.002)
    assert buy is not None
    assert buy.side == 0
    assert buy.limit < known * (1 - LISTED[1].fees().taker)
    assert sell is not None
    assert sell.side == 1
    assert sell.limit > known * (1 + LISTED[1].fees().taker)


def test_looks_come_at_the_listed_rate() -> None:
    _, _, informed = build()
    assert informed.active
    last = [informed.next() for _ in range(4000)][-1]
    rate = informed.LOOKS_PER_ARRIVAL * sum(x.arrival for x in LISTED)
    assert 4000 / ((last.time_ns - START) / NS) == pytest.approx(rate, rel=0.06)
    _, _, none = build(msgspec.structs.replace(BASE, informed_scale=0.0))
    assert not none.active
