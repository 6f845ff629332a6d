"""ACTUARY: every quote is a short option; this prices it.

The closed form gives the reservation price and the optimal depths. Around them stand candidates on
each side, and each carries its probability of a fill and its expected profit. MODEL sections 2, 6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.actuary.floors import option_floor
from portfolio_mm.actuary.impact import ahead, concession
from portfolio_mm.config import Actuary
from portfolio_mm.rules import ticks
from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.theory.closed_form import SETTLEMENT_PERIOD, effective_covariance, solve
from portfolio_mm.theory.informed_flow import knowledge_variance
from portfolio_mm.types import (
    NS,
    Floats,
    MarketBelief,
    MarketSnapshot,
    PricingSurface,
    RiskBudget,
    Universe,
)

SIDE = np.array([1, -1])
"""s of bid and ask."""

SIGN = SIDE.astype(np.float64)

DEEPEST = 0.6
"""The venue refuses prices further than 95 % from its reference: ln 1.95, less room for its move."""


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
    """What the next cycle needs."""

    drift_response: Floats  # (N, N) M of the last cycle, s


def init(config: Actuary, universe: Universe, cycle_s: float) -> tuple[Params, State]:
    """Return the parameters and a state without a response to drift."""
    n = len(universe)
    return Params(config, universe, cycle_s), State(np.zeros((n, n)))


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
    variance = knowledge_variance(
        belief.variance, belief.tail * belief.sigma, params.stale_s + belief.foresight_s
    )

    decay = belief.decay[:, :, None]
    book_depth, notional = _book(snapshot, fair)

    def reach(depth: Floats) -> Floats:
        """Probability that a taker reaches depths (N, 2, L) from fair value."""
        return np.exp(-decay * np.maximum(depth, 0.0))

    def adverse_selection(depth: Floats) -> Floats:
        """AS at depths (N, 2, L) from fair value."""
        return glosten_milgrom.adverse_selection(
            depth, variance[:, None, None], belief.informed[:, :, None], reach(depth)
        )

    def impact(depth: Floats) -> Floats:
        """Self-impact at depths (N, 2, L) from fair value."""
        before_us = ahead(depth, book_depth, notional)
        return concession(before_us, size[:, None, None], decay, config.impact)

    # What a position costs to close passively, at the depth where a quote would stand if nobody were
    # informed: the liquidity behind A, T and the skew. (Charged at δ* itself it has no fixed point once
    # informed takers reach further than noise does: AS then grows faster than δ.)
    monopoly = (fee[:, None] + 1.0 / belief.decay)[:, :, None]
    charges = fee[:, None] + impact(monopoly)[:, :, 0]
    cost = charges + adverse_selection(monopoly)[:, :, 0]
    form = solve(
        effective_covariance(belief.covariance, state.drift_response, belief.drift_covariance),
        budget.gamma,
        belief.arrival,
        belief.decay,
        size,
        cost=cost,
        drift=belief.drift,
        drift_reversion=belief.reversion,
        funding=snapshot.funding / SETTLEMENT_PERIOD,
        settlement=max(snapshot.settlement_ns - snapshot.time_ns, 0) / NS,
        inventory=budget.inventory,
    )

    # What an opening fill must earn to break even: AS(δ) ≤ δ from the Glosten–Milgrom floor on, so no
    # quote of a flat book loses.
    informed_depth = glosten_milgrom.floor(variance[:, None], belief.informed, belief.decay)
    half_width = np.minimum(form.half_width - cost + charges + informed_depth, DEEPEST)
    floor = np.maximum(informed_depth, option_floor(belief.sigma, params.stale_s)[:, None])
    nearest = np.maximum.reduce(
        [
            half_width - SIGN * form.shift[:, None],
            floor,
            _passive_depth(universe, snapshot, fair),
        ]
    )
    ladder = np.arange(config.levels) * config.spacing
    depth = np.minimum(nearest[:, :, None] + ladder / decay, DEEPEST)
    price = fair[:, None, None] * np.exp(-SIGN[:, None] * depth)

    drift_and_carry = form.drift_shift - form.carry
    edge = depth + (SIGN * drift_and_carry[:, None])[:, :, None]
    adverse, concessions = adverse_selection(depth), impact(depth)
    probability = -np.expm1(-belief.arrival[:, :, None] * reach(depth) * params.cycle_s)
    profit = edge - adverse - concessions - fee[:, None, None]
    volume = size[:, None] * belief.arrival  # what may be swept
    inventory_price = SIGN * (form.skew - form.asymmetry)[:, None]
    surface = PricingSurface(
        time_ns=snapshot.time_ns,
        fair=fair,
        reservation=form.shift,
        skew=form.skew,
        curvature=form.curvature,
        half_width=half_width,
        floor=floor,
        price=price,
        depth=depth,
        probability=probability,
        edge=edge,
        adverse_selection=adverse,
        impact=concessions,
        fee=fee,
        margin=profit - inventory_price[:, :, None],
        expected_pnl=probability * size[:, None, None] * profit,
        life=params.cycle_s,
        sweep=float(belief.crisis @ volume.sum(axis=1) / volume.sum()),
        side_weights=volume.sum(axis=0) / volume.sum(),
    )
    return State(form.drift_response), surface


def _book(snapshot: MarketSnapshot, fair: Floats) -> tuple[Floats, Floats]:
    """Return the depth from fair value and the notional of every level, (N, 2, D)."""
    price = np.stack([snapshot.bid_price, snapshot.ask_price], axis=1)
    size = np.stack([snapshot.bid_size, snapshot.ask_size], axis=1)
    depth = SIGN[:, None] * np.log(fair[:, None, None] / price)
    return depth, np.nan_to_num(price) * size


def _passive_depth(universe: Universe, snapshot: MarketSnapshot, fair: Floats) -> Floats:
    """Return the depth from fair value at which a quote just does not cross the book, (N, 2)."""
    decimals = universe.sz_decimals[:, None]
    opposite = np.stack([snapshot.ask_price[:, 0], snapshot.bid_price[:, 0]], axis=1)
    present = np.all(opposite > 0, axis=1, keepdims=True)
    touch = ticks.to_units(np.where(present, opposite, 1.0), decimals, SIDE)
    best = touch - SIDE * ticks.tick_units(touch, decimals, -SIDE)
    depth = SIGN * np.log(fair[:, None] / ticks.from_units(best, decimals))
    return np.where(present, depth, 0.0)
