"""The request budgets: what may be used, what is earned, and that they never end."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.governor.requests import (
    EARNING_SHARE,
    RESERVE,
    Ledger,
    Usage,
    allowance,
    count,
    update,
)
from portfolio_mm.theory import freshness
from portfolio_mm.types import DAY_S, NS, NewOrder, Orders
from sim import synthetic

MIDNIGHT = 20_000 * 86_400 * NS
HORIZON_S = DAY_S


def account(left, time_ns=MIDNIGHT, **changes):
    """An account with so many requests left."""
    nothing = np.zeros(1)
    state = synthetic.account(time_ns, nothing, nothing + 100.0, requests=left)
    return msgspec.structs.replace(state, **changes)


def test_what_is_left_lasts_for_the_horizon():
    allowed = allowance(Ledger(), account(10_000.0 + RESERVE), HORIZON_S)
    assert allowed.rate == pytest.approx(10_000.0 / 86_400.0)
    assert allowed.actions == 10_000


def test_the_kill_switch_keeps_its_requests():
    for left in (RESERVE, 3.0, 0.0):
        allowed = allowance(Ledger(), account(left), HORIZON_S)
        assert allowed.rate == 0.0
        assert allowed.actions == 0


def test_the_scarcest_budget_decides():
    evening = MIDNIGHT + 18 * 3600 * NS
    unified = account(1e9, evening, actions_left=3_600.0)
    assert allowance(Ledger(), unified, HORIZON_S).rate == pytest.approx(3_600.0 / 21_600.0)
    assert allowance(Ledger(), unified, HORIZON_S).actions == 3_600
    slow = account(1e9, ip_weight=30.0)
    assert allowance(Ledger(), slow, HORIZON_S).rate == pytest.approx(20.0)
    assert not allowance(Ledger(), slow, HORIZON_S).volume_earns
    assert allowance(Ledger(), account(1e4), HORIZON_S).volume_earns


def test_unlimited_budgets_allow_finite_actions():
    allowed = allowance(Ledger(), account(np.inf), HORIZON_S)
    assert allowed.actions > 10**8


def test_what_volume_earns_is_spent_as_it_comes():
    """Five requests a second come in on top of every move: they are soon allowed, and no more."""
    ledger, left = Ledger(), 10_000.0
    for _ in range(7200):
        ledger = update(ledger, Usage(1.0, 1.0), account(left), 1.0, HORIZON_S)
        left += 5.0 - 1.0
    allowed = allowance(ledger, account(left), HORIZON_S)
    assert allowed.rate == pytest.approx((left - RESERVE) / HORIZON_S + 5.0, rel=0.02)
    poor = allowance(ledger, account(RESERVE + 100.0), HORIZON_S)
    assert poor.rate == pytest.approx(100.0 * (1.0 + EARNING_SHARE) / HORIZON_S)


def test_first_orders_do_not_count_against_earnings():
    ledger = update(Ledger(), Usage(), account(10_000.0), 0.0, HORIZON_S)
    ledger = update(ledger, Usage(), account(9_900.0), 1.0, HORIZON_S)
    ledger = update(ledger, Usage(), account(9_910.0), 1.0, HORIZON_S)
    assert ledger.gained == pytest.approx(10.0)


def test_actions_per_planned_move_are_measured():
    ledger = Ledger()
    for _ in range(3600):
        ledger = update(ledger, Usage(0.6, 2.0), account(1e4), 1.0, HORIZON_S)
    assert allowance(ledger, account(1e4), HORIZON_S).per_move == pytest.approx(0.3, rel=0.05)
    assert allowance(Ledger(), account(1e4), HORIZON_S).per_move == 1.0


def test_a_cancel_counts_twice_and_a_new_order_not():
    def new(name):
        return NewOrder(cloid=name, asset=0, side=0, level=0, units=1, lots=1)

    orders = Orders(time_ns=0, cancels=("a",), modifies=(("b", new("c")),), places=(new("d"),))
    assert count(orders) == 3.0


@pytest.mark.parametrize("seed", range(12))
def test_the_budget_outlives_its_horizon(seed):
    """Quotes on random walks, priced from the ledger, whatever an action really takes.

    A move takes some other number of actions than planned, and what is earned over the first tenth
    of the horizon then ends. The account never runs dry, and uses most of what it has.
    """
    rng = np.random.default_rng(seed)
    requests, quotes = rng.uniform(1_000.0, 20_000.0), int(rng.integers(1, 60))
    waste, horizon_s = rng.uniform(0.3, 4.0), 3600.0 * rng.choice([0.5, 6.0, 24.0])
    diffusion = np.exp(rng.normal(-5.0, 1.0, quotes))
    earned = np.exp(rng.normal(-9.0, 1.0, quotes))
    steps, w = 1000, np.zeros(quotes)
    step_s = horizon_s / steps
    ledger, left, usage = Ledger(), requests + RESERVE, Usage()
    for step in range(steps):
        state = account(left, MIDNIGHT + round(step * step_s * NS))
        ledger = update(ledger, usage, state, step_s, horizon_s)
        allowed = allowance(ledger, state, horizon_s)
        price = freshness.move_price(allowed.rate / allowed.per_move, earned, diffusion, 1e-9, 1e3)
        rest = freshness.policy(price * diffusion / earned)
        w += np.sqrt(diffusion * step_s) * rng.standard_normal(quotes)
        leaving = (w < -rest.inner) | (w > rest.outer)
        w[leaving] = rest.offset[leaving]
        actions = float(min(rng.poisson(waste * leaving.sum()), allowed.actions))
        usage = Usage(actions, freshness.moves(price, earned, diffusion))
        left += (requests / steps if step < steps // 10 else 0.0) - actions
        assert left >= RESERVE
    assert allowed.actions > 0, "something is left when the horizon is over"
