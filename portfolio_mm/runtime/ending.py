"""How a run ends without its cycle: everything is cancelled, and what is left is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from portfolio_mm.runtime.intake import Intake
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.kill import RETRY_NS, STEP_NS, Ladder
from portfolio_mm.runtime.reconciliation import Remote
from portfolio_mm.runtime.records import Closing
from portfolio_mm.types import NS, Universe
from portfolio_mm.venues.base import Venue, VenueError


async def abandon(
    venue: Venue,
    authority: Remote | None,
    intake: Intake,
    ladder: Ladder,
    journal: Journal,
    note: Callable[[str], None],
) -> None:
    """Cancel what may rest until nothing does or the ladder's time is over.

    For when the cycle failed, the journal is lost or somebody interrupts. Intents are journalled as far
    as that still goes.
    """
    tracker = intake.tracker
    closed = broken = False
    while not closed and not ladder.done(venue.now_ns, tracker):
        orders = tracker.cancel_all(venue.now_ns, RETRY_NS)
        if len(orders):
            journal.write(orders.time_ns, "intent", orders)
            tracker.sent(orders)
            await venue.send(orders)
        unresolved = tracker.unresolved(venue.now_ns)
        if authority is not None and unresolved:
            try:
                await authority.inquire(unresolved)
            except VenueError as error:
                note(f"orders of unknown fate cannot be asked about: {error}")
        try:
            events = await venue.wait(venue.now_ns + STEP_NS, np.full(len(venue.universe), np.inf))
        except Exception as error:  # noqa: BLE001  whatever broke, cancels go on
            if not broken:
                note(f"the venue cannot be heard any more: {type(error).__name__}: {error}")
            broken = True
            await asyncio.sleep(STEP_NS / NS)
        else:
            closed = intake.receive(events, venue.now_ns).closed


def closing(
    intake: Intake, universe: Universe, cycles: int, stopped: str, confirmed: bool
) -> tuple[Closing, tuple[str, ...]]:
    """Return the last row of a start, and the words that an operator must read.

    `confirmed`: the venue was asked after the last order ended.
    """
    resting = intake.tracker.resting()
    held = intake.books.whole
    words = []
    if resting:
        words.append(f"these orders may still rest: {', '.join(resting)}")
    positions = [f"{universe.names[i]} {held[i]:g}" for i in np.flatnonzero(held).tolist()]
    if positions:
        words.append(f"still held: {', '.join(positions)}")
    if not confirmed:
        words.append("the account was not read again after the last order ended")
    row = Closing(
        cycles=cycles,
        stopped=stopped,
        resting=resting,
        position=tuple(held.tolist()) if positions else (),
        confirmed=confirmed,
    )
    return row, tuple(words)
