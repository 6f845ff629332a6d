"""Risk aversion as one smooth number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.governor import risk_aversion

SIGMA = np.array([[1e-8, 0.5e-8], [0.5e-8, 4e-8]])


def test_factor_is_one_at_budget():
    for beta in (0.0, 1.0, 7.0):
        assert risk_aversion.aversion(2e-5, beta, 1.0) == pytest.approx(2e-5, rel=1e-15)


def test_flat_book_and_no_beta():
    assert risk_aversion.aversion(2e-5, 1.0, 0.0) == pytest.approx(1e-5)
    assert risk_aversion.aversion(2e-5, 0.0, 5.0) == 2e-5


def test_utilisation_in_units():
    """10 000 USD at 3 % a day under a budget of 1 % of 100 000 USD: u = 300 / 1000."""
    variance = np.array([[0.03**2 / 86_400.0]])
    u2 = risk_aversion.utilisation(np.array([1e4]), variance, 0.01, 1e5)
    assert u2 == pytest.approx(0.09, rel=1e-12)


def test_base_is_the_larger():
    assert risk_aversion.base(0.25, 1e5, 1e-6) == pytest.approx(4e-5)
    assert risk_aversion.base(0.25, 1e5, 1e-3) == 1e-3


inventory = st.floats(-1e6, 1e6)


@given(x=inventory, y=inventory, t=st.floats(0.0, 1.0))
def test_never_falls_along_a_ray_from_flat(x, y, t):
    point = np.array([x, y])
    inner, outer = (
        risk_aversion.aversion(1e-5, 1.0, risk_aversion.utilisation(s * point, SIGMA, 0.01, 1e5))
        for s in (t, 1.0)
    )
    assert inner <= outer * (1.0 + 1e-12)


@given(x=inventory, y=inventory, dx=st.floats(-1.0, 1.0))
def test_moves_smoothly_with_inventory(x, y, dx):
    """|d sqrt(u²)| is bounded by the move itself, so no dollar of inventory is a step."""
    budget = 0.01 * 1e5 / math.sqrt(86_400.0)
    a, b = (
        math.sqrt(risk_aversion.utilisation(np.array([x + step, y]), SIGMA, 0.01, 1e5))
        for step in (0.0, dx)
    )
    assert abs(a - b) <= abs(dx) * math.sqrt(SIGMA[0, 0]) / budget + 1e-9
