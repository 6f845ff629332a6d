from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_continuous_lyapunov

from portfolio_mm.theory import closed_form
from portfolio_mm.theory.linalg import lyapunov
from portfolio_mm.theory.risk_budget import (
    gamma_for_budget,
    inventory_covariance,
    inventory_volatility,
)


def six_equal_assets(correlation: float) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    covariance = 1.5e-4**2 * (correlation + (1.0 - correlation) * np.eye(6))
    return covariance, (np.full((6, 2), 0.05), np.full((6, 2), 1500.0), np.full(6, 500.0))


def three_assets() -> tuple[np.ndarray, ...]:
    deviation = np.array([1.0, 1.6, 1.2]) * 1e-4
    correlation = np.array([[1.0, 0.5, 0.6], [0.5, 1.0, 0.2], [0.6, 0.2, 1.0]])
    return (
        np.outer(deviation, deviation) * correlation,
        np.full((3, 2), 0.05),
        np.full((3, 2), 2000.0),
        np.full(3, 500.0),
    )


@pytest.mark.parametrize("count", [1, 2, 9])
def test_lyapunov_equation(count):
    rng = np.random.default_rng(count)
    root, noise = rng.standard_normal((2, count, count))
    drift, noise = root @ root.T + np.eye(count), noise @ noise.T
    gain = rng.uniform(0.1, 10.0, count)
    solution = lyapunov(drift, noise, gain)
    expected = solve_continuous_lyapunov(np.diag(gain) @ drift, noise)
    np.testing.assert_allclose(solution, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_inventory_covariance_balances_fills_and_quotes():
    covariance, arrival, decay, size = three_assets()
    flow = np.full((3, 3), 20.0)
    gamma, cost = 0.01, np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.5]]) * 1e-4
    held = inventory_covariance(
        gamma, covariance, arrival, decay, size, cost=cost, flow_covariance=flow
    )
    quotes = closed_form.solve(covariance, gamma, arrival, decay, size, cost=cost)
    rate = arrival * np.exp(-decay * quotes.half_width)
    pull = np.diag(size * (rate * decay).sum(axis=1)) @ (2.0 * quotes.curvature)
    kick = np.diag(size**2 * rate.sum(axis=1)) + flow
    np.testing.assert_allclose(pull @ held + held @ pull.T, kick, rtol=1e-9, atol=1e-6)
    assert np.linalg.eigvalsh(held)[0] > 0.0


@pytest.mark.parametrize(("gamma", "published"), [(0.02, 72.58), (0.005, 102.69)])
def test_published_volatility_of_three_correlated_assets(gamma, published):
    assert inventory_volatility(gamma, *three_assets()) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(
    ("correlation", "independent_gamma", "published"),
    [(0.3, 4.62e-3, -0.041), (0.6, 3.70e-3, -0.137), (0.8, 2.78e-3, -0.257)],
)
def test_published_gain_of_quoting_six_assets_jointly(correlation, independent_gamma, published):
    covariance, flow = six_equal_assets(correlation)
    joint = inventory_covariance(0.005, covariance, *flow)
    alone = inventory_covariance(independent_gamma, np.diag(np.diag(covariance)), *flow)
    ratio = np.sqrt(np.sum(covariance * joint) / np.sum(covariance * alone))
    assert ratio - 1.0 == pytest.approx(published, abs=0.004)


@given(st.floats(-8.0, 1.0), st.floats(0.0, 0.95), st.floats(-9.0, 1.0), st.floats(0.0, 3e-4))
@settings(max_examples=60, deadline=None)
def test_budget_is_met(log_gamma, correlation, log_start, cost):
    covariance, flow = six_equal_assets(correlation)
    budget = inventory_volatility(10.0**log_gamma, covariance, *flow, cost=cost)
    gamma = gamma_for_budget(covariance, *flow, budget, cost=cost, start=10.0**log_start)
    assert gamma == pytest.approx(10.0**log_gamma, rel=1e-8)


def test_risk_falls_with_risk_aversion():
    risks = [inventory_volatility(gamma, *three_assets()) for gamma in np.geomspace(1e-10, 1e2, 60)]
    assert np.all(np.diff(risks) < 0.0)


@pytest.mark.parametrize("budget", [1e-9, 1e9])
def test_a_budget_out_of_reach_is_refused(budget):
    with pytest.raises(ValueError, match=r"daily_vol_usd = .* cannot be met"):
        gamma_for_budget(*three_assets(), budget)


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan"), float("inf")])
def test_an_invalid_budget_is_named(budget):
    with pytest.raises(ValueError, match="daily_vol_usd"):
        gamma_for_budget(*three_assets(), budget)


def test_a_dead_asset_changes_nothing():
    covariance, arrival, decay, size = three_assets()
    wider = np.zeros((4, 4))
    wider[:3, :3], wider[3, 3] = covariance, 4e-8
    arrival4 = np.append(arrival, [[0.0, 0.0]], axis=0)
    decay4, size4 = np.append(decay, [[900.0, 900.0]], axis=0), np.append(size, 300.0)
    assert gamma_for_budget(wider, arrival4, decay4, size4, 50.0) == pytest.approx(
        gamma_for_budget(covariance, arrival, decay, size, 50.0), rel=1e-9
    )
