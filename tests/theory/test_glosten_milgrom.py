from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from portfolio_mm.theory.glosten_milgrom import adverse_selection, floor, posterior, two_point


def by_quadrature(
    mean: float, deviation: float, price: float, side: int, informed: float, reach: float
) -> tuple[float, float, float]:
    """Moments of the prior weighted by the probability of the fill."""

    def weighted(function):
        def integrand(u):
            knows = side * (price - (mean + deviation * u)) > 0.0
            hit = informed * knows + (1.0 - informed) * reach / 2.0
            return function(mean + deviation * u) * hit * norm.pdf(u)

        kink = (price - mean) / deviation
        ends = sorted((-12.0, min(max(kink, -12.0), 12.0), 12.0))
        return sum(
            quad(integrand, low, high, epsabs=0.0, epsrel=1e-12, limit=200)[0]
            for low, high in pairwise(ends)
            if high > low
        )

    total = weighted(lambda v: 1.0)
    centre = weighted(lambda v: v) / total
    variance = weighted(lambda v: (v - centre) ** 2) / total
    return centre, variance, 1.0 - (1.0 - informed) * reach / 2.0 / total


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("d", [-4.0, -0.5, 0.0, 0.3, 1.0, 2.5, 4.5])
@pytest.mark.parametrize(("informed", "reach"), [(0.3, 1.0), (0.05, 0.4), (0.9, 1e-3)])
def test_posterior_has_the_moments_of_the_mixture(side, d, informed, reach):
    mean, deviation = 0.01, 2e-4
    price = mean - side * d * deviation
    expected = by_quadrature(mean, deviation, price, side, informed, reach)
    result = posterior(mean, deviation**2, price, side, informed, reach)
    assert (result[0] - mean) / deviation == pytest.approx(
        (expected[0] - mean) / deviation, abs=1e-8
    )
    np.testing.assert_allclose(result[1:], expected[1:], rtol=1e-8)


def test_two_point_prior_of_the_paper():
    bid, ask = two_point(100.0, 200.0, 0.5, 0.3)
    assert (bid, ask) == (pytest.approx(135.0, rel=1e-14), pytest.approx(165.0, rel=1e-14))


def test_two_point_limits():
    assert two_point(100.0, 200.0, 0.5, 0.0) == (150.0, 150.0)
    assert two_point(100.0, 200.0, 0.5, 1.0) == (100.0, 200.0)
    bid, ask = two_point(100.0, 200.0, np.array([0.0, 1.0]), 0.3)
    np.testing.assert_allclose([bid, ask], [[100.0, 200.0], [100.0, 200.0]])


def test_charge_is_the_move_of_the_belief():
    rng = np.random.default_rng(4)
    depth, variance = rng.normal(0.0, 3e-4, (12, 2, 5)), rng.uniform(0.0, 1e-7, (12, 1, 1))
    informed, reach = rng.uniform(0.0, 1.0, (12, 2, 1)), np.exp(-2000.0 * np.abs(depth))
    side = np.array([1.0, -1.0])[:, None]
    moved, _, _ = posterior(0.0, variance, -side * depth, side, informed, reach)
    charge = adverse_selection(depth, variance, informed, reach)
    np.testing.assert_allclose(-side * moved, charge, rtol=1e-12, atol=0.0)
    assert np.all(charge >= 0.0)


def test_informed_trader_for_certain_truncates_the_prior():
    """The asymptotic mean and variance of a far tail, d + 1/d and 1/d²."""
    d = np.array([30.0, 40.0, 1e3, 1e6])
    mean, variance, informed = posterior(0.0, 1.0, -d, 1, 1.0)
    np.testing.assert_allclose(-mean, d + 1.0 / d - 2.0 / d**3 + 10.0 / d**5, rtol=1e-9)
    np.testing.assert_allclose(variance[:3], (d**-2 - 6.0 * d**-4 + 50.0 * d**-6)[:3], rtol=1e-5)
    np.testing.assert_array_equal(informed, 1.0)


@given(
    st.floats(-40.0, 40.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.sampled_from([1, -1]),
    st.floats(0.0, 1e3),
)
@settings(max_examples=300, deadline=None)
def test_no_input_gives_anything_but_a_belief(d, informed, reach, side, deviation):
    price = -side * d * deviation
    mean, variance, probability = posterior(0.0, deviation**2, price, side, informed, reach)
    assert np.isfinite(mean)
    assert side * mean <= 0.0
    assert variance >= 0.0
    assert 0.0 <= probability <= 1.0


def test_hit_inside_the_prior_of_a_known_value_moves_nothing():
    mean, variance, probability = posterior(1.0, 0.0, np.array([0.9, 1.0, 1.1]), 1, 0.5)
    np.testing.assert_array_equal(mean, 1.0)
    np.testing.assert_array_equal(variance, 0.0)
    np.testing.assert_allclose(probability, [0.0, 0.5, 2.0 / 3.0])


@given(st.floats(1e-5, 3e-3), st.floats(1e-6, 0.99), st.floats(100.0, 4000.0))
@settings(max_examples=300, deadline=None)
def test_floor_is_the_last_depth_that_loses(deviation, informed, decay):
    """Brute force: every depth from the floor on pays, and just below it does not."""
    lowest = float(floor(deviation**2, informed, decay))
    beyond = np.linspace(lowest * (1.0 + 1e-7), 3.0 * lowest + 8.0 * deviation, 3000)
    charge = adverse_selection(beyond, deviation**2, informed, np.exp(-decay * beyond))
    assert np.all(beyond >= charge)
    inside = lowest * (1.0 - 1e-6)
    assert inside < adverse_selection(inside, deviation**2, informed, np.exp(-decay * inside))


def test_floor_jumps_where_noise_traders_thin_out_before_informed_ones():
    """κs = 4: a small fraction of informed flow loses near the mean and pays again far out."""
    decay, deviation = 2000.0, 2e-3
    depth = np.linspace(1e-5, 0.03, 20_000)
    for informed in (1e-4, 1e-3, 0.01, 0.05, 0.2):
        charge = adverse_selection(depth, deviation**2, informed, np.exp(-decay * depth))
        losing = depth[depth < charge]
        last = float(losing.max()) if losing.size else 0.0
        assert float(floor(deviation**2, informed, decay)) == pytest.approx(last, abs=2e-6 + 1e-5)


def test_floor_limits():
    np.testing.assert_array_equal(
        floor([1e-8, 0.0, 0.0, 1e-8], [0.0, 0.5, 1.0, 1.0], 2000.0), [0.0, 0.0, 0.0, np.inf]
    )
    grid = floor(np.full((3, 1), 1e-8), np.array([0.1, 0.2]), 2000.0)
    assert grid.shape == (3, 2)
    assert np.all(grid[:, 1] > grid[:, 0])
