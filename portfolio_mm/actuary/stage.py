"""ACTUARY: every quote is a short option; this prices it.

The closed form gives the reservation price and the optimal depths. Around them stand candidates on
each side, and each carries its probability of a fill and its expected profit. MODEL sections 2, 6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.actuary.floors import smallest_depth
from portfolio_mm.actuary.impact import concession
from portfolio_mm.config import Actuary
from portfolio_mm.rules import ticks
from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.theory.closed_form import effective_covariance, solve
from portfolio_mm.types import (
    NS,
    Floats,
    MarketBelief,
    MarketSnapshot,
    PricingSurface,
    RiskBudget,
    Universe,
)

SIGN = np.array([1.0, -1.0])
"""s of bid and ask."""

SETTLEMENT_S = 3600.0


class Params(NamedTuple):
    """What does not change during a run."""

    config: Actuary
    universe: Universe
    cycle_s: float

    @property
    def stale_s(self) -> float:
        """Seconds until a quote decided now can next be changed."""
        return self.cycle_s + self.config.latency_s


class State(NamedTuple):
    """The last cycle's solution, from which the fixed point of the cost goes on."""

    half_width: Floats  # (N, 2)
    cost: Floats  # (N, 2)
    drift_response: Floats  # (N, N) M, s


def init(config: Actuary, universe: Universe, cycle_s: float) -> tuple[Params, State]:
    """Return the parameters and a state without a solution."""
    n = len(universe)
    return Params(config, universe, cycle_s), State(
        np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, n))
    )


def step(
    params: Params,
    state: State,
    belief: MarketBelief,
    budget: RiskBudget,
    snapshot: MarketSnapshot,
) -> tuple[State, PricingSurface]:
    """Price every candidate quote of every asset."""
    config, universe = params.config, params.universe
    size, fee = universe.size_usd, universe.maker_fee
    fair = np.where(belief.known, np.exp(belief.log_price), 1.0)
    variance = belief.variance + (belief.tail * belief.sigma) ** 2 * params.stale_s

    def adverse_selection(depth: Floats) -> Floats:
        """AS at depths (N, 2, ...) from fair value."""
        shape = (len(size), 2) + (1,) * (depth.ndim - 2)
        decay = belief.decay.reshape(shape)
        return glosten_milgrom.adverse_selection(
            depth,
            variance.reshape((-1,) + (1,) * (depth.ndim - 1)),
            belief.informed.reshape(shape),
            np.exp(-decay * np.maximum(depth, 0.0)),
        )

    # Two steps of the fixed point c = fee + AS(δ*(c)), started from the last cycle's.
    premium = np.where(state.half_width > 0, state.half_width - state.cost, 1.0 / belief.decay)
    depth = np.where(state.half_width > 0, state.half_width, 1.0 / belief.decay)
    cost = fee[:, None] + adverse_selection(depth)
    cost = fee[:, None] + adverse_selection(cost + premium)
    form = solve(
        effective_covariance(belief.covariance, state.drift_response, belief.drift_covariance),
        budget.gamma,
        belief.arrival,
        belief.decay,
        size,
        cost=cost,
        drift=belief.drift,
        drift_reversion=belief.reversion,
        funding=snapshot.funding / SETTLEMENT_S,
        settlement=max(snapshot.settlement_ns - snapshot.time_ns, 0) / NS,
        inventory=budget.inventory,
    )

    floor = smallest_depth(belief.sigma, params.stale_s, variance, belief.informed, belief.decay)
    nearest = np.maximum.reduce(
        [
            form.half_width - SIGN * form.shift[:, None],
            floor,
            _passive_depth(universe, snapshot, fair),
        ]
    )
    ladder = np.arange(config.levels) * config.spacing
    depth = nearest[:, :, None] + ladder / belief.decay[:, :, None]
    price = fair[:, None, None] * np.exp(-SIGN[:, None] * depth)

    drift_and_carry = form.drift_shift - form.carry
    edge = depth + (SIGN * drift_and_carry[:, None])[:, :, None]
    adverse = adverse_selection(depth)
    impact = np.stack(
        [
            concession(
                sign, price[:, side], book_price, book_size, size, belief.decay[:, side], config.impact
            )
            for side, (sign, book_price, book_size) in enumerate(
                [
                    (1, snapshot.bid_price, snapshot.bid_size),
                    (-1, snapshot.ask_price, snapshot.ask_size),
                ]
            )
        ],
        axis=1,
    )
    rate = belief.arrival[:, :, None] * np.exp(-belief.decay[:, :, None] * np.maximum(depth, 0.0))
    probability = -np.expm1(-rate * params.cycle_s)
    profit = edge - adverse - impact - fee[:, None, None]
    volume = size[:, None] * belief.arrival  # what may be swept
    inventory_price = SIGN * (form.skew - form.asymmetry)[:, None]
    surface = PricingSurface(
        time_ns=snapshot.time_ns,
        fair=fair,
        reservation=form.shift,
        skew=form.skew,
        curvature=form.curvature,
        half_width=form.half_width,
        floor=floor,
        price=price,
        depth=depth,
        probability=probability,
        edge=edge,
        adverse_selection=adverse,
        impact=impact,
        fee=fee,
        margin=profit - inventory_price[:, :, None],
        expected_pnl=probability * size[:, None, None] * profit,
        life=params.cycle_s,
        sweep=float(belief.crisis @ volume.sum(axis=1) / volume.sum()),
        side_weights=volume.sum(axis=0) / volume.sum(),
    )
    return State(form.half_width, cost, form.drift_response), surface


def _passive_depth(universe: Universe, snapshot: MarketSnapshot, fair: Floats) -> Floats:
    """Return the depth from fair value at which a quote just does not cross the book, (N, 2)."""
    decimals = universe.sz_decimals
    bid, ask = snapshot.bid_price[:, 0], snapshot.ask_price[:, 0]
    present = (bid > 0) & (ask > 0)
    depths = []
    for sign, opposite in ((1, ask), (-1, bid)):
        touch = ticks.to_units(np.where(present, opposite, 1.0), decimals, sign)
        tick = ticks.tick_units(touch, decimals, -sign)
        best = ticks.from_units(touch - sign * tick, decimals)
        depths.append(np.where(present, -sign * np.log(best / fair), 0.0))
    return np.stack(depths, axis=1)
