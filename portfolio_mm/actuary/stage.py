"""ACTUARY: every quote is a short option; this prices it.

The closed form gives the reservation price and the optimal depths. Around them stand candidates on
each side, and each carries its probability of a fill and its expected profit. The requests that may be
used have one price, and every candidate rests in the band in which moving it is not worth that.
MODEL sections 2, 6, 7.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.actuary.floors import option_floor
from portfolio_mm.actuary.impact import ahead, concession
from portfolio_mm.config import Actuary
from portfolio_mm.rules import ticks
from portfolio_mm.theory import freshness, glosten_milgrom
from portfolio_mm.theory.closed_form import SETTLEMENT_PERIOD, effective_covariance, solve
from portfolio_mm.theory.informed_flow import knowledge_variance
from portfolio_mm.types import (
    NS,
    Floats,
    MarketBelief,
    MarketSnapshot,
    MarketStatus,
    PricingSurface,
    RiskBudget,
    Universe,
)

SIDE = np.array([1, -1])
"""s of bid and ask."""

SIGN = SIDE.astype(np.float64)

SMALLEST_INCOME = 1e-300
"""USD/s; what earns nothing is not worth an action, and has finite numbers."""

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
    displacement: Floats  # (N, 2) variance of the best quotes' displacement towards fair value
    action_price: float  # USD


def init(config: Actuary, universe: Universe, cycle_s: float) -> tuple[Params, State]:
    """Return the parameters and a state without a response to drift, quotes in place and free requests."""
    n = len(universe)
    return Params(config, universe, cycle_s), State(np.zeros((n, n)), np.zeros((n, 2)), 0.0)


def step(
    params: Params,
    state: State,
    belief: MarketBelief,
    budget: RiskBudget,
    snapshot: MarketSnapshot,
) -> tuple[State, PricingSurface]:
    """Price every candidate quote of every asset."""
    config, universe = params.config, params.universe
    size = universe.size_usd
    price_of_volume = state.action_price if budget.volume_earns else 0.0
    fee = universe.maker_fee - _worth_of_requests(universe, belief, price_of_volume)
    fair = np.where(belief.known, np.exp(belief.log_price), 1.0)
    variance = (
        state.displacement
        + knowledge_variance(
            belief.variance, belief.tail * belief.sigma, params.stale_s + belief.foresight_s
        )[:, None]
    )

    decay = belief.decay[:, :, None]
    book_depth, notional = _book(snapshot, fair)

    def reach(depth: Floats) -> Floats:
        """Probability that a taker reaches depths (N, 2, L) from fair value."""
        return np.exp(-decay * np.maximum(depth, 0.0))

    def adverse_selection(depth: Floats) -> Floats:
        """AS at depths (N, 2, L) from fair value."""
        return glosten_milgrom.adverse_selection(
            depth, variance[:, :, None], belief.informed[:, :, None], reach(depth)
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
    informed_depth = glosten_milgrom.floor(variance, belief.informed, belief.decay)
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
    best = np.minimum(nearest[:, :, None] + ladder / decay, DEEPEST)

    # Requests go where they earn most: one price, at which all candidates together use what the budgets
    # allow.
    quotable = belief.known & (snapshot.status == MarketStatus.OPEN)
    income = freshness.income(belief.arrival[:, :, None], decay, size[:, None, None], best)
    diffusion = (decay * belief.sigma[:, None, None]) ** 2
    moving = np.where(quotable[:, None, None], income, 0.0)
    per_move = budget.actions_per_move
    move_price = freshness.move_price(
        budget.action_rate / per_move,
        moving,
        diffusion,
        config.action_price_usd,
        config.action_price_limit_usd,
    )
    action_price = (move_price - config.action_price_usd) / per_move
    rest = freshness.policy(move_price * diffusion / np.maximum(income, SMALLEST_INCOME))
    depth = np.minimum(best + rest.offset / decay, DEEPEST)
    band = (
        np.stack([rest.inner + rest.offset, rest.outer - rest.offset], axis=-1) / decay[..., None]
    )
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
        band=band,
        income=income,
        action_cost=income * (rest.lost - freshness.loss(rest.offset)),
        action_price=action_price,
        move_rate=freshness.moves(move_price, moving, diffusion),
        life=params.cycle_s,
        sweep=float(belief.crisis @ volume.sum(axis=1) / volume.sum()),
        side_weights=volume.sum(axis=0) / volume.sum(),
    )
    return State(
        form.drift_response, rest.variance[:, :, 0] / belief.decay**2, action_price
    ), surface


def _worth_of_requests(universe: Universe, belief: MarketBelief, price: float) -> Floats:
    """Return what the requests are worth that a dollar of fills earns, (N,), fraction.

    Less the request that replaces the filled order, and no more than the margin 1/κ that a quote can
    give away for them: nearer than break-even none is worth it.
    """
    net = np.maximum(universe.requests_per_usd - 1.0 / universe.size_usd, 0.0)
    worth: Floats = np.minimum(price * net, 1.0 / belief.decay.max(axis=1))
    return worth


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
