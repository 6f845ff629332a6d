"""Starting is recovering: the journal and the venue's word become one state to go on from.

The journal says which orders may rest and which fills are counted; the venue says what rests and what is
held. Orders of ours are taken up again, orders of unknown fate are asked about, resting orders that the
journal does not know are cancelled, and fills that were missed become events of the first cycle.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from portfolio_mm.config import Config
from portfolio_mm.runtime import journal
from portfolio_mm.runtime.journal import JournalError
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.runtime.reconciliation import OVERLAP_NS, Books, Remote, take_in
from portfolio_mm.runtime.records import Day, Divergence, Kill, Opening, Orphan, Saved
from portfolio_mm.types import NS, Audit, Events, Fill, Floats, Orders, Universe
from portfolio_mm.venues.base import VenueError

ATTEMPTS = 6
"""To read the account at a start, a second apart at first and twice as long each time."""


class Past(NamedTuple):
    """What the journal knows of earlier starts."""

    begun_ns: int  # of the first start, 0: there was none
    tracker: OrderTracker
    position: Floats  # (N,) contracts, from fills
    fill_ns: int  # of the newest fill, or of the newest opening
    saved: Saved | None
    unfinished: Kill | None = None  # closing positions was begun and not ended


class Start(NamedTuple):
    """What a run begins with."""

    tracker: OrderTracker
    books: Books
    opening: Opening
    missed: tuple[Fill, ...]  # events of the first cycle
    day: Day | None
    since_ns: int  # fills from here on were not all seen
    rows: tuple[Divergence | Orphan, ...]  # to be journalled
    authority: Remote | None  # None: the venue lives in this process
    unfinished: Kill | None = None


def begin(config: Config, universe: Universe, now_ns: int = 0) -> Start:
    """Return the start of a run whose venue begins with it."""
    return Start(
        tracker=OrderTracker(universe),
        books=Books(universe, np.zeros(len(universe))),
        opening=Opening(config=config, universe=universe),
        missed=(),
        day=None,
        since_ns=now_ns,
        rows=(),
        authority=None,
    )


def past(folder: Path, universe: Universe) -> Past:
    """Return what the journal in `folder` knows, nothing where there is none.

    Raises
    ------
    JournalError
        When the journal cannot be read, is of another version, or is that of other assets.
    """
    if not (folder / journal.NAME).is_file():
        return Past(0, OrderTracker(universe), np.zeros(len(universe)), 0, None)
    try:
        return _past(folder, universe)
    except msgspec.MsgspecError as error:
        raise JournalError(f"{folder}: the journal is of another version ({error})") from None


def _past(folder: Path, universe: Universe) -> Past:
    openings = list(journal.read(folder, "opening"))
    begun_ns = openings[0].ts_ns if openings else 0
    for row in openings[-1:]:
        names = row.decode(Opening).universe.names
        if names != universe.names:
            raise JournalError(
                f"{folder}: this run quoted {', '.join(names)}; name another folder for other assets"
            )
    newest = journal.newest(folder, "state")
    saved = None if newest is None else newest[1].decode(Saved)
    tracker = OrderTracker(universe, begun_ns)
    position = np.zeros(len(universe))
    fill_ns = begun_ns
    if saved is not None:
        tracker.restore(saved.orders, saved.fill_ids)
        position = saved.position.copy()
        fill_ns = saved.time_ns
    after = 0 if newest is None else newest[0]
    for row in journal.read(folder, "opening", "intent", "events", after=after):
        match row.kind:
            case "opening":
                opened = row.decode(Opening).position
                position = np.zeros(len(universe)) if opened is None else opened.copy()
            case "intent":
                tracker.sent(row.decode(Orders))
            case _:
                for fill in tracker.receive(row.decode(Events)).fills:
                    position[fill.asset] += fill.side * fill.size
                    fill_ns = max(fill_ns, fill.time_ns)
    return Past(begun_ns, tracker, position, fill_ns, saved, _unfinished(folder))


def _unfinished(folder: Path) -> Kill | None:
    """Return the kill ladder that was closing positions when the process died."""
    last = journal.newest(folder, "kill", "closing")
    if last is None or last[1].kind == "closing":
        return None
    kill = last[1].decode(Kill)
    return kill if kill.flatten else None


async def recover(config: Config, venue: Remote, before: Past) -> Start:
    """Reconcile the journal with the venue.

    Raises
    ------
    VenueError
        When the account cannot be read.
    """
    now = venue.now_ns
    since = max(before.fill_ns - OVERLAP_NS, before.begun_ns) if before.begun_ns else now
    audit = await _audit(venue, since)
    tracker = before.tracker
    books = Books(venue.universe, before.position if before.begun_ns else audit.position)
    found = take_in(audit, tracker, books, now)
    differences = books.compare(audit)
    divergences = books.take_over(audit, differences)
    missed = np.zeros(len(venue.universe))
    for fill in found.missed:
        missed[fill.asset] += fill.side * fill.size
    saved = before.saved
    rows = divergences + tuple(Orphan.of(order, audit.time_ns) for order in found.orphans)
    return Start(
        tracker=tracker,
        books=books,
        opening=Opening(
            config=config,
            universe=venue.universe,
            position=books.position - missed,
            belief=saved.state.belief if saved is not None and _young(saved, config, now) else None,
            governor=None if saved is None else saved.state.governor,
        ),
        missed=found.missed,
        day=None if saved is None else saved.day,
        since_ns=audit.time_ns - OVERLAP_NS,
        rows=rows,
        authority=venue,
        unfinished=before.unfinished,
    )


def _young(saved: Saved, config: Config, now_ns: int) -> bool:
    return now_ns - saved.time_ns <= config.run.resume_s * NS


async def _audit(venue: Remote, since_ns: int) -> Audit:
    """Read the account, with patience."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return await venue.audit(since_ns)
        except VenueError:
            await asyncio.sleep(2.0**attempt)
    return await venue.audit(since_ns)
