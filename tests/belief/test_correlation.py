"""Correlation of asynchronous returns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.belief import correlation
from portfolio_mm.config import Belief

CONFIG = Belief(correlation_half_life_s=1e9, correlation_strength=1e-6)
SIGMA = 1e-4


def sampled(rho, lag_s, steps, seed, config=CONFIG, missing=0.0):
    """Two correlated walks, each known as of a random instant before the common sample time."""
    rng = np.random.default_rng(seed)
    fine = 0.1
    per_step = 50
    root = np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]]))
    moves = SIGMA * math.sqrt(fine) * rng.normal(size=(steps * per_step, 2)) @ root.T
    path = np.cumsum(moves, axis=0)
    state = correlation.prior(config, 2)
    last, last_time = path[per_step - 1].copy(), np.full(2, (per_step - 1) * fine)
    for step in range(2, steps):
        ticks = step * per_step - 1 - rng.integers(0, 1 + int(lag_s / fine), 2)
        due = rng.random(2) >= missing
        time = ticks * fine
        price = path[ticks, [0, 1]]
        returns = np.where(due, price - last, np.nan)
        interval = np.where(due, time - last_time, 1.0)
        age = (step * per_step - 1) * fine - time
        state = correlation.observe(
            config, state, returns, interval, age, np.full(2, SIGMA), per_step * fine
        )
        last, last_time = np.where(due, price, last), np.where(due, time, last_time)
    return state


def raw(state):
    return state.product[0, 1] / state.overlap[0, 1]


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.8])
@pytest.mark.parametrize(("lag_s", "missing"), [(0.0, 0.0), (2.0, 0.0), (2.0, 0.3)])
def test_recovers_rho_of_asynchronous_assets(rho, lag_s, missing):
    """Within 3 standard errors: no Epps effect, whatever the delays."""
    state = sampled(rho, lag_s, 6000, seed=11, missing=missing)
    error = math.sqrt((1.0 + rho * rho) / state.overlap[0, 1])
    assert raw(state) == pytest.approx(rho, abs=3.0 * error)
    assert correlation.matrix(state)[0, 1] == pytest.approx(raw(state), abs=1e-3)


def test_ignoring_the_delays_would_understate_it():
    """The test above has power: with ages left out the estimate is far off."""
    state = sampled(0.8, 2.0, 6000, seed=11)
    mean_overlap = math.sqrt(state.overlap[0, 1] / 6000)
    assert mean_overlap < 0.9


def test_forgets_by_half_in_its_half_life():
    config = Belief(correlation_half_life_s=100.0)
    state = sampled(0.5, 0.0, 50, seed=1, config=config)
    later = correlation.observe(
        config, state, np.full(2, np.nan), np.ones(2), np.zeros(2), np.ones(2), 100.0
    )
    np.testing.assert_allclose(later.product, 0.5 * state.product)
    np.testing.assert_allclose(later.overlap, 0.5 * state.overlap)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("prior", [0.0, 0.4])
def test_prior_is_the_stated_correlation_of_every_pair(n, prior):
    matrix = correlation.matrix(correlation.prior(Belief(correlation=prior), n))
    np.testing.assert_allclose(matrix, prior + (1.0 - prior) * np.eye(n), atol=1e-12)


def factor_model(n, seed):
    rng = np.random.default_rng(seed)
    loadings = rng.uniform(-0.7, 0.7, (n, 2))
    matrix = loadings @ loadings.T
    np.fill_diagonal(matrix, 1.0)
    return matrix


def run(matrix, steps, seed, config=CONFIG, due=None):
    n = len(matrix)
    z = np.random.default_rng(seed).multivariate_normal(np.zeros(n), matrix, steps)
    state = correlation.prior(config, n)
    ones = np.ones(n)
    for step in range(steps):
        returns = SIGMA * math.sqrt(5.0) * z[step]
        if due is not None:
            returns = np.where(due[step], returns, np.nan)
        state = correlation.observe(
            config, state, returns, 5.0 * ones, 0.0 * ones, SIGMA * ones, 5.0
        )
    return state


def test_recovers_a_factor_model():
    truth = factor_model(8, seed=2)
    estimate = correlation.matrix(run(truth, 4000, seed=3))
    assert np.abs(estimate - truth).max() < 4.0 / math.sqrt(4000)


@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.01, 100.0),
    share=st.floats(0.0, 1.0),
)
def test_always_positive_definite(n, seed, scale, share):
    """Whatever the returns, however many are missing, however wrong sigma is."""
    rng = np.random.default_rng(seed)
    state = correlation.prior(Belief(correlation=0.3), n)
    for _ in range(8):
        returns = scale * SIGMA * rng.standard_t(2.0, n)
        returns[rng.random(n) < share] = np.nan
        interval, age = rng.uniform(0.1, 30.0, n), rng.uniform(0.0, 30.0, n)
        state = correlation.observe(Belief(), state, returns, interval, age, np.full(n, SIGMA), 5.0)
        matrix = correlation.matrix(state)
        assert np.linalg.eigvalsh(matrix)[0] > 0.5 * (1.0 - correlation.MAX_COMMUNALITY)
        np.testing.assert_allclose(matrix.diagonal(), 1.0)


def test_a_dead_asset_changes_nothing_else():
    truth = factor_model(4, seed=5)
    alive = correlation.matrix(run(truth, 200, seed=6, config=Belief()))
    wide = np.eye(5)
    wide[:4, :4] = truth
    z = np.random.default_rng(6).multivariate_normal(np.zeros(4), truth, 200)
    state = correlation.prior(Belief(), 5)
    ones = np.ones(5)
    for row in z:
        returns = np.append(SIGMA * math.sqrt(5.0) * row, np.nan)
        state = correlation.observe(
            Belief(), state, returns, 5.0 * ones, 0.0 * ones, SIGMA * ones, 5.0
        )
    matrix = correlation.matrix(state)
    np.testing.assert_allclose(matrix[:4, :4], alive, atol=1e-9)
    assert not matrix[4, :4].any()


def test_commutes_with_permutation():
    truth, order = factor_model(5, seed=7), np.array([3, 0, 4, 1, 2])
    z = (
        SIGMA
        * math.sqrt(5.0)
        * np.random.default_rng(8).multivariate_normal(np.zeros(5), truth, 50)
    )
    ones = np.ones(5)
    results = []
    for index in (np.arange(5), order):
        state = correlation.prior(Belief(), 5)
        for row in z:
            state = correlation.observe(
                Belief(), state, row[index], 5.0 * ones, 0.0 * ones, SIGMA * ones, 5.0
            )
        results.append(correlation.matrix(state))
    np.testing.assert_allclose(results[0][np.ix_(order, order)], results[1], atol=1e-9)
