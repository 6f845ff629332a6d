"""Why a quote stands where it does: its price as a sum of named steps from fair value.

With side s (+1 bid), reservation price r and optimal half-width δ*,

    ln(price / V) = r − s (δ* + what keeps it farther out),    r = drift and carry + asymmetry − skew
    δ* = fee + adverse selection + monopoly term + A_ii z

Each step is what the pricing surface recorded, or the remainder of a sum that it recorded, so that
the steps add up to the price on the venue's grid. MODEL section 2.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from portfolio_mm.report.columns import History, Quoted
from portfolio_mm.rules import ticks
from portfolio_mm.theory.closed_form import value_rate
from portfolio_mm.types import DAY_S

BPS = 1e4


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step on the way from fair value to the quote."""

    name: str
    bps: float  # log-distance that it moves the price, > 0 up
    price: float  # USD after the step


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The innermost quote of a side, when the asset was last quoted."""

    time_ns: int
    asset: str
    side: str
    level: int
    price: float  # USD
    size: float  # contracts
    fair: float  # USD
    reservation: float  # USD
    steps: tuple[Step, ...]
    probability: float  # of a fill within the quote's life
    edge_bps: float
    adverse_selection_bps: float
    impact_bps: float
    fee_bps: float
    margin_bps: float  # value per USD relative to the reservation price
    expected_pnl_usd: float  # per reference size and life
    gamma_per_usd: float
    inventory_usd: float
    volatility_per_day: float  # fraction
    arrival_per_s: float
    decay: float  # 1/fraction
    informed: float


def traces(history: History) -> tuple[Trace, ...]:
    """Return the traces of the last quotes of every asset, bids before asks."""
    return tuple(
        _trace(history, quoted, asset, side)
        for asset, quoted in enumerate(history.last_quotes)
        if quoted is not None
        for side in (0, 1)
        if quoted.quotes.lots[asset, side].any()
    )


def _trace(history: History, quoted: Quoted, asset: int, side: int) -> Trace:
    belief, surface, quotes = quoted.belief, quoted.surface, quoted.quotes
    instrument = history.universe.instruments[asset]
    s = 1 - 2 * side
    level = int(np.flatnonzero(quotes.lots[asset, side])[0])
    cell = asset, side, level
    fair = float(surface.fair[asset])
    price = float(ticks.from_units(quotes.units[cell], instrument.sz_decimals))
    nothing = np.zeros((len(history.universe), 2))
    size = history.universe.size_usd
    _, monopoly = value_rate(quoted.gamma, nothing, belief.decay, size, nothing)

    depth = surface.depth[asset, side]
    shift, skew = float(surface.reservation[asset]), float(surface.skew[asset])
    drift_and_carry = s * float(surface.edge[cell] - surface.depth[cell])
    half_width = float(surface.half_width[asset, side])
    fee = float(surface.fee[asset])
    risk = float(surface.curvature[asset, asset] * size[asset])
    market_power = float(monopoly[asset, side])
    moves = {
        "drift and carry": drift_and_carry,
        "inventory skew": -skew,
        "asymmetry of sides": shift - drift_and_carry + skew,
        "fee": -s * fee,
        "adverse selection": -s * (half_width - fee - market_power - risk),
        "monopoly": -s * market_power,
        "risk of one more fill": -s * risk,
        "floor or book": -s * (float(depth[0]) - (half_width - s * shift)),
        "level": -s * float(depth[level] - depth[0]),
        "tick": math.log(price / fair) + s * float(depth[level]),
    }
    steps, place = [], 0.0
    for name, move in moves.items():
        place += move
        steps.append(Step(name=name, bps=BPS * move, price=fair * math.exp(place)))
    return Trace(
        time_ns=quotes.time_ns,
        asset=instrument.name,
        side="bid" if side == 0 else "ask",
        level=level,
        price=price,
        size=float(ticks.from_lots(quotes.lots[cell], instrument.sz_decimals)),
        fair=fair,
        reservation=fair * math.exp(shift),
        steps=tuple(steps),
        probability=float(surface.probability[cell]),
        edge_bps=BPS * float(surface.edge[cell]),
        adverse_selection_bps=BPS * float(surface.adverse_selection[cell]),
        impact_bps=BPS * float(surface.impact[cell]),
        fee_bps=BPS * fee,
        margin_bps=BPS * float(surface.margin[cell]),
        expected_pnl_usd=float(surface.expected_pnl[cell]),
        gamma_per_usd=quoted.gamma,
        inventory_usd=float(quoted.inventory[asset]),
        volatility_per_day=float(belief.sigma[asset]) * math.sqrt(DAY_S),
        arrival_per_s=float(belief.arrival[asset, side]),
        decay=float(belief.decay[asset, side]),
        informed=float(belief.informed[asset, side]),
    )
