from __future__ import annotations

import numpy as np
import pytest

from portfolio_mm.theory import closed_form, exact

BPS = 1e-4
Z = 500.0
KAPPA = 2000.0
GAMMA = 0.02
ONE_ASSET = np.array([[1e-8]])
TWO_ASSETS = np.array([[1.0, 0.96], [0.96, 2.56]]) * 1e-8


def more_buyers() -> np.ndarray:
    arrival = np.full((2, 2), 0.05)
    arrival[0, 1] *= 1.3
    return arrival


def middle(solution: exact.Exact, lots: tuple[int, ...]) -> np.ndarray:
    limit = solution.value.shape[0] // 2
    index = tuple(np.array(lots) + limit)
    return 0.5 * (solution.bid[index] + solution.ask[index]) / BPS


@pytest.mark.parametrize(
    ("covariance", "arrival", "lots", "drift", "optimum"),
    [
        (TWO_ASSETS, 0.05, (4, 0), 0.0, -1.375),
        (TWO_ASSETS, 0.05, (4, -4), 0.0, -0.795),
        (TWO_ASSETS, 0.05, (0, 5), 0.0, -0.723),
        (TWO_ASSETS, 0.05, (0, 0), (1e-7, 0.0), 0.453),
        (TWO_ASSETS, more_buyers(), (0, 0), 0.0, 0.656),
        (ONE_ASSET, 0.005, (8,), 0.0, -8.567),
        (ONE_ASSET, 0.005, (16,), 0.0, -14.03),
        (ONE_ASSET, 5e-4, (8,), 0.0, -18.51),
        (ONE_ASSET, 5e-4, (16,), 0.0, -25.04),
        (TWO_ASSETS, 0.005, (4, 4), 0.0, (-5.93, -8.53)),
    ],
)
def test_published_reservation_prices(covariance, arrival, lots, drift, optimum):
    size = np.full(len(covariance), Z)
    solution = exact.solve(covariance, GAMMA, arrival, KAPPA, size, limit=25, drift=drift)
    expected = np.atleast_1d(optimum)
    np.testing.assert_allclose(middle(solution, lots)[: expected.size], expected, rtol=5e-3)


def test_published_extra_half_width():
    solution = exact.solve(TWO_ASSETS, GAMMA, 0.05, KAPPA, [Z, Z], limit=20)
    half = 0.5 * (solution.ask - solution.bid)[20, 20, 0]
    monopoly = np.log1p(GAMMA * Z / KAPPA) / (GAMMA * Z)
    assert (half - monopoly) / BPS == pytest.approx(0.172, rel=5e-3)


def test_published_shift_of_a_decaying_drift():
    solution = exact.solve_decaying_drift(
        ONE_ASSET, GAMMA, 0.05, KAPPA, [Z], 25, drift=1.75e-6, drift_reversion=0.02
    )
    assert middle(solution, (0,))[0] == pytest.approx(0.7719, rel=5e-3)


def test_a_drift_that_hardly_decays_is_a_constant_drift():
    lasting = exact.solve(ONE_ASSET, GAMMA, 0.05, KAPPA, [Z], 15, drift=1e-7)
    decaying = exact.solve_decaying_drift(
        ONE_ASSET, GAMMA, 0.05, KAPPA, [Z], 15, drift=1e-7, drift_reversion=1e-6
    )
    np.testing.assert_allclose(middle(decaying, (3,)), middle(lasting, (3,)), atol=2e-3)


@pytest.mark.parametrize(
    ("variance", "arrival", "depths", "spread"),
    [
        (0.09, 0.9, {0: 3.31305, -5: 2.97252, 5: 3.65348}, 6.62609),
        (0.16, 0.9, {0: 3.32446}, 6.64892),
        (1.0, 0.2, {0: 3.52565, -5: 1.10024}, 7.05130),
    ],
)
def test_gueant_lehalle_fernandez_tapia_2013(variance, arrival, depths, spread):
    solution = exact.solve([[variance]], 0.01, arrival, 0.3, [1.0], limit=30)
    for lots, depth in depths.items():
        assert -solution.bid[30 + lots, 0] == pytest.approx(depth, abs=1e-5)
    assert (solution.ask - solution.bid)[30, 0] == pytest.approx(spread, abs=1e-5)


def test_gueant_lehalle_fernandez_tapia_2013_eigenvector():
    """κ/z is one number here, so exp(κθ/z) is the first eigenvector of a symmetric matrix."""
    variance, gamma, arrival, decay, limit = 0.09, 0.01, 0.9, 0.3, 30
    lots = np.arange(-limit, limit + 1.0)
    hop = arrival * (1.0 + gamma / decay) ** (-1.0 - decay / gamma)
    matrix = np.diag(-0.5 * decay * gamma * variance * lots**2) + hop * (
        np.eye(2 * limit + 1, k=1) + np.eye(2 * limit + 1, k=-1)
    )
    values, vectors = np.linalg.eigh(matrix)
    logarithm = np.log(np.abs(vectors[limit - 10 : limit + 11, -1])) / decay
    solution = exact.solve([[variance]], gamma, arrival, decay, [1.0], limit)
    expected = logarithm - logarithm[10]
    np.testing.assert_allclose(
        solution.value[limit - 10 : limit + 11], expected, rtol=1e-9, atol=1e-12
    )
    assert solution.income == pytest.approx(values[-1] / decay, rel=1e-9)


def test_gueant_2017_with_four_lots():
    """Few lots and tight limits; the published horizon of 7200 s is almost stationary."""
    variances, decay, size = [5.83e-6**2, 2.15e-5**2], [1.79e4, 5.47e3], [50e6, 10e6]
    arrival = [9.10e-4, 1.06e-3]
    index, high_yield = (
        exact.solve([[v]], 6e-5, a, k, [z], limit=4)
        for v, a, k, z in zip(variances, arrival, decay, size, strict=True)
    )
    published = [
        -1.643885e-4,
        -1.327253e-4,
        -8.876728e-5,
        -1.752176e-5,
        1.208207e-4,
        1.920662e-4,
        2.360243e-4,
        2.676875e-4,
    ]
    np.testing.assert_allclose(-index.bid[:-1, 0], published, rtol=2e-3)
    assert -high_yield.bid[4, 0] == pytest.approx(3.539154e-4, rel=2e-3)

    together = exact.solve(
        np.diag(variances),
        6e-5,
        np.repeat(np.array(arrival)[:, None], 2, axis=1),
        np.repeat(np.array(decay)[:, None], 2, axis=1),
        size,
        limit=4,
    )
    for other in range(9):
        np.testing.assert_allclose(together.bid[:-1, other, 0], index.bid[:-1, 0], rtol=1e-9)
        np.testing.assert_allclose(together.ask[other, 1:, 1], high_yield.ask[1:, 0], rtol=1e-9)


def test_value_satisfies_its_equation():
    covariance, gamma = np.array([[1.0, -0.5], [-0.5, 2.0]]) * 1e-8, 0.01
    arrival = np.array([[0.02, 0.05], [0.04, 0.01]])
    decay = np.array([[1500.0, 2500.0], [900.0, 1100.0]])
    size, cost, drift = np.array([300.0, 700.0]), np.array([[1.0, 2.0], [0.5, 0.0]]) * BPS, 1e-8
    solution = exact.solve(covariance, gamma, arrival, decay, size, limit=6, cost=cost, drift=drift)
    for lots in ((0, 0), (3, -2), (6, 6), (-6, 1)):
        x = np.array(lots) * size
        here = tuple(np.array(lots) + 6)
        income = drift * x.sum() - 0.5 * gamma * x @ covariance @ x
        depth = np.stack((-solution.bid[here], solution.ask[here]), axis=-1)
        for asset in range(2):
            for side, sign in enumerate((1, -1)):
                after = np.array(lots) + sign * np.eye(2, dtype=int)[asset]
                if np.abs(after).max() > 6:
                    assert depth[asset, side] == np.inf
                    continue
                there = tuple(after + 6)
                offered = depth[asset, side] + np.linspace(-1e-5, 1e-5, 3)
                gain = size[asset] * (offered - cost[asset, side]) + (
                    solution.value[there] - solution.value[here]
                )
                rate = arrival[asset, side] * np.exp(-decay[asset, side] * offered)
                worth = rate * -np.expm1(-gamma * gain) / gamma
                assert worth[1] == worth.max()
                income += worth[1]
        assert income == pytest.approx(solution.income, rel=1e-9)


def test_closed_form_keeps_its_stated_accuracy_across_correlations():
    for correlation in (-0.8, 0.0, 0.5, 0.9):
        covariance = TWO_ASSETS * [[1.0, correlation / 0.6], [correlation / 0.6, 1.0]]
        optimum = exact.solve(covariance, GAMMA, 0.05, KAPPA, [Z, Z], limit=15)
        flat = closed_form.solve(covariance, GAMMA, 0.05, KAPPA, [Z, Z])
        assert KAPPA * np.diag(flat.curvature).max() * Z < 0.06
        for lots in ((0, 0), (3, 0), (0, -3), (4, -4), (4, 4)):
            x = np.array(lots) * Z
            shift = flat.shift - closed_form.inventory_skew(flat.curvature, [[KAPPA] * 2] * 2, x)
            error = np.abs(shift / BPS - middle(optimum, lots))
            assert np.all(error <= np.maximum(0.05 * np.abs(middle(optimum, lots)), 0.07))


@pytest.mark.parametrize(
    ("name", "value"), [("limit", 0), ("arrival", 0.0), ("drift", np.nan), ("size", [-1.0])]
)
def test_an_invalid_argument_is_named(name, value):
    problem = {
        "covariance": ONE_ASSET,
        "gamma": GAMMA,
        "arrival": 0.05,
        "decay": KAPPA,
        "size": [Z],
        "limit": 3,
    }
    with pytest.raises(ValueError, match=name):
        exact.solve(**problem | {name: value})
