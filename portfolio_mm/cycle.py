"""The coordinator: one quote cycle is six pure stages, one after the other."""

from __future__ import annotations

from typing import NamedTuple

from portfolio_mm.actuary import stage as actuary
from portfolio_mm.belief import stage as belief
from portfolio_mm.config import Config
from portfolio_mm.evaluator import stage as evaluator
from portfolio_mm.executor import stage as executor
from portfolio_mm.executor.queue import places
from portfolio_mm.executor.reconcile import reconcile
from portfolio_mm.governor import margin, requests
from portfolio_mm.governor import stage as governor
from portfolio_mm.sensor import stage as sensor
from portfolio_mm.types import (
    AccountState,
    Evaluation,
    Events,
    Floats,
    MarketBelief,
    MarketSnapshot,
    Observations,
    Orders,
    PricingSurface,
    QuoteSet,
    RiskBudget,
    Universe,
)


class Stages(NamedTuple):
    """Parameters of every stage."""

    run: str
    sensor: sensor.Params
    belief: belief.Params
    governor: governor.Params
    actuary: actuary.Params
    executor: executor.Params
    evaluator: evaluator.Params


class State(NamedTuple):
    """State of every stage: all that one cycle hands to the next."""

    sensor: sensor.State
    belief: belief.State
    governor: governor.State
    actuary: actuary.State
    evaluator: evaluator.State
    usage: requests.Usage


class Cycle(NamedTuple):
    """Everything that one cycle produced, in the order in which it was produced."""

    observations: Observations
    belief: MarketBelief
    budget: RiskBudget
    surface: PricingSurface
    quotes: QuoteSet
    orders: Orders
    evaluation: Evaluation


def build(config: Config, universe: Universe) -> tuple[Stages, State]:
    """Return the stages of a run and their state before any data."""
    sensor_params, sensor_state = sensor.init(config.sensor, universe)
    belief_params, belief_state = belief.init(config.belief, universe)
    governor_params, governor_state = governor.init(
        config.governor, config.account, config.assets, config.actuary.levels, universe
    )
    actuary_params, actuary_state = actuary.init(config.actuary, universe, config.run.cycle_s)
    executor_params = executor.init(
        config.executor, universe, config.actuary.levels, margin.pattern(universe)
    )
    evaluator_params, evaluator_state = evaluator.init(
        config.evaluator, universe, actuary_params.stale_s
    )
    return Stages(
        config.name,
        sensor_params,
        belief_params,
        governor_params,
        actuary_params,
        executor_params,
        evaluator_params,
    ), State(
        sensor_state,
        belief_state,
        governor_state,
        actuary_state,
        evaluator_state,
        requests.Usage(),
    )


def resume(
    state: State,
    position: Floats,
    held_belief: belief.State | None,
    held_governor: governor.State | None,
) -> State:
    """Return the state of a run that goes on: with a position, and what an earlier start learnt.

    `position` (N,) is in contracts. What counts the time it was up starts anew.
    """
    return state._replace(
        belief=held_belief or state.belief,
        governor=held_governor or state.governor,
        evaluator=evaluator.opened(state.evaluator, position),
    )


def quote_cycle(
    stages: Stages, state: State, snapshot: MarketSnapshot, account: AccountState, events: Events
) -> tuple[State, Cycle]:
    """Turn what is known now into the orders to send."""
    sensed, observations = sensor.step(stages.sensor, state.sensor, snapshot)
    believed, market = belief.step(
        stages.belief, state.belief, observations, events.fills, state.evaluator.updates
    )
    governed, budget = governor.step(stages.governor, state.governor, market, account, state.usage)
    priced, surface = actuary.step(stages.actuary, state.actuary, market, budget, snapshot)
    quotes = executor.step(stages.executor, surface, budget, snapshot, market.known)
    orders = reconcile(
        stages.run,
        quotes,
        account.orders,
        places(account.orders, snapshot, market.decay, stages.executor.universe),
        stages.executor.config.size_tolerance,
        budget.actions,
    )
    evaluated, evaluation = evaluator.step(
        stages.evaluator, state.evaluator, market, account, events.fills, events.funding
    )
    usage = requests.Usage(requests.count(orders), surface.move_rate)
    state = State(sensed, believed, governed, priced, evaluated, usage)
    return state, Cycle(observations, market, budget, surface, quotes, orders, evaluation)
