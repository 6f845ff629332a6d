"""Conjugate formulas by hand, forgetting, and positivity."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.belief import intensity
from portfolio_mm.config import Belief

CONFIG = Belief(
    arrival=0.05, arrival_strength_s=60.0, decay=2500.0, decay_strength=10.0, window_s=600.0
)


def observed(takers, reach, exposure, dt=0.0, state=None):
    state = state or intensity.prior(1)
    return intensity.observe(
        CONFIG, state, np.array([takers]), np.array([reach]), np.array([exposure]), dt
    )


def test_prior():
    state = intensity.prior(3)
    np.testing.assert_allclose(intensity.arrival(CONFIG, state), np.full((3, 2), 0.05))
    np.testing.assert_allclose(intensity.decay(CONFIG, state), np.full((3, 2), 2500.0))


def test_posterior_means_by_hand():
    state = observed([4.0, 1.0], [0.002, 0.0001], 40.0)
    np.testing.assert_allclose(
        intensity.arrival(CONFIG, state), [[(4 + 3) / 100.0, (1 + 3) / 100.0]]
    )
    np.testing.assert_allclose(
        intensity.decay(CONFIG, state), [[14.0 / (0.002 + 0.004), 11.0 / (0.0001 + 0.004)]]
    )


def test_sums_forget_and_the_prior_does_not():
    state = observed([10.0, 0.0], [0.004, 0.0], 100.0)
    later = observed([0.0, 0.0], [0.0, 0.0], 0.0, dt=600.0, state=state)
    np.testing.assert_allclose(later.sweeps, state.sweeps * math.exp(-1.0))
    np.testing.assert_allclose(later.exposure, 100.0 * math.exp(-1.0))
    gone = observed([0.0, 0.0], [0.0, 0.0], 0.0, dt=1e6, state=state)
    np.testing.assert_allclose(intensity.arrival(CONFIG, gone), 0.05)
    np.testing.assert_allclose(intensity.decay(CONFIG, gone), 2500.0)


def test_sweeps_that_reach_nowhere_keep_decay_finite_and_positive():
    state = observed([1000.0, 0.0], [0.0, 0.0], 10.0)
    decay = intensity.decay(CONFIG, state)
    assert np.isfinite(decay).all()
    assert (decay > 0.0).all()


@pytest.mark.parametrize(("arrival", "decay"), [(0.02, 1000.0), (0.3, 5000.0)])
def test_recovers_a_stationary_market(arrival, decay):
    rng = np.random.default_rng(3)
    state = intensity.prior(300)
    for _ in range(1800):
        takers = rng.poisson(arrival, (300, 2)).astype(float)
        reach = rng.gamma(np.maximum(takers, 1e-9)) / decay * (takers > 0)
        state = intensity.observe(CONFIG, state, takers, reach, np.ones(300), 1.0)
    weight = 600.0 / 660.0
    expected = weight * arrival + (1.0 - weight) * 0.05
    assert intensity.arrival(CONFIG, state).mean() == pytest.approx(expected, rel=0.05)
    count = 600.0 * arrival
    expected = (count + 10.0) / (count / decay + 10.0 / 2500.0)
    assert intensity.decay(CONFIG, state).mean() == pytest.approx(expected, rel=0.1)
