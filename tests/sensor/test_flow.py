"""Sweeps against a slow loop over the prints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.sensor.flow import sweeps

PRICES = np.array([100.0, 20.0, 5000.0])
N = len(PRICES)


def loop(rows, counted):
    """Group prints by asset, side and time, and keep the furthest of each group."""
    groups = {}
    signed, total = np.zeros(N), np.zeros(N)
    for asset, side, price, size, time_ns in rows:
        if not counted[asset]:
            continue
        depth = max(side * (math.log(price) - math.log(PRICES[asset])), 0.0)
        key = asset, int(side > 0), time_ns
        groups[key] = max(groups.get(key, 0.0), depth)
        signed[asset] += side * price * size
        total[asset] += price * size
    takers, reach = np.zeros((N, 2)), np.zeros((N, 2))
    for (asset, side, _), depth in groups.items():
        takers[asset, side] += 1
        reach[asset, side] += depth
    return takers, reach, np.divide(signed, total, out=np.zeros(N), where=total > 0)


rows = st.lists(
    st.tuples(
        st.integers(0, N - 1),
        st.sampled_from([-1, 1]),
        st.floats(0.98, 1.02),
        st.floats(0.01, 100.0),
        st.integers(0, 5),
    ),
    max_size=30,
).map(lambda rows: [(a, s, PRICES[a] * p, q, t) for a, s, p, q, t in rows])


@given(rows=rows, counted=st.lists(st.booleans(), min_size=N, max_size=N))
def test_equals_a_slow_loop(bench, rows, counted):
    counted = np.array(counted)
    log_fair = np.where(counted, np.log(PRICES), np.nan)
    result = sweeps(bench.trades(rows), log_fair, counted)
    takers, reach, imbalance = loop(rows, counted)
    np.testing.assert_array_equal(result.takers, takers)
    np.testing.assert_allclose(result.reach, reach, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(result.imbalance, imbalance, rtol=1e-9, atol=1e-12)


def test_prints_of_one_instant_are_one_sweep_with_the_furthest_reach(bench):
    rows = [(0, -1, 99.9, 1.0, 7), (0, -1, 99.5, 1.0, 7), (0, -1, 99.7, 1.0, 7)]
    result = sweeps(bench.trades(rows), np.log(PRICES), np.ones(N, dtype=bool))
    assert result.takers[0].tolist() == [1.0, 0.0], "an aggressive seller hits bids"
    assert result.reach[0, 0] == pytest.approx(-math.log(0.995))
    assert result.imbalance[0] == -1.0


def test_a_print_on_the_near_side_of_fair_value_reaches_nowhere(bench):
    result = sweeps(bench.trades([(0, 1, 99.0, 1.0, 7)]), np.log(PRICES), np.ones(N, dtype=bool))
    assert result.takers[0].tolist() == [0.0, 1.0]
    assert result.reach[0, 1] == 0.0
