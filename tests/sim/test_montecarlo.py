from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.theory import risk_budget
from sim.montecarlo import (
    Market,
    Outcome,
    avellaneda_stoikov_policy,
    closed_form_policy,
    fixed_depth,
    simulate,
    standard_error_of_std,
)

PAPER = Market(np.array([[4.0]]), np.full((1, 2), 140.0), np.full((1, 2), 1.5), np.ones(1))
REFERENCE_PATHS = 400_000

# γ: spread of the paper, then mean and std of profit and std of final inventory over 400 000
# paths, for the inventory strategy and the symmetric one.
JOURNAL = {
    0.1: (1.49, (64.887, 6.540, 2.929), (68.232, 13.456, 8.415)),
    0.01: (1.35, (68.396, 8.969, 5.218), (68.683, 13.696, 8.726)),
    1.0: (3.02, (31.451, 4.839, 1.642), (43.672, 10.732, 5.170)),
}


def deviations(outcome: Outcome, reference: tuple[float, float, float]) -> np.ndarray:
    """Differences in standard errors, the reference having its own."""
    profit, inventory = outcome.profit, outcome.inventory[:, 0]
    measured = (profit.mean(), profit.std(), inventory.std())
    errors = np.array(
        [
            profit.std() / math.sqrt(profit.size),
            standard_error_of_std(profit),
            standard_error_of_std(inventory),
        ]
    ) * math.sqrt(1.0 + profit.size / REFERENCE_PATHS)
    # Half a unit of the last printed digit.
    return (np.abs(np.subtract(measured, reference)) - 5e-4) / errors


def journal_strategies(gamma: float, paths: int) -> tuple[Outcome, Outcome]:
    grid = {"steps": 200, "dt": 0.005, "paths": paths}
    inventory = simulate(PAPER, avellaneda_stoikov_policy(gamma, 4.0, 1.5), seed=1, **grid)
    half = 0.5 * float(inventory.spread[0])
    return inventory, simulate(PAPER, fixed_depth(half), seed=2, **grid)


@pytest.mark.parametrize("gamma", JOURNAL)
def test_avellaneda_stoikov_journal_table(gamma):
    spread, *references = JOURNAL[gamma]
    outcomes = journal_strategies(gamma, paths=20_000)
    assert outcomes[0].spread[0] == pytest.approx(spread, abs=0.015)
    for outcome, reference in zip(outcomes, references, strict=True):
        assert np.all(deviations(outcome, reference) < 3.0)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", JOURNAL)
def test_avellaneda_stoikov_journal_table_in_full(gamma):
    outcomes = journal_strategies(gamma, paths=200_000)
    for outcome, reference in zip(outcomes, JOURNAL[gamma][1:], strict=True):
        assert np.all(deviations(outcome, reference) < 3.0)


def three_assets() -> Market:
    deviation = np.array([1.0, 1.6, 1.2]) * 1e-4
    correlation = np.array([[1.0, 0.5, 0.6], [0.5, 1.0, 0.2], [0.6, 0.2, 1.0]])
    return Market(
        np.outer(deviation, deviation) * correlation,
        np.full((3, 2), 0.05),
        np.full((3, 2), 2000.0),
        np.full(3, 500.0),
    )


def daily_volatility(market: Market, held: np.ndarray) -> float:
    return math.sqrt(86_400.0 * float(np.sum(market.covariance * held)))


@pytest.mark.parametrize(("gamma", "published"), [(0.02, 72.53), (0.005, 102.51)])
def test_inventory_risk_is_the_lyapunov_prediction(gamma, published):
    market = three_assets()
    outcome = simulate(
        market,
        closed_form_policy(market, gamma),
        steps=6000,
        dt=1.0,
        paths=1000,
        seed=3,
        burn_in=3000,
    )
    simulated = daily_volatility(market, outcome.inventory_covariance)
    predicted = risk_budget.inventory_volatility(
        gamma, market.covariance, market.arrival, market.decay, market.size
    )
    assert simulated == pytest.approx(predicted, rel=0.03)
    assert simulated == pytest.approx(published, rel=0.03)
    correlation = outcome.inventory_covariance / np.sqrt(
        np.outer(*2 * (np.diag(outcome.inventory_covariance),))
    )
    # Positively correlated assets are held against each other.
    assert correlation[0, 1] < -0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correlation", "independent_gamma", "published"),
    [(0.3, 4.62e-3, -0.039), (0.6, 3.70e-3, -0.142), (0.8, 2.78e-3, -0.259)],
)
def test_joint_quoting_lowers_risk_at_equal_income(correlation, independent_gamma, published):
    covariance = 1.5e-4**2 * (correlation + (1.0 - correlation) * np.eye(6))
    flow = (np.full((6, 2), 0.05), np.full((6, 2), 1500.0), np.full(6, 500.0))
    together, alone = Market(covariance, *flow), Market(np.diag(np.diag(covariance)), *flow)
    risk = []
    for policy in (
        closed_form_policy(together, 0.005),
        closed_form_policy(alone, independent_gamma),
    ):
        outcome = simulate(together, policy, steps=9000, dt=1.0, paths=1500, seed=5, burn_in=3000)
        risk.append(daily_volatility(together, outcome.inventory_covariance))
    assert risk[0] / risk[1] - 1.0 == pytest.approx(published, abs=0.012)


def test_profit_of_a_symmetric_quote_is_its_spread_income():
    """Without inventory risk in the mean: E = 2 a exp(−κδ) δ z T, and random-walk inventory."""
    outcome = simulate(PAPER, fixed_depth(0.8), steps=200, dt=0.005, paths=20_000, seed=9)
    rate = 140.0 * math.exp(-1.2)
    error = outcome.profit.std() / math.sqrt(20_000)
    assert outcome.profit.mean() == pytest.approx(2.0 * rate * 0.8, abs=4.0 * error)
    chance = rate * 0.005
    assert outcome.inventory.var() == pytest.approx(400.0 * chance * (1.0 - chance), rel=0.04)


def test_price_moves_have_the_covariance_of_the_market():
    """Two assets bought at once and never sold: profit is the move of prices."""
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    arrival = np.array([[1e9, 0.0], [1e9, 0.0]])
    market = Market(covariance, arrival, np.ones((2, 2)), np.array([1.0, 2.0]))
    outcome = simulate(market, fixed_depth(0.0), steps=1, dt=1.0, paths=50_000, seed=4)
    np.testing.assert_array_equal(outcome.inventory, np.tile([1.0, 2.0], (50_000, 1)))
    assert outcome.profit.var() == pytest.approx(4.0 + 4.0 * 1.0 + 4.0 * 2.0, rel=0.02)


def test_a_seed_is_an_outcome():
    first, again, other = (
        simulate(PAPER, fixed_depth(0.7), steps=20, dt=0.005, paths=100, seed=seed)
        for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first.profit, again.profit)
    np.testing.assert_array_equal(first.inventory, again.inventory)
    assert not np.array_equal(first.profit, other.profit)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"paths": 0}, {"dt": 0.0}, {"burn_in": 10}, {"burn_in": -1}]
)
def test_counts_out_of_range_are_refused(change):
    grid = {"steps": 10, "dt": 0.1, "paths": 5, "burn_in": 0}
    with pytest.raises(ValueError, match="steps, paths and dt"):
        simulate(PAPER, fixed_depth(1.0), seed=0, **grid | change)
