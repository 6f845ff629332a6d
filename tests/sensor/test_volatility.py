"""Squared returns observe log variance without bias; the noise in them is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.sensor import volatility
from portfolio_mm.theory import log_chi2

SIGMA, DT = 1e-4, 5.0


def test_unbiased_with_the_stated_variance_on_gaussian_returns():
    returns = np.random.default_rng(1).normal(0.0, SIGMA * math.sqrt(DT), 200_000)
    z = volatility.log_variance(returns, np.full(200_000, DT), np.zeros(200_000), np.zeros(200_000))
    error = math.sqrt(log_chi2.VARIANCE / len(z))
    assert z.mean() == pytest.approx(2.0 * math.log(SIGMA), abs=4.0 * error)
    assert z.var() == pytest.approx(log_chi2.VARIANCE, rel=0.02)


def test_unbiased_on_returns_of_rounded_prices():
    """A grid as wide as the half of a typical return: many returns are zero."""
    rng = np.random.default_rng(2)
    tick = SIGMA * math.sqrt(DT)
    path = np.cumsum(rng.normal(0.0, SIGMA * math.sqrt(DT), 200_000))
    returns = np.diff(np.round(path / tick) * tick)
    ones = np.ones(len(returns))
    z = volatility.log_variance(returns, DT * ones, 0.5 * tick * ones, tick * ones)
    rounding = tick * tick / 6.0 / DT
    assert (returns == 0.0).mean() > 0.3
    assert z.mean() == pytest.approx(math.log(SIGMA**2 + rounding), abs=0.15)


def prices(kind, half_spread, k, n, seed=3):
    rng = np.random.default_rng(seed)
    value = np.cumsum(rng.normal(0.0, SIGMA * math.sqrt(DT), (k, n)), axis=0)
    match kind:
        case "independent":
            return value + rng.uniform(-half_spread, half_spread, (k, n))
        case "smooth":
            return value


@pytest.mark.parametrize(("kind", "expected"), [("independent", 1.0), ("smooth", 0.0)])
def test_share_of_noise_is_measured(kind, expected):
    half_spread, n = 3e-4, 200
    path = prices(kind, half_spread, 1000, n)
    allowed = np.full(n, half_spread**2 / 3.0)
    noise = volatility.quiet(n)
    everything = np.ones(n, dtype=bool)
    for returns in np.diff(path, axis=0):
        noise = volatility.observe(noise, everything, returns, allowed)
    share = volatility.share(noise, allowed)
    assert np.median(share) == pytest.approx(expected, abs=0.05)
    assert ((share >= 0.0) & (share <= 1.0)).all()


def test_nothing_is_subtracted_before_it_was_measured():
    noise = volatility.quiet(2)
    assert volatility.share(noise, np.array([1e-8, np.nan])).tolist()[0] == 0.0


def test_only_consecutive_returns_are_paired():
    noise = volatility.quiet(2)
    shared = np.full(2, 1e-8)
    noise = volatility.observe(noise, np.array([True, True]), np.array([1e-4, 1e-4]), shared)
    noise = volatility.observe(noise, np.array([True, False]), np.array([-1e-4, np.nan]), shared)
    assert noise.product.tolist() == [1e-8, 0.0]
    assert noise.allowed.tolist() == [1e-8, 0.0]
    assert noise.last.tolist() == [-1e-4, 1e-4]
