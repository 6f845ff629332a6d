"""The loop: wait for the venue, run a quote cycle, journal it, send its orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from threadpoolctl import threadpool_limits

from portfolio_mm.config import Config
from portfolio_mm.cycle import Cycle, build, quote_cycle
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.runtime.quality import judge
from portfolio_mm.types import NS, AccountState, Events, Frozen, MarketSnapshot, Orders, Universe
from portfolio_mm.venues.base import Venue


class Opening(Frozen, frozen=True, kw_only=True):
    """The first row of a journal: all that a replay needs besides the inputs."""

    config: Config
    universe: Universe


class Closing(Frozen, frozen=True, kw_only=True):
    """The last row of a journal."""

    cycles: int
    stopped: str  # why the run ended


class Outcome(NamedTuple):
    """How a run ended."""

    cycles: int
    stopped: str


Observer = Callable[[MarketSnapshot, AccountState, Cycle], None]


async def run(
    config: Config, venue: Venue, journal: Journal, observer: Observer | None = None
) -> Outcome:
    """Quote on `venue` until it closes or the loss limit is reached.

    Every arrow is journalled. Intents are committed before they are sent. Linear algebra runs on
    one thread, so that a replay on the same machine gives the same bytes. However the run ends, the
    last row says why and the venue is closed.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return await _run(config, venue, journal, observer)


async def _run(
    config: Config, venue: Venue, journal: Journal, observer: Observer | None
) -> Outcome:
    stages, state = build(config, venue.universe)
    tracker = OrderTracker(venue.universe)
    period = round(config.run.cycle_s * NS)
    journal.write(venue.now_ns, "opening", Opening(config=config, universe=venue.universe))
    cycles, stopped, closed = 0, "", False
    try:
        while not closed:
            await asyncio.sleep(0)  # a simulated venue never waits, and would never be interrupted
            events = await venue.wait(venue.now_ns + period)
            tracker.apply(events)
            snapshot = judge(venue.snapshot(), config.run.stale_s)
            account = msgspec.structs.replace(venue.account(), orders=tracker.open_orders(snapshot))
            state, cycle = quote_cycle(stages, state, snapshot, account, events)
            record(journal, snapshot, account, events, cycle)
            cycles += 1
            if observer is not None:
                observer(snapshot, account, cycle)
            if not stopped and cycle.budget.drawdown >= config.governor.max_drawdown:
                stopped = f"drawdown {cycle.budget.drawdown:.1%} reached the loss limit"
            # Once stopped, cycles go on until the venue confirmed that nothing rests.
            orders = tracker.cancel_all(snapshot.time_ns) if stopped else cycle.orders
            closed = events.closed or (bool(stopped) and not len(tracker))
            if not closed:
                await send(venue, journal, tracker, orders)
        stopped = stopped or "the market closed"
    except (asyncio.CancelledError, KeyboardInterrupt):
        stopped = "interrupted"
        raise
    except BaseException as error:
        stopped = f"failed: {type(error).__name__}: {error}"
        raise
    finally:
        journal.write(venue.now_ns, "closing", Closing(cycles=cycles, stopped=stopped))
        await venue.close()
    return Outcome(cycles, stopped)


async def send(venue: Venue, journal: Journal, tracker: OrderTracker, orders: Orders) -> None:
    """Commit the intent, then send it."""
    if not len(orders):
        return
    journal.write(orders.time_ns, "intent", orders)
    journal.commit()
    tracker.sent(orders)
    await venue.send(orders)


def record(
    journal: Journal, snapshot: MarketSnapshot, account: AccountState, events: Events, cycle: Cycle
) -> None:
    """Journal the inputs of a cycle, then everything it produced."""
    now = snapshot.time_ns
    journal.write(now, "snapshot", snapshot)
    journal.write(now, "account", account)
    journal.write(now, "events", events)
    for kind, arrow in cycle._asdict().items():
        journal.write(now, kind, arrow)
