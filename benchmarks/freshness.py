"""What scarce requests are worth: quotes moved when it pays, against timers with the same budget.

    python -m benchmarks.freshness

A young account quotes twelve quiet markets of the embedded exchange in the smallest orders, with its
session's share of 10 000 requests a day, the first order of every level, and what its volume earns. Ways
to spend them: the engine's own rule; timers that move every quote that is off until nothing is left,
when quotes rest. Timers price their quotes for their own delay.

Given away is what fills paid less than the place where that quote should have stood by then; earned is
spread and adverse selection after ten seconds, and fees, in USD. Means and standard errors over seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from typing import NamedTuple

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from portfolio_mm import config as configuration
from portfolio_mm.cycle import Cycle, build, quote_cycle
from portfolio_mm.executor.stage import moves
from portfolio_mm.governor.requests import RESERVE
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.types import DAY_S, NS, Fill, Orders
from portfolio_mm.venues.settings import Embedded
from sim.embedded import EmbeddedVenue
from sim.market.listing import build_universe

REQUESTS = 10_000.0
NAMES = (
    "xyz:XYZ100",
    "xyz:TSLA",
    "xyz:NVDA",
    "xyz:GOLD",
    "xyz:META",
    "xyz:AAPL",
    "xyz:MSFT",
    "xyz:GOOGL",
    "xyz:AMZN",
    "xyz:HOOD",
    "xyz:PLTR",
    "xyz:COIN",
)
ISOLATED = ("xyz:HOOD", "xyz:PLTR", "xyz:COIN")
SHORTEST_NS = NS // 5
FIRST = RESERVE + 2 * 3 * len(NAMES)
"""Requests on top of the share: the kill switch's, and the first order of every level."""
PLENTY = 1e12


class Outcome(NamedTuple):
    """One session."""

    fills: float
    volume: float  # USD
    earned: float  # USD
    given_away: float  # USD
    pnl: float  # USD
    requests: float  # used
    left: float
    quoted: float  # share of time and sides with an order resting
    price: float  # of an action, USD, mean


def settings(
    seed: int, minutes: float, size: float, activity: float, requests: float, cycle_s: float
) -> configuration.Config:
    """Return the configuration of a session."""
    return configuration.Config(
        name="freshness",
        venue=Embedded(
            seed=seed,
            hours=minutes / 60.0,
            deposit_usd=40.0 * size,
            requests=requests,
            arrival_scale=activity,
        ),
        account=configuration.Account(margin_buffer=0.2),
        assets=tuple(
            configuration.Asset(
                name=name,
                leverage=5 if name in ISOLATED else 10,
                size_usd=size,
                isolated_margin_usd=4.0 * size if name in ISOLATED else 0.0,
            )
            for name in NAMES
        ),
        governor=configuration.Governor(
            volatility_budget=0.01, kelly_fraction=0.25, max_drawdown=0.5
        ),
        run=configuration.Run(cycle_s=cycle_s, durable_journal=False),
    )


async def session(
    seed: int, minutes: float, size: float, activity: float, timer_s: float | None
) -> Outcome:
    """Quote one session; `timer_s` None is the engine's rule, else a timer that long."""
    share = REQUESTS * minutes * 60.0 / DAY_S
    config = settings(seed, minutes, size, activity, share + FIRST, timer_s or 1.0)
    universe = build_universe(
        NAMES,
        leverage={asset.name: asset.leverage for asset in config.assets},
        size_usd={asset.name: asset.size_usd for asset in config.assets},
    )
    market = config.venue
    assert isinstance(market, Embedded)
    venue = EmbeddedVenue(market, universe)
    stages, state = build(config, universe)
    tracker = OrderTracker(universe)
    wake = np.full(len(universe), np.inf)
    sent = given = weight = quoted = priced = 0.0
    fills = volume = 0.0
    closed, due_ns, cycle = False, 0, None
    while not closed:
        before = venue.now_ns
        events = await venue.wait(before + SHORTEST_NS, np.full(len(universe), np.inf))
        if not events.fills and not events.closed:
            more = await venue.wait(before + NS, wake)
            events = msgspec.structs.replace(
                more, updates=events.updates + more.updates, funding=events.funding + more.funding
            )
        events = tracker.receive(events)
        if cycle is not None:
            given += sum(behind(fill, cycle) for fill in events.fills)
        fills += len(events.fills)
        volume += sum(fill.price * fill.size for fill in events.fills)
        snapshot = venue.snapshot()
        real = venue.account()
        left = real.address_requests
        # The rule lives as on the first half hour of a day, a timer as if there were plenty.
        seen = left + REQUESTS - share - FIRST + RESERVE if timer_s is None else PLENTY
        account = msgspec.structs.replace(
            real, orders=tracker.open_orders(snapshot), address_requests=seen
        )
        elapsed = (venue.now_ns - before) / NS
        weight += elapsed
        sides = set(zip(account.orders.asset.tolist(), account.orders.side.tolist(), strict=True))
        quoted += elapsed * len(sides) / (2 * len(universe))
        state, cycle = quote_cycle(stages, state, snapshot, account, events)
        priced += elapsed * cycle.surface.action_price
        orders, wake = cycle.orders, moves(cycle.quotes)
        if timer_s is not None:
            wake = np.full(len(universe), np.inf)
            if snapshot.time_ns < due_ns or left <= RESERVE:
                orders = Orders(time_ns=snapshot.time_ns)
            else:
                due_ns = snapshot.time_ns + round(timer_s * NS)
        closed = events.closed
        if len(orders) and not closed:
            sent += len(orders)
            tracker.sent(orders)
            await venue.send(orders)
    assert cycle is not None
    result = cycle.evaluation
    return Outcome(
        fills=fills,
        volume=volume,
        earned=float((result.spread + result.adverse_selection - result.fees).sum()),
        given_away=given,
        pnl=float(venue.account().equity.sum()) - market.deposit_usd,
        requests=sent,
        left=venue.account().address_requests,
        quoted=quoted / weight,
        price=priced / weight,
    )


def behind(fill: Fill, cycle: Cycle) -> float:
    """Return how much nearer to fair value a fill was than its place should have been, USD."""
    column = 0 if fill.side > 0 else 1
    target = cycle.surface.price[fill.asset, column, 0]
    return max(fill.side * math.log(fill.price / target), 0.0) * fill.price * fill.size


def main() -> None:
    """Run all sessions and print means with standard errors over seeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--size", type=float, default=12.0)
    parser.add_argument("--activity", type=float, default=0.2)
    parser.add_argument("--timers", type=float, nargs="*", default=[5.0, 60.0, 300.0])
    args = parser.parse_args()
    with threadpool_limits(limits=1, user_api="blas"):
        for timer_s in (None, *args.timers):
            rows = np.array(
                [
                    asyncio.run(session(seed, args.minutes, args.size, args.activity, timer_s))
                    for seed in range(1, args.seeds + 1)
                ]
            )
            name = "rule" if timer_s is None else f"timer of {timer_s:g} s"
            print(name, flush=True)
            error = (
                rows.std(axis=0, ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else 0 * rows[0]
            )
            for name, m, e in zip(Outcome._fields, rows.mean(axis=0), error, strict=True):
                print(f"   {name:12s} {m:12.4f} ± {e:.4f}")


if __name__ == "__main__":
    main()
