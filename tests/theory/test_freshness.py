"""When to move a quote: against the quadratic limit, brute force, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from portfolio_mm.theory import freshness

PRICES = (1e-3, 0.05, 0.5, 2.0, 6.0, 12.0)


def average_loss(inner, offset, outer, price):
    """Cost rate of any policy: exact, from the triangular density of the displacement."""
    m, low, high = offset, -inner, outer
    time = (m - low) * (high - m)
    w = np.linspace(low, high, 20_001)
    peak = 2.0 / (high - low)
    density = np.where(w < m, peak * (w - low) / (m - low), peak * (high - w) / (high - m))
    return price / time + np.trapezoid(density * freshness.loss(w), w)


@pytest.mark.parametrize("price", PRICES)
def test_no_other_policy_loses_less(price):
    rest = freshness.policy(price)
    best = average_loss(rest.inner, rest.offset, rest.outer, price)
    assert best == pytest.approx(float(rest.lost), rel=1e-3)

    def cost(log_lengths):
        nearer, further = np.exp(log_lengths[1:])
        return average_loss(
            nearer - log_lengths[0], log_lengths[0], log_lengths[0] + further, price
        )

    start = [
        0.7 * rest.offset,
        math.log(1.3 * (rest.inner + rest.offset)),
        math.log(0.6 * rest.outer),
    ]
    found = minimize(
        cost, start, method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-12, "maxiter": 4000},
    )  # fmt: skip
    assert found.fun == pytest.approx(best, rel=2e-4), "brute force finds nothing better"
    nearer, further = np.exp(found.x[1:])
    np.testing.assert_allclose(found.x[0], rest.offset, rtol=0.05, atol=0.01)
    np.testing.assert_allclose(nearer - found.x[0], rest.inner, rtol=0.05, atol=0.01)
    np.testing.assert_allclose(found.x[0] + further, rest.outer, rtol=0.1)


def test_small_prices_give_the_band_of_a_quadratic_loss():
    """θ⁴ = 12 p σ²/c, moves σ²/θ², cost p r + c θ²/12, displacement θ²/6."""
    price = 1e-10
    rest, theta = freshness.policy(price), (12.0 * price) ** 0.25
    assert rest.inner == pytest.approx(theta, rel=5e-3)
    assert rest.outer == pytest.approx(theta, rel=5e-3)
    assert rest.rate == pytest.approx(theta**-2, rel=5e-3)
    assert rest.lost == pytest.approx(price * theta**-2 + theta**2 / 12.0, rel=5e-3)
    assert rest.variance == pytest.approx(theta**2 / 6.0, rel=2e-2)
    assert rest.offset < 0.02 * theta


def test_beyond_two_e_squared_no_quote_is_worth_its_actions():
    just_below, just_above = 0.999 * freshness.WORTHLESS, 1.001 * freshness.WORTHLESS
    assert freshness.policy(just_below).lost < 1.0
    assert freshness.policy(just_below).rate > 1e-9
    for price in (just_above, 1e6, math.inf):
        assert freshness.policy(price).lost == 1.0
        assert freshness.policy(price).rate < 1e-25
    # There even the best policy earns less than nothing.
    for offset, inner, outer in ((1.0, 1.9, 20.0), (3.0, 1.95, 100.0), (0.0, 1.0, 3.0)):
        assert average_loss(inner, offset, outer, just_above) > 1.0


def test_everything_moves_one_way_with_the_price():
    rest = freshness.policy(np.geomspace(1e-12, 14.7, 2_000))
    for column, sign in zip(rest, (1, 1, 1, 1, -1), strict=False):
        assert (sign * np.diff(column) > 0.0).all()
    assert rest.inner.max() < 2.0, "no quote rests where fair value has caught up with it by 2/κ"


def test_policies_between_the_nodes_are_exact_to_three_in_ten_thousand():
    lost = np.array([0.003, 0.07, 0.4321, 0.9, 0.9876])
    offset, inner, outer, price = freshness._solve(lost)
    rest = freshness.policy(price)
    for ours, exact in zip(rest, (offset, inner, outer, lost), strict=False):
        np.testing.assert_allclose(ours, exact, rtol=3e-4)


@pytest.mark.parametrize("price", [0.02, 1.0, 6.0])
def test_simulated_quotes_lose_and_move_as_predicted(price):
    """Brownian displacement in steps; the walk leaves a band 0.5826 √step further out on average."""
    rng = np.random.default_rng(7)
    rest = freshness.policy(price)
    low, m, high = -float(rest.inner), float(rest.offset), float(rest.outer)
    step = 1e-3 * float(1.0 / rest.rate)
    correction = 0.5826 * math.sqrt(step)
    paths, steps = 4_000, 6_000
    w, moved, loss = np.full(paths, m), 0, 0.0
    for index in range(steps):
        w += math.sqrt(step) * rng.standard_normal(paths)
        leaving = (w <= low + correction) | (w >= high - correction)
        w[leaving] = m
        if index >= steps // 3:  # stationary by then
            moved += int(leaving.sum())
            loss += float(freshness.loss(w).mean())
    kept = steps - steps // 3
    rate = moved / (paths * kept * step)
    assert rate == pytest.approx(float(rest.rate), rel=0.02)
    assert price * rate + loss / kept == pytest.approx(float(rest.lost), rel=0.02)


def test_the_price_spends_the_rate_that_is_allowed():
    rng = np.random.default_rng(1)
    earned = np.exp(rng.normal(-9.0, 1.0, (12, 2, 3)))
    diffusion = np.exp(rng.normal(-3.0, 0.5, (12, 2, 1)))
    for rate in (0.01, 0.1, 3.0):
        price = freshness.move_price(rate, earned, diffusion, 1e-9, 1e3)
        assert freshness.moves(price, earned, diffusion) == pytest.approx(rate, rel=1e-9)
    assert freshness.move_price(1e9, earned, diffusion, 1e-4, 1.0) == 1e-4
    assert freshness.move_price(0.0, earned, diffusion, 1e-4, 1e-3) == 1e-3
    idle = np.concatenate([earned, np.zeros((1, 2, 3))])
    more = np.concatenate([diffusion, diffusion[:1]])
    assert freshness.move_price(0.1, idle, more, 1e-9, 1e3) == freshness.move_price(
        0.1, earned, diffusion, 1e-9, 1e3
    )


def test_small_rates_give_the_price_of_the_quadratic_loss():
    """p = (Σ σ √c)² / (12 R²) where bands are small against 1/κ."""
    earned, decay, sigma = np.array([1e-3, 4e-3]), np.array([2000.0, 1500.0]), 1e-4
    diffusion = (decay * sigma) ** 2
    curvature = decay**2 * earned
    rate = 400.0
    price = (sigma * np.sqrt(curvature)).sum() ** 2 / (12.0 * rate**2)
    assert freshness.move_price(rate, earned, diffusion, 1e-30, 1.0) == pytest.approx(
        price, rel=0.01
    )


def test_no_other_division_of_a_budget_earns_more():
    """The price gives moves to those that earn most by them, and none to the poorest."""
    earned = np.array([1e-3, 2e-4, 1e-6])
    diffusion = np.array([0.03, 0.02, 0.05])
    rate = 4e-3
    price = freshness.move_price(rate, earned, diffusion, 1e-9, 1e3)
    assert freshness.moves(price, earned[2:], diffusion[2:]) < 1e-20

    grid = np.geomspace(1e-8, freshness.WORTHLESS, 40_000)
    rest = freshness.policy(grid)
    income = 1.0 - rest.lost + grid * rest.rate  # before paying for moves

    def earns(share):
        rates = rate * np.array([share, 1.0 - share])
        per_unit = rates / diffusion[:2]
        kept = [np.interp(-r, -rest.rate, income) for r in per_unit]
        return float((earned[:2] * kept).sum())

    shares = np.linspace(0.01, 0.99, 197)
    ours = freshness.moves(price, earned[:1], diffusion[:1]) / rate
    assert earns(ours) >= max(earns(share) for share in shares) * (1.0 - 1e-4)


def test_income_of_a_quote():
    assert freshness.income(0.05, 2000.0, 500.0, 1e-3) == pytest.approx(
        0.05 * 500.0 / 2000.0 * math.exp(-2.0)
    )


def test_a_plan_says_how_long_requests_last():
    earned, diffusion = np.full((12, 2, 3), 2e-4), np.full((12, 2, 1), 0.03)
    plan = freshness.plan(10_000.0, 86_400.0, earned, diffusion, 1e-5, 1.0)
    assert plan.hours == pytest.approx(24.0)
    assert plan.requests_per_hour == pytest.approx(10_000.0 / 24.0)
    assert 0.0 < plan.kept < 1.0
    rich = freshness.plan(1e12, 86_400.0, earned, diffusion, 1e-5, 1.0)
    assert rich.price == 1e-5
    assert rich.quotes == 72
    assert rich.kept > plan.kept
    idle = freshness.plan(10_000.0, 86_400.0, 0.0 * earned, diffusion, 1e-5, 1.0)
    assert idle.kept == 0.0
    assert idle.quotes == 0
