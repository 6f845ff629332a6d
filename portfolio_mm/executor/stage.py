"""EXECUTOR: the pricing surface and the risk budget in, the quotes that should rest out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.config import Executor
from portfolio_mm.executor.allocation import Allocation, Allocator, Programme
from portfolio_mm.executor.rounding import round_orders
from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    Bools,
    Floats,
    Ints,
    MarketSnapshot,
    MarketStatus,
    PricingSurface,
    QuoteSet,
    Reason,
    RiskBudget,
    SolveStatus,
    Universe,
)

STATUS = {
    "optimal": SolveStatus.OPTIMAL,
    "fallback": SolveStatus.FALLBACK,
    "failed": SolveStatus.FAILED,
}


WIDEST = 1.0
"""Band beyond which an order is anywhere, in logarithm."""

WAKE = 0.5
"""Share of the narrowest band of an asset by which its mid moves before quotes are looked at."""


class Params(NamedTuple):
    """What does not change during a run, the compiled programme included."""

    config: Executor
    universe: Universe
    allocator: Allocator


def init(config: Executor, universe: Universe, levels: int, margin_pattern: Bools) -> Params:
    """Compile the programme for this universe; `margin_pattern` (R, N, 2) is the governor's."""
    allocator = Allocator(
        len(universe), levels, n_rows=len(margin_pattern), margin_pattern=margin_pattern
    )
    return Params(config, universe, allocator)


def step(
    params: Params,
    surface: PricingSurface,
    budget: RiskBudget,
    snapshot: MarketSnapshot,
    known: Bools,
) -> QuoteSet:
    """Allocate sizes over the whole account and put them on the venue's grid.

    `known` (N,) tells which assets have a fair value.
    """
    universe = params.universe
    size = universe.size_usd
    quotable = known & (snapshot.status == MarketStatus.OPEN)
    shape = surface.margin.shape
    cap = np.where(quotable[:, None, None], size[:, None, None], 0.0) * np.ones(shape)
    allocation = params.allocator.solve(
        Programme(
            margin=surface.margin,
            probability=surface.probability,
            adverse_selection=surface.adverse_selection,
            cap=cap,
            side_cap=cap.sum(axis=2),
            size=size,
            curvature=surface.curvature,
            inventory=budget.inventory,
            life=surface.life,
            sweep=surface.sweep,
            side_weights=surface.side_weights,
            toxicity_budget=budget.toxicity_budget,
            exposure_limit=budget.exposure_limit,
            margin_rate=budget.margin_rate,
            margin_free=budget.margin_free,
            action_price=surface.action_cost * surface.life,
        )
    )
    orders = round_orders(surface.price, allocation.sizes, universe.sz_decimals)
    one_unit = ticks.from_units(1, universe.sz_decimals)[:, None, None, None]
    width = np.minimum(surface.band, WIDEST) * surface.price[..., None]
    return QuoteSet(
        time_ns=surface.time_ns,
        sizes=allocation.sizes,
        units=orders.units,
        lots=orders.lots,
        tolerance=(width / one_unit).astype(np.int64),
        reason=_reasons(surface, allocation, orders.lots, quotable),
        margin_dual=allocation.margin_dual,
        exposure_dual=allocation.exposure_dual,
        toxicity_dual=allocation.toxicity_dual,
        status=int(STATUS[allocation.status]),
        iterations=allocation.iterations,
    )


def moves(quotes: QuoteSet) -> Floats:
    """Return by how much the mid of each asset may move before quotes are looked at, (N,).

    In logarithm; infinite where nothing is quoted.
    """
    narrowest = quotes.tolerance.min(axis=3) / np.maximum(quotes.units, 1)
    nearest: Floats = np.where(quotes.lots > 0, narrowest, np.inf).min(axis=(1, 2))
    return WAKE * nearest


def _reasons(surface: PricingSurface, allocation: Allocation, lots: Ints, quotable: Bools) -> Ints:
    """Say for every side why it is not quoted, (N, 2) of Reason."""
    failed = allocation.status == "failed"
    return np.select(
        [
            (lots > 0).any(axis=2),
            np.broadcast_to(~quotable[:, None], lots.shape[:2]),
            np.full(lots.shape[:2], failed),
            (surface.margin <= 0).all(axis=2),
            (allocation.sizes > 0).any(axis=2),
        ],
        [
            Reason.QUOTED,
            Reason.MARKET,
            Reason.SOLVER,
            Reason.NEGATIVE_MARGIN,
            Reason.BELOW_MINIMUM,
        ],
        default=Reason.NO_BUDGET,
    ).astype(np.int64)
