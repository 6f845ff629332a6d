"""EVALUATOR: fills in, what they earned and what they teach out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.config import Evaluator
from portfolio_mm.evaluator import attribution, informedness, markout
from portfolio_mm.theory.informed_flow import SHARE
from portfolio_mm.types import (
    AccountState,
    Evaluation,
    Fill,
    Floats,
    FundingPayment,
    MarketBelief,
    ParameterUpdates,
    Universe,
)


class Params(NamedTuple):
    """What does not change during a run."""

    config: Evaluator
    stale_s: float  # seconds a quote cannot be changed, as it was priced


class State(NamedTuple):
    """What the next cycle needs."""

    ledger: attribution.Ledger
    pending: markout.Pending
    trials: informedness.Trials
    quoted: MarketBelief | None  # the belief that the resting quotes were priced with
    updates: ParameterUpdates


def init(config: Evaluator, universe: Universe, stale_s: float) -> tuple[Params, State]:
    """Return the parameters and an empty ledger."""
    n = len(universe)
    nothing = ParameterUpdates(informed_flow=np.zeros((n, len(SHARE))))
    state = State(
        ledger=attribution.opening(np.zeros(n)),
        pending=markout.nothing_pending(),
        trials=informedness.none_waiting(),
        quoted=None,
        updates=nothing,
    )
    return Params(config, stale_s), state


def opened(state: State, position: Floats) -> State:
    """Return the state with a ledger that opens at `position` (N,), contracts."""
    return state._replace(ledger=attribution.opening(position))


def step(
    params: Params,
    state: State,
    belief: MarketBelief,
    account: AccountState,
    fills: tuple[Fill, ...],
    funding: tuple[FundingPayment, ...],
) -> tuple[State, Evaluation]:
    """Value the account, mature markouts, judge fills."""
    horizon = params.config.adverse_horizon_s
    quoted = state.quoted or belief
    ledger = attribution.value(
        state.ledger,
        belief.time_ns,
        account.mark,
        np.exp(quoted.log_price),
        fills,
        funding,
        horizon,
    )
    pending, matured = markout.mature(
        markout.add(state.pending, fills), belief.time_ns, belief.log_price
    )
    trials, updates = informedness.judge(
        informedness.add(state.trials, fills, quoted, horizon), belief, params.stale_s, horizon
    )
    evaluation = Evaluation(
        time_ns=belief.time_ns,
        updates=updates,
        fill_id=matured.fill_id,
        horizon_s=matured.horizon_s,
        markout=matured.markout,
        spread=ledger.spread,
        adverse_selection=ledger.adverse_selection,
        inventory=ledger.inventory,
        fees=ledger.fees,
        funding=ledger.funding,
    )
    return State(ledger, pending, trials, belief, updates), evaluation
