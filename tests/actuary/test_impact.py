"""Self-impact and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.actuary.impact import ahead, concession

LEVELS = np.array([2e-4, 4e-4, 8e-4])
NOTIONAL = np.array([100.0, 200.0, 400.0])


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0.0, 0.0),
        (-1e-3, 0.0),
        (1e-4, 50.0),
        (2e-4, 100.0),
        (3e-4, 200.0),
        (8e-4, 700.0),
        (1.0, 700.0),
    ],
)
def test_size_ahead_by_hand(depth, expected):
    assert ahead(np.array([depth]), LEVELS, NOTIONAL)[0] == pytest.approx(expected)


def test_levels_beyond_fair_value_are_ahead_of_everything():
    assert ahead(np.array([0.0]), np.array([-1e-4]), np.array([50.0]))[0] == pytest.approx(0.0)
    assert ahead(np.array([1e-9]), np.array([-1e-4]), np.array([50.0]))[0] == pytest.approx(50.0)


def test_absent_levels_count_nothing():
    depth = np.array([1e-3])
    assert ahead(depth, np.full(3, np.nan), np.zeros(3))[0] == 0.0
    padded = np.append(LEVELS, np.nan), np.append(NOTIONAL, 0.0)
    assert ahead(depth, *padded)[0] == 700.0


@given(depth=st.floats(0.0, 1e-3), step=st.floats(0.0, 1e-4))
def test_size_ahead_is_continuous_and_grows_with_depth(depth, step):
    near, far = ahead(np.array([depth, depth + step]), LEVELS, NOTIONAL)
    steepest = (NOTIONAL / np.diff(LEVELS, prepend=0.0)).max()
    assert far - near + 1e-9 >= 0.0
    assert far - near <= steepest * step + 1e-9


def test_limits():
    assert concession(0.0, 500.0, 2000.0, 0.1) == pytest.approx(0.1 / 2000.0), "an empty book"
    assert concession(1e12, 500.0, 2000.0, 0.1) < 1e-12, "a thick one"
    assert concession(500.0, 500.0, 2000.0, 0.1) == pytest.approx(0.05 / 2000.0)
    impacts = concession(np.geomspace(1.0, 1e6, 20), 500.0, 2000.0, 0.1)
    assert (np.diff(impacts) < 0.0).all()
