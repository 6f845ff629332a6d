"""GOVERNOR: belief and account in, the risk that may be taken out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from portfolio_mm.config import Account, Asset, Governor
from portfolio_mm.governor import kelly, margin, requests, risk_aversion
from portfolio_mm.theory.risk_budget import GAMMA_RANGE, gamma_for_budget, inventory_volatility
from portfolio_mm.types import NS, AccountState, Floats, MarketBelief, RiskBudget, Universe

SMALLEST_EQUITY = 1.0
"""USD; with less than that there is no margin to quote with, and budgets stay positive."""

BOUND = 1e3
"""γ stays within this factor of γ_base; a bound of the arithmetic, reported when it binds."""


class Params(NamedTuple):
    """What does not change during a run."""

    config: Governor
    buffer: float
    universe: Universe
    isolated_limit: Floats  # (N,) USD
    side_cap: Floats  # (N,) most that may rest on a side, USD


class State(NamedTuple):
    """What the next cycle needs."""

    time_ns: int
    equity: float  # slow, USD
    peak: float  # USD
    gamma_volatility: float  # last root, 0 before the first
    solved_ns: int
    ledger: requests.Ledger


def init(
    config: Governor,
    account: Account,
    assets: tuple[Asset, ...],
    levels: int,
    universe: Universe,
) -> tuple[Params, State]:
    """Return the parameters and the state before the first account message."""
    params = Params(
        config,
        account.margin_buffer,
        universe,
        isolated_limit=np.array([asset.isolated_margin_usd for asset in assets]),
        side_cap=levels * universe.size_usd,
    )
    return params, State(0, 0.0, 0.0, 0.0, 0, requests.Ledger())


def step(
    params: Params,
    state: State,
    belief: MarketBelief,
    account: AccountState,
    usage: requests.Usage,
) -> tuple[State, RiskBudget]:
    """Turn the account and the belief into one risk aversion and the shared limits.

    `usage` is what became of the requests since the last cycle.
    """
    config, universe = params.config, params.universe
    now = belief.time_ns
    elapsed_s = (now - state.time_ns) / NS if state.time_ns else 0.0
    actual = float(account.equity.sum())
    if state.time_ns:
        keep = math.exp(-math.log(2.0) * elapsed_s / config.equity_half_life_s)
        equity = keep * state.equity + (1.0 - keep) * actual
    else:
        equity = actual
    equity = max(equity, SMALLEST_EQUITY)
    peak = max(state.peak, actual, SMALLEST_EQUITY)
    inventory = inventory_usd(belief, account)

    gamma_volatility, solved = state.gamma_volatility, state.solved_ns
    if now - solved >= config.refresh_s * NS or not solved:
        gamma_volatility, solved = _gamma_of_budget(params, belief, equity, gamma_volatility), now
    u2 = risk_aversion.utilisation(inventory, belief.covariance, config.volatility_budget, equity)
    base = risk_aversion.base(config.kelly_fraction, equity, gamma_volatility)
    gamma = risk_aversion.aversion(base, config.beta, u2)
    bounded = min(max(gamma, base / BOUND), base * BOUND)

    ledger = requests.update(state.ledger, usage, account, elapsed_s, config.budget_horizon_s)
    allowed = requests.allowance(ledger, account, config.budget_horizon_s)
    income = universe.size_usd @ (belief.arrival / (math.e * belief.decay)).sum(axis=1)
    budget = RiskBudget(
        inventory=inventory,
        gamma=bounded,
        gamma_base=base,
        gamma_volatility=gamma_volatility,
        utilisation=u2,
        exposure_limit=kelly.exposure(
            config.kelly_fraction,
            equity,
            belief.covariance,
            belief.arrival,
            belief.decay,
            universe.size_usd,
        ),
        toxicity_budget=config.toxicity_share * float(income),
        margin_rate=margin.rates(universe, inventory, params.side_cap),
        margin_free=margin.free(universe, account, inventory, params.buffer, params.isolated_limit),
        action_rate=allowed.rate,
        actions_per_move=allowed.per_move,
        actions=allowed.actions,
        volume_earns=allowed.volume_earns,
        equity=equity,
        drawdown=1.0 - actual / peak,
        bound_hit=bounded != gamma,
        gamma_moved=_moved(state.gamma_volatility, gamma_volatility),
    )
    return State(now, equity, peak, gamma_volatility, solved, ledger), budget


def inventory_usd(belief: MarketBelief, account: AccountState) -> Floats:
    """Return x, inventory at fair value in USD, (N,); positions without a price count at entry."""
    price = np.where(belief.known, np.exp(belief.log_price), account.entry_price)
    value: Floats = account.position * price
    return value


def _moved(before: float, after: float) -> bool:
    """Tell whether γ_ν moved by more than a factor of two; a first value has not moved."""
    return before > 0.0 and not 0.5 <= after / before <= 2.0


def _gamma_of_budget(params: Params, belief: MarketBelief, equity: float, start: float) -> float:
    """Return γ_ν, or the end of its bracket where the budget is out of reach."""
    flow = belief.covariance, belief.arrival, belief.decay, params.universe.size_usd
    cost = np.repeat(params.universe.maker_fee[:, None], 2, axis=1)
    target = params.config.volatility_budget * equity
    least, most = GAMMA_RANGE
    if inventory_volatility(least, *flow, cost=cost) <= target:
        return least
    if inventory_volatility(most, *flow, cost=cost) >= target:
        return most
    return gamma_for_budget(*flow, target, cost=cost, start=start or 1e-3)
