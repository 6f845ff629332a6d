"""The governor: slow equity, refreshed risk aversion, limits that follow the account."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from portfolio_mm.governor import stage
from portfolio_mm.governor.requests import Usage
from portfolio_mm.theory.risk_budget import inventory_volatility
from portfolio_mm.types import NS


@pytest.fixture(scope="module")
def market(run_path):
    return run_path(2, 60)[-1].belief


@pytest.fixture
def govern(bench, market):
    config = bench.config(bench.universe(2))
    params, state = stage.init(config.governor, config.account, config.assets, 3, bench.universe(2))

    def step(state, seconds, equity=1e5, position=(0.0, 0.0), belief=market):
        belief = msgspec.structs.replace(belief, time_ns=bench.start + round(seconds * NS))
        price = np.exp(belief.log_price)
        account = bench.account(belief.time_ns, np.array(position), price, equity)
        return stage.step(params, state, belief, account, Usage())

    step.params, step.state = params, state
    return step


def test_gamma_meets_the_volatility_budget(govern, market):
    _, budget = govern(govern.state, 0)
    universe = govern.params.universe
    volatility = inventory_volatility(
        budget.gamma_volatility,
        market.covariance,
        market.arrival,
        market.decay,
        universe.size_usd,
        cost=np.repeat(universe.maker_fee[:, None], 2, axis=1),
    )
    assert volatility == pytest.approx(0.01 * 1e5, rel=1e-6)
    assert budget.gamma_base >= 1.0 / (0.25 * 1e5)


def test_gamma_is_continuous_in_inventory(govern):
    gammas = [
        govern(govern.state, 0, position=(x, 0.0))[1].gamma
        for x in np.linspace(-2000.0, 2000.0, 401)
    ]
    steps = np.abs(np.diff(np.log(gammas)))
    assert steps.max() < 0.05
    assert np.argmin(gammas) == 200


def test_a_misread_balance_moves_nothing_at_once(govern):
    state, before = govern(govern.state, 0)
    state, during = govern(state, 1, equity=1.0)
    _, after = govern(state, 2)
    keep = math.exp(-math.log(2.0) / 600.0)
    assert during.equity == pytest.approx(keep * 1e5 + (1.0 - keep))
    assert during.gamma == pytest.approx(before.gamma, rel=0.01)
    assert after.equity == pytest.approx(1e5, rel=2e-3)
    assert during.margin_free[0] < 1.0, "margin follows the balance as reported"


def test_drawdown_is_from_the_peak_of_reported_equity(govern):
    state = govern.state
    drawdowns = []
    for second, equity in enumerate((1e5, 1.25e5, 1e5, 1.1e5)):
        state, budget = govern(state, second, equity=equity)
        drawdowns.append(budget.drawdown)
    assert drawdowns == pytest.approx([0.0, 0.0, 0.2, 0.12])


def test_gamma_of_the_budget_is_solved_anew_every_refresh(govern, market):
    wilder = msgspec.structs.replace(market, covariance=4.0 * market.covariance)
    state, first = govern(govern.state, 0)
    state, held = govern(state, 9.9, belief=wilder)
    assert held.gamma_volatility == first.gamma_volatility
    _, solved = govern(state, 10.0, belief=wilder)
    assert solved.gamma_volatility > 3.0 * first.gamma_volatility


def test_inventory_at_fair_value_or_at_entry_where_there_is_none(govern, bench, market):
    half = msgspec.structs.replace(market, known=np.array([True, False]))
    account = bench.account(bench.start, np.array([2.0, -3.0]), np.array([1.0, 50.0]))
    x = stage.inventory_usd(half, account)
    assert x == pytest.approx([2.0 * math.exp(market.log_price[0]), -150.0])


@pytest.mark.parametrize("equity", [0.0, -5.0, 1e-9])
def test_an_empty_account_has_finite_numbers_and_no_margin(govern, equity):
    _, budget = govern(govern.state, 0, equity=equity)
    assert math.isfinite(budget.gamma)
    assert budget.gamma > 0.0
    assert math.isfinite(budget.utilisation)
    assert budget.margin_free[0] <= 1e-9


def test_toxicity_budget_is_the_spread_income(govern, market):
    _, budget = govern(govern.state, 0)
    size = govern.params.universe.size_usd
    income = sum(
        size[i] * market.arrival[i, s] / (math.e * market.decay[i, s])
        for i in range(2)
        for s in range(2)
    )
    assert budget.toxicity_budget == pytest.approx(income, rel=1e-12)


def test_a_jump_of_gamma_raises_an_alert(govern, market):
    state, first = govern(govern.state, 0)
    assert not first.gamma_moved
    wild = msgspec.structs.replace(market, covariance=9.0 * market.covariance)
    _, calm = govern(state, 20)
    _, jumped = govern(state, 20, belief=wild)
    assert not calm.gamma_moved
    assert jumped.gamma_moved
    assert jumped.gamma_volatility > 2.0 * first.gamma_volatility
