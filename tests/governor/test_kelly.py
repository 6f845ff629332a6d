"""Growth-optimal exposure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.governor import kelly


def limit(rho=0.0, n=2, equity=1e5, sigma=1e-4, arrival=0.1, decay=2000.0, size=1000.0):
    covariance = sigma**2 * (rho + (1.0 - rho) * np.eye(n))
    rates = np.full((n, 2), arrival), np.full((n, 2), decay)
    return kelly.exposure(0.25, equity, covariance, *rates, np.full(n, size))


def test_one_asset_by_hand():
    """φ E (1/κ) / (σ² · e/a)."""
    expected = 0.25 * 1e5 * (1.0 / 2000.0) / (1e-8 * math.e / 0.1)
    assert limit(n=1) == pytest.approx(expected, rel=1e-12)


def test_shrinks_as_correlation_rises():
    limits = [limit(rho) for rho in (-0.5, 0.0, 0.3, 0.6, 0.9)]
    assert (np.diff(limits) < 0.0).all()
    assert limit(0.0) / limit(1.0 - 1e-12) == pytest.approx(2.0)


def test_scales():
    assert limit(equity=2e5) == pytest.approx(2.0 * limit())
    assert limit(sigma=2e-4) == pytest.approx(limit() / 4.0)
    assert limit(size=5000.0) == pytest.approx(limit())


def test_an_asset_that_does_not_trade_does_not_count():
    covariance = 1e-8 * np.eye(2)
    arrival = np.array([[0.1, 0.1], [0.0, 0.0]])
    decay = np.full((2, 2), 2000.0)
    both = kelly.exposure(0.25, 1e5, covariance, arrival, decay, np.array([1000.0, 9000.0]))
    assert both == pytest.approx(limit(n=1), rel=1e-12)


def test_unlimited_where_nothing_trades():
    assert limit(arrival=0.0) == math.inf
