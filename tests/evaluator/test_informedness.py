"""What moves after fills say about who traded."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from portfolio_mm.belief import informed
from portfolio_mm.config import Belief
from portfolio_mm.evaluator import informedness
from portfolio_mm.theory import informed_flow
from portfolio_mm.types import NS, Fill

STALE, HORIZON = 1.3, 10.0


def fill(time_ns, asset, side, price, maker=True):
    return Fill(
        time_ns=time_ns,
        asset=asset,
        side=side,
        price=price,
        size=1.0,
        fee=0.0,
        maker=maker,
        cloid="",
        fill_id=0,
    )


@pytest.fixture(scope="module")
def belief(run_path):
    return run_path(2, 30)[-1].belief


def at(belief, seconds, **changes):
    time_ns = belief.time_ns + round(seconds * NS)
    return msgspec.structs.replace(belief, time_ns=time_ns, **changes)


@pytest.mark.parametrize("side", [1, -1])
def test_evidence_is_the_likelihood_of_the_move_seen_from_our_side(belief, side):
    price = math.exp(belief.log_price[1] - side * 3e-4)
    trials = informedness.add(
        informedness.none_waiting(), (fill(belief.time_ns, 1, side, price),), belief, HORIZON
    )
    later = at(belief, HORIZON, log_price=belief.log_price + np.array([0.0, 2e-4]))
    left, updates = informedness.judge(trials, later, STALE, HORIZON)
    expected = informed_flow.log_likelihood(
        np.array([side * 2e-4]),
        np.array([3e-4]),
        belief.variance[[1]],
        (belief.tail * belief.sigma)[[1]],
        belief.decay[[1], [0 if side > 0 else 1]],
        STALE,
        HORIZON,
    )
    np.testing.assert_allclose(updates.informed_flow[1], expected[0], rtol=1e-9)
    assert not updates.informed_flow[0].any()
    assert len(left.asset) == 0


def test_fills_wait_for_the_horizon(belief):
    price = math.exp(belief.log_price[0])
    trials = informedness.add(
        informedness.none_waiting(), (fill(belief.time_ns, 0, 1, price),), belief, HORIZON
    )
    for seconds, waiting in ((0.0, 1), (9.9, 1), (10.0, 0)):
        left, updates = informedness.judge(trials, at(belief, seconds), STALE, HORIZON)
        assert len(left.asset) == waiting
        assert updates.informed_flow.any() == (not waiting)


def test_fills_of_one_side_in_one_cycle_are_one_event(belief):
    price = math.exp(belief.log_price[0] - 2e-4)
    results = []
    for count in (1, 3):
        fills = (fill(belief.time_ns, 0, 1, price),) * count
        trials = informedness.add(informedness.none_waiting(), fills, belief, HORIZON)
        results.append(informedness.judge(trials, at(belief, 10.0), STALE, HORIZON)[1])
    np.testing.assert_allclose(*(r.informed_flow for r in results))


def test_only_maker_fills_of_known_assets_are_tried(belief):
    unknown = msgspec.structs.replace(belief, known=np.array([False, True]))
    price = math.exp(belief.log_price[0])
    none = informedness.none_waiting()
    assert informedness.add(none, (fill(0, 0, 1, price),), unknown, HORIZON) is none
    assert informedness.add(none, (fill(0, 0, 1, price, maker=False),), belief, HORIZON) is none


@pytest.mark.parametrize("planted", [0.05, 0.4, 0.8])
def test_a_planted_fraction_is_recovered_roughly(belief, planted):
    """Informed takers know fair value three seconds ahead; noise takers reach exponentially."""
    rng = np.random.default_rng(7)
    sigma, foresight, depth = (belief.tail * belief.sigma)[0], 3.0, 2e-4
    decay = belief.decay[0, 0]
    count = 400_000
    until = sigma * math.sqrt(STALE + foresight)
    known = math.sqrt(belief.variance[0]) * rng.normal(size=count) + until * rng.normal(size=count)
    is_informed = rng.random(count) < planted
    noise_hits = (rng.random(count) < 0.5) & (rng.random(count) < math.exp(-decay * depth))
    hits = np.flatnonzero(np.where(is_informed, known < -depth, noise_hits))[:3000]
    rest = sigma * math.sqrt(HORIZON - foresight) * rng.normal(size=len(hits))
    price = math.exp(belief.log_price[0] - depth)
    trials = informedness.add(
        informedness.none_waiting(), (fill(belief.time_ns, 0, 1, price),), belief, HORIZON
    )
    evidence = informed.prior(2)
    for move in known[hits] + rest:
        later = at(belief, HORIZON, log_price=belief.log_price + np.array([move, 0.0]))
        evidence += informedness.judge(trials, later, STALE, HORIZON)[1].informed_flow
    share = informed.estimate(Belief(informed_pooling=0.0), evidence).share[0]
    assert share == pytest.approx(planted, abs=0.15)
