"""What a place in a queue is worth, as a distance: an order moved later is an order moved less.

An order with Q contracts ahead is filled before one that joins behind all D displayed there. As shares
of the flow that the first z contracts see, the advantage is χ = z/(z + Q) − z/(z + D). It lasts until
fair value has moved by a tick, (tick/σ)² seconds, so moving the order loses χ f (tick/σ)² besides the
request. In the band of a quadratic loss, θ⁴ = 12 pσ²/(κ²f), that adds 12 χ (tick/κ)² to θ⁴, whatever
the order earns. MODEL section 7.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Floats, MarketSnapshot, OpenOrders, Universe


def places(
    resting: OpenOrders, snapshot: MarketSnapshot, decay: Floats, universe: Universe
) -> Floats:
    """Return (12 χ)^¼ (tick/κ)^½ of resting orders, (K,), price units.

    Parameters
    ----------
    resting
        Our orders; an infinite queue is unknown and worth nothing.
    decay : (N, 2)
        κ, 1/fraction.
    """
    asset, side, units = resting.asset, resting.side, resting.units
    decimals = universe.sz_decimals[asset]
    bid = side[:, None] == 0
    prices = np.where(bid, snapshot.bid_price[asset], snapshot.ask_price[asset])
    sizes = np.where(bid, snapshot.bid_size[asset], snapshot.ask_size[asset])
    price = ticks.from_units(units, decimals)
    there = np.abs(prices - price[:, None]) <= 1e-9 * price[:, None]
    displayed = np.where(there, sizes, 0.0).sum(axis=1)
    ahead = np.minimum(resting.queue, displayed)
    size = universe.size_usd[asset] / np.maximum(price, 1e-300)
    advantage = size / (size + ahead) - size / (size + displayed)
    tick = ticks.tick_units(units, decimals, 2 * side - 1)
    extra: Floats = np.power(12.0 * advantage, 0.25) * np.sqrt(tick * units / decay[asset, side])
    return extra
