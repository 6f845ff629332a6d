"""The filter of log volatility: what returns tell, and what they do not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.belief import volatility
from portfolio_mm.config import Belief
from portfolio_mm.theory import log_chi2

CONFIG = Belief()
DT = 5.0


def filtered(draw, sigma, noise, steps, n=400, seed=1):
    """Filter `steps` returns of `n` assets; `draw` gives standardised innovations."""
    rng = np.random.default_rng(seed)
    state = volatility.stationary(CONFIG, n)
    asset, variance = np.arange(n), np.full(n, log_chi2.VARIANCE)
    for _ in range(steps):
        returns = draw(rng, n) * math.sqrt((sigma**2 + noise) * DT)
        state = volatility.predict(CONFIG, state, DT)
        value = np.log(returns**2 / DT) - log_chi2.MEAN
        state = volatility.observe(state, asset, value, variance, np.full(n, noise))
    return state


def gaussian(rng, n):
    return rng.normal(size=n)


def student(rng, n):
    return rng.standard_t(3.0, n) / math.sqrt(3.0)


def log_sigma(state):
    return state.mean.sum(axis=1)


def prior_log_sigma():
    return math.log(CONFIG.volatility_daily) - 0.5 * math.log(86_400.0)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("noise_share", [0.0, 1.0])
def test_recovers_sigma(factor, noise_share):
    """In the mean over assets after an hour, also with noise as large as the signal.

    The tolerance is what the prior, 1.6 standard deviations away at the factor of 3, still pulls.
    """
    sigma = factor * math.exp(prior_log_sigma())
    state = filtered(gaussian, sigma, noise_share * sigma**2, 720)
    assert log_sigma(state).mean() == pytest.approx(math.log(sigma), abs=0.15)


def test_its_spread_is_the_one_it_states():
    sigma = 2.0 * math.exp(prior_log_sigma())
    state = filtered(gaussian, sigma, 0.0, 720)
    stated = math.sqrt(state.covariance.sum(axis=(1, 2)).mean())
    # The truth stands still while the filter allows it to move, so it errs less than it states.
    assert 0.5 * stated < log_sigma(state).std() < 1.1 * stated


def test_without_noise_it_is_the_kalman_filter():
    state = volatility.stationary(CONFIG, 1)
    p = state.covariance[0]
    h = np.ones(2)
    scale = 4.0 * h @ p @ h + log_chi2.VARIANCE
    gain = 2.0 * p @ h / scale
    value = 2.0 * prior_log_sigma() + 1.5
    one = np.array([0])
    new = volatility.observe(
        state, one, np.array([value]), np.array([log_chi2.VARIANCE]), np.zeros(1)
    )
    np.testing.assert_allclose(new.mean[0], state.mean[0] + gain * 1.5, rtol=1e-9)
    np.testing.assert_allclose(new.covariance[0], p - scale * np.outer(gain, gain), rtol=1e-9)


def test_noise_that_dominates_leaves_the_prior():
    sigma = math.exp(prior_log_sigma())
    state = filtered(gaussian, sigma, 1e4 * sigma**2, 200)
    assert log_sigma(state) == pytest.approx(prior_log_sigma(), abs=0.1)
    prior = CONFIG.level_sd**2 + CONFIG.excursion_sd**2
    np.testing.assert_allclose(state.covariance.sum(axis=(1, 2)), prior, rtol=0.05)


def test_a_silent_asset_returns_to_the_prior():
    loud = filtered(gaussian, 4.0 * math.exp(prior_log_sigma()), 0.0, 720, n=3)
    silent = volatility.predict(CONFIG, loud, 30.0 * 86_400.0)
    prior = volatility.stationary(CONFIG, 3)
    np.testing.assert_allclose(silent.mean, prior.mean, atol=1e-6)
    np.testing.assert_allclose(silent.covariance, prior.covariance, rtol=1e-6, atol=1e-9)


def test_predict_composes():
    state = filtered(gaussian, 1e-4, 0.0, 20, n=2)
    once = volatility.predict(CONFIG, state, 700.0)
    twice = volatility.predict(CONFIG, volatility.predict(CONFIG, state, 300.0), 400.0)
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_an_unobserved_asset_is_left_alone():
    state = volatility.stationary(CONFIG, 2)
    new = volatility.observe(
        state, np.array([1]), np.array([-15.0]), np.array([log_chi2.VARIANCE]), np.zeros(1)
    )
    np.testing.assert_array_equal(new.mean[0], state.mean[0])
    assert new.samples.tolist() == [0.0, 1.0]


def test_tail_is_one_for_gaussian_returns_and_more_for_fat_ones():
    sigma = math.exp(prior_log_sigma())
    thin = volatility.tail(CONFIG, filtered(gaussian, sigma, 0.0, 1500))
    fat = volatility.tail(CONFIG, filtered(student, sigma, 0.0, 1500))
    assert np.sqrt((thin**2).mean()) == pytest.approx(1.0, abs=0.05)
    assert np.median(fat) > 1.15
    assert volatility.tail(CONFIG, volatility.stationary(CONFIG, 1)) == 1.0


def test_sigma_is_the_root_of_the_expected_variance():
    state = volatility.stationary(CONFIG, 1)
    rng = np.random.default_rng(2)
    draw = rng.multivariate_normal(state.mean[0], state.covariance[0], 1_000_000).sum(axis=1)
    expected = math.sqrt(np.exp(2.0 * draw).mean())
    assert volatility.sigma(state)[0] == pytest.approx(expected, rel=0.03)
    assert volatility.mean_sigma(state)[0] == pytest.approx(np.exp(draw).mean(), rel=0.01)


def test_crisis_is_the_chance_of_twice_the_usual_volatility():
    state = volatility.stationary(CONFIG, 1)
    rng = np.random.default_rng(3)
    excursion = rng.normal(0.0, CONFIG.excursion_sd, 1_000_000)
    expected = (excursion > math.log(2.0)).mean()
    assert volatility.crisis(state)[0] == pytest.approx(expected, abs=2e-3)
    usual = math.exp(prior_log_sigma())
    calm = stormy = filtered(gaussian, usual, 0.0, 720, n=50)
    rng = np.random.default_rng(4)
    for _ in range(60):
        stormy = volatility.predict(CONFIG, stormy, DT)
        value = 2.0 * np.log(4.0 * usual * np.abs(rng.normal(size=50))) - log_chi2.MEAN
        variance = np.full(50, log_chi2.VARIANCE)
        stormy = volatility.observe(stormy, np.arange(50), value, variance, np.zeros(50))
    assert np.median(volatility.crisis(calm)) < 0.1
    assert np.median(volatility.crisis(stormy)) > 0.6, "after five minutes of four times as much"
