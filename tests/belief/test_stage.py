"""The belief as a whole: order of events, cold start, fills, and what it hands on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.belief import stage
from portfolio_mm.config import Belief
from portfolio_mm.theory.informed_flow import SHARE
from portfolio_mm.types import NS, Fill, Observations, ParameterUpdates, Target


def observations(time_ns, n, rows=(), takers=None):
    """A batch of (asset, target, value, variance, age)."""
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return Observations(
        time_ns=time_ns,
        asset=np.array(columns[0], dtype=np.int64),
        target=np.array(columns[1], dtype=np.int64),
        value=np.array(columns[2], dtype=np.float64),
        variance=np.array(columns[3], dtype=np.float64),
        noise=np.zeros(len(rows)),
        age=np.array(columns[4], dtype=np.float64),
        returns=np.full(n, np.nan),
        interval=np.ones(n),
        takers=np.zeros((n, 2)) if takers is None else takers,
        reach=np.zeros((n, 2)),
        exposure=np.zeros(n),
        features=np.zeros((n, 1)),
    )


def nothing(n):
    return ParameterUpdates(informed_flow=np.zeros((n, len(SHARE))))


def price(asset, value, variance=1e-8, age=0.0):
    return asset, Target.FAIR_VALUE, value, variance, age


def fill(time_ns, asset, side, at, maker=True):
    return Fill(
        time_ns=time_ns,
        asset=asset,
        side=side,
        price=at,
        size=1.0,
        fee=0.0,
        maker=maker,
        cloid="",
        fill_id=0,
    )


def start(bench, n, config=None):
    config = config or Belief(correlation=0.5)
    params, state = stage.init(config, bench.universe(n))
    first = observations(bench.start, n, [price(i, 3.0 + i) for i in range(n)])
    return params, *stage.step(params, state, first, (), nothing(n))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_cold_start_is_stationary(bench, n):
    params, _, belief = start(bench, n)
    share, k = params.config.drift_share, params.reversion
    np.testing.assert_allclose(belief.drift_covariance, share**2 * k * belief.covariance, rtol=1e-9)
    assert belief.known.all()
    assert not belief.drift.any()
    np.testing.assert_allclose(belief.log_price, 3.0 + np.arange(n))
    np.testing.assert_allclose(belief.variance, 1e-8)


def test_what_was_never_observed_is_not_known(bench):
    params, state = stage.init(Belief(), bench.universe(2))
    _, belief = stage.step(
        params, state, observations(bench.start, 2, [price(1, 4.0)]), (), nothing(2)
    )
    assert belief.known.tolist() == [False, True]
    for name in belief.__struct_fields__:
        assert np.isfinite(getattr(belief, name)).all(), name


def test_uncertainty_grows_while_nothing_is_observed(bench):
    params, state, before = start(bench, 1)
    _, after = stage.step(params, state, observations(bench.start + 60 * NS, 1), (), nothing(1))
    assert after.variance[0] > before.variance[0] + 60.0 * before.covariance[0, 0]
    np.testing.assert_array_equal(after.log_price, before.log_price)


def test_an_old_book_weighs_less_by_the_diffusion_since(bench):
    params, state, before = start(bench, 1)
    now = bench.start + NS
    moves = []
    for age in (0.0, 20.0):
        batch = observations(now, 1, [price(0, 3.001, 1e-8, age)])
        moves.append(stage.step(params, state, batch, (), nothing(1))[1].log_price[0] - 3.0)
    prior = stage.step(params, state, observations(now, 1), (), nothing(1))[1].variance[0]
    stale = before.sigma[0] ** 2 * 20.0
    ratio = (prior + 1e-8) / (prior + 1e-8 + stale)
    assert moves[1] / moves[0] == pytest.approx(ratio, rel=0.01)


def test_a_leader_moves_the_follower_before_its_book_moves(bench):
    params, state, _ = start(bench, 2)
    batch = observations(bench.start + NS, 2, [price(0, 3.002)])
    _, belief = stage.step(params, state, batch, (), nothing(2))
    assert belief.log_price[0] - 3.0 > 1e-3
    assert belief.log_price[1] - 4.0 > 3e-4


@pytest.mark.parametrize("side", [1, -1])
def test_a_fill_moves_fair_value_against_us(bench, side):
    params, state, _ = start(bench, 2)
    now = bench.start + 2 * NS
    at = math.exp(3.0 - side * 1e-5)
    step = [
        stage.step(params, state, observations(now, 2), fills, nothing(2))[1]
        for fills in ((), (fill(now - NS, 0, side, at),))
    ]
    assert side * (step[1].log_price[0] - step[0].log_price[0]) < 0.0
    assert side * (step[1].log_price[1] - step[0].log_price[1]) < 0.0, "it is correlated"


def test_order_of_reported_fills_does_not_matter(bench):
    params, state, _ = start(bench, 2)
    now = bench.start + 2 * NS
    fills = (
        fill(now - NS, 0, 1, math.exp(2.9999)),
        fill(now - NS // 2, 1, -1, math.exp(4.0001)),
    )
    batch = observations(now, 2)
    _, one = stage.step(params, state, batch, fills, nothing(2))
    _, two = stage.step(params, state, batch, fills[::-1], nothing(2))
    np.testing.assert_array_equal(one.log_price, two.log_price)


def test_a_fill_that_we_took_says_nothing(bench):
    params, state, _ = start(bench, 1)
    now = bench.start + NS
    taken = fill(now, 0, 1, math.exp(2.9999), maker=False)
    _, belief = stage.step(params, state, observations(now, 1), (taken,), nothing(1))
    assert belief.log_price[0] == 3.0


def test_evidence_on_informed_flow_reaches_the_belief(bench):
    params, state, before = start(bench, 1)
    evidence = ParameterUpdates(informed_flow=20.0 * SHARE[None, :])
    _, after = stage.step(params, state, observations(bench.start + NS, 1), (), evidence)
    assert (after.informed > before.informed + 0.2).all()


def test_permuting_assets_commutes(bench):
    order = np.array([2, 0, 1])
    results = []
    for index in (np.arange(3), order):
        back = np.argsort(index)
        params, state = stage.init(Belief(correlation=0.3), bench.universe(3))
        for second in range(5):
            rows = [price(int(back[i]), 3.0 + i + 1e-4 * second * (i + 1)) for i in range(3)]
            now = bench.start + second * NS
            fills = (fill(now, int(back[1]), 1, math.exp(4.0)),) if second == 3 else ()
            state, belief = stage.step(params, state, observations(now, 3, rows), fills, nothing(3))
        results.append(belief)
    np.testing.assert_allclose(results[0].log_price[order], results[1].log_price, rtol=1e-12)
    np.testing.assert_allclose(results[0].variance[order], results[1].variance, rtol=1e-9)
