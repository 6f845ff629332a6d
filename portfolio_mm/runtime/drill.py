"""The fire drill: orders that nobody fills are placed, and the kill ladder must clear them."""

from __future__ import annotations

import math

import numpy as np

from portfolio_mm import config as configuration
from portfolio_mm.executor.reconcile import cloid
from portfolio_mm.rules import ticks
from portfolio_mm.runtime.kill import RETRY_NS, STEP_NS, Ladder, Stop
from portfolio_mm.runtime.life import Life
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.types import MarketSnapshot, MarketStatus, NewOrder, Orders, Universe
from portfolio_mm.venues.base import Venue

FAR = 0.8
"""Of the mid: where a bid of the drill rests."""

LEVEL = 0xD000
"""In the ids of its orders."""


async def drill(venue: Venue, settings: configuration.Kill, run: str) -> tuple[str, ...]:
    """Place the smallest order far from the market, one per deployer, and cancel everything.

    Returns
    -------
    What went wrong, empty where nothing did.
    """
    universe = venue.universe
    never = np.full(len(universe), np.inf)
    tracker = OrderTracker(universe)
    orders = _far(universe, venue.snapshot(), run)
    tracker.sent(orders)
    await venue.send(orders)
    refused = []
    ladder = Ladder(settings, universe, run, Stop("drill", flatten=False), venue.now_ns)
    while not ladder.done(venue.now_ns, tracker):
        events = await venue.wait(venue.now_ns + STEP_NS, never)
        refused += [update.reason for update in events.updates if update.status == "rejected"]
        tracker.receive(events)
        now = venue.now_ns
        if Life.SENT not in tracker.lives(now).values():
            cancels = tracker.cancel_all(now, RETRY_NS)
            if len(cancels):
                tracker.sent(cancels)
                await venue.send(cancels)
    complaints = [f"refused: {reason}" for reason in refused]
    left = tracker.lives(venue.now_ns)
    if left:
        complaints.append(f"{len(left)} orders were not confirmed to be gone: {', '.join(left)}")
    if not orders.places:
        complaints.append("no asset has a book to place an order in")
    return tuple(complaints)


def _far(universe: Universe, snapshot: MarketSnapshot, run: str) -> Orders:
    """Return the smallest bid far from the market, for the first open asset of every deployer."""
    places: dict[str, NewOrder] = {}
    for asset, dex in enumerate(universe.dex):
        bid = float(snapshot.bid_price[asset, 0])
        if dex in places or snapshot.status[asset] != MarketStatus.OPEN or not bid > 0.0:
            continue
        units = int(ticks.to_units(FAR * bid, universe.sz_decimals[asset], 1))
        lots = math.ceil(ticks.MIN_NOTIONAL / (units * ticks.MICRO_USD)) if units else 0
        if lots:
            name = cloid(run, snapshot.time_ns, asset, 0, LEVEL)
            places[dex] = NewOrder(cloid=name, asset=asset, side=0, level=0, units=units, lots=lots)
    return Orders(time_ns=snapshot.time_ns, places=tuple(places.values()))
