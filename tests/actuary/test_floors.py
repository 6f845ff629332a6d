"""The two smallest depths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.actuary import floors
from portfolio_mm.theory import glosten_milgrom


def test_option_floor_is_the_expected_loss_of_a_stale_quote():
    """E[max(-σ√τ Z, 0)] by Monte Carlo."""
    z = np.random.default_rng(1).normal(size=4_000_000)
    payoff = np.maximum(1e-4 * math.sqrt(1.3) * z, 0.0).mean()
    assert floors.option_floor(np.array([1e-4]), 1.3)[0] == pytest.approx(payoff, rel=2e-3)


@given(
    sd=st.floats(1e-5, 2e-3),
    informed=st.floats(0.01, 0.9),
    decay=st.floats(100.0, 5000.0),
)
def test_no_deeper_quote_loses_more_than_its_depth(sd, informed, decay):
    variance = np.array([sd * sd])
    rates = np.full((1, 2), informed), np.full((1, 2), decay)
    floor = floors.smallest_depth(np.array([1e-9]), 1.0, variance, *rates)
    assert floor.shape == (1, 2)
    depth = floor[0, 0] * np.geomspace(1.0 + 1e-9, 30.0, 60)
    charge = glosten_milgrom.adverse_selection(depth, variance[0], informed, np.exp(-decay * depth))
    assert (depth >= charge * (1.0 - 1e-7)).all()


def test_the_larger_floor_wins():
    rates = np.full((1, 2), 0.1), np.full((1, 2), 2000.0)
    calm = floors.smallest_depth(np.array([1e-9]), 1.0, np.array([1e-7]), *rates)
    wild = floors.smallest_depth(np.array([1e-2]), 1.0, np.array([1e-7]), *rates)
    np.testing.assert_allclose(wild, floors.option_floor(np.array([1e-2]), 1.0)[0])
    np.testing.assert_allclose(calm, glosten_milgrom.floor(1e-7, 0.1, 2000.0))
