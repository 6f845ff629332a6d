"""Our books against the venue's word, every few seconds and whenever something looks wrong.

The venue is the authority. It is asked in a task of its own beside the loop, and the answer is taken in
by the loop between two cycles: fills that we missed become events, orders that we do not know are
cancelled, orders that it does not list are asked about, and a position that stays different after all
that is a divergence, which is journalled and taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol, Self

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.runtime.life import refusal
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.runtime.records import Divergence
from portfolio_mm.types import (
    NS,
    UNKNOWN,
    AccountState,
    Audit,
    Events,
    Fill,
    Floats,
    MarketSnapshot,
    OpenOrder,
    Universe,
)
from portfolio_mm.venues.base import RemoteVenue, VenueError

SPACING_S = 2.0
"""Shortest time between two audits."""

OVERLAP_NS = 60 * NS
"""Fills are asked for from so long before the last audit on: they may be reported late."""

RACE_NS = 2 * NS
"""Fills this close to an audit may be missing from its positions."""


class Remote(RemoteVenue, Protocol):
    """A remote venue that knows when its own channels failed it."""

    @property
    def gap(self) -> bool:
        """Whether words or fills may have been missed since the last audit."""
        ...


class Found(NamedTuple):
    """What an audit brought."""

    missed: tuple[Fill, ...]
    orphans: tuple[OpenOrder, ...]
    divergences: tuple[Divergence, ...]


class Books:
    """Positions as fills add up, against those that the venue reports."""

    def __init__(self, universe: Universe, position: Floats) -> None:
        self._universe = universe
        self.position = position.copy()
        self._recent: list[tuple[int, Fill]] = []  # by when we learnt of them
        self._suspect: dict[int, float] = {}  # differences that the last audit showed
        self._lag = np.zeros(len(universe), dtype=np.int64)

    def add(self, fills: tuple[Fill, ...], now_ns: int) -> None:
        """Count fills, each of them once."""
        for fill in fills:
            self.position[fill.asset] += fill.side * fill.size
            self._recent.append((now_ns, fill))
        horizon = now_ns - OVERLAP_NS
        self._recent = [row for row in self._recent if row[0] >= horizon]

    def jumped(self, account: AccountState) -> bool:
        """Tell whether the reported positions differ from ours in another way than before."""
        lag = self._lots(account.position - self.position)
        jumped = bool(np.any(lag != self._lag) and lag.any())
        self._lag = lag
        return jumped

    def compare(self, audit: Audit) -> dict[int, float]:
        """Return what positions differ by and no fill on its way explains, by asset."""
        differences = {}
        gap = self._lots(audit.position - self.position)
        for asset in np.flatnonzero(gap).tolist():
            late = sorted(
                (fill.time_ns, fill.fill_id, fill.side * fill.size)
                for learnt_ns, fill in self._recent
                if fill.asset == asset and max(learnt_ns, fill.time_ns) >= audit.time_ns - RACE_NS
            )
            without = np.cumsum([-size for *_, size in reversed(late)])
            explained = self._lots(without, asset)
            if int(gap[asset]) not in explained.tolist():
                differences[asset] = float(audit.position[asset] - self.position[asset])
        return differences

    def settle(self, audit: Audit) -> tuple[Divergence, ...]:
        """Return the differences that two audits in a row showed; the venue's word is taken."""
        differences = self.compare(audit)
        proven = {
            asset: gap
            for asset, gap in differences.items()
            if asset in self._suspect
            and self._lots(np.array([gap - self._suspect[asset]]), asset)[0] == 0
        }
        self._suspect = {a: gap for a, gap in differences.items() if a not in proven}
        return self.take_over(audit, proven)

    def take_over(self, audit: Audit, differences: dict[int, float]) -> tuple[Divergence, ...]:
        """Put the venue's positions in the place of ours."""
        found = tuple(
            Divergence(
                time_ns=audit.time_ns,
                asset=asset,
                ours=float(self.position[asset]),
                venue=float(self.position[asset] + gap),
            )
            for asset, gap in differences.items()
        )
        for divergence in found:
            self.position[divergence.asset] = divergence.venue
        return found

    @property
    def whole(self) -> Floats:
        """Positions in whole lots, (N,) contracts: without the dust of sums."""
        decimals = self._universe.sz_decimals
        lots = self._lots(self.position)
        size: Floats = np.sign(lots) * ticks.from_lots(np.abs(lots), decimals)
        return size

    @property
    def suspicious(self) -> bool:
        """Whether another audit must confirm what the last one showed."""
        return bool(self._suspect)

    def _lots(
        self, size: Floats, asset: int | None = None
    ) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return signed sizes in whole lots."""
        decimals = self._universe.sz_decimals
        chosen = decimals if asset is None else np.full(len(size), decimals[asset])
        return np.rint(size / ticks.from_lots(1, chosen)).astype(np.int64)


def adjustment(divergence: Divergence, snapshot: MarketSnapshot) -> tuple[Fill, ...]:
    """Return the fill at mark that a divergence amounts to, so that the ledger follows the venue.

    There is none where no price is known.
    """
    asset = divergence.asset
    mid = 0.5 * (snapshot.bid_price[asset, 0] + snapshot.ask_price[asset, 0])
    known = [x for x in (snapshot.mark[asset], snapshot.oracle[asset], mid) if np.isfinite(x)]
    size = divergence.venue - divergence.ours
    return tuple(
        Fill(
            time_ns=divergence.time_ns,
            asset=asset,
            side=1 if size > 0.0 else -1,
            price=float(price),
            size=abs(size),
            fee=0.0,
            maker=False,
            cloid="",
            fill_id=-(divergence.time_ns + asset),
        )
        for price in known[:1]
    )


class Auditor:
    """Asks a remote venue beside the loop; use as an asynchronous context manager.

    Parameters
    ----------
    period_s
        Longest time between two audits.
    note
        Called with words for the operator.
    """

    def __init__(
        self,
        venue: Remote,
        tracker: OrderTracker,
        period_s: float,
        since_ns: int,
        note: Callable[[str], None],
    ) -> None:
        self._venue = venue
        self._tracker = tracker
        self._period_ns = round(period_s * NS)
        self._since_ns = since_ns
        self._note = note
        self._wanted = False
        self._audit: Audit | None = None
        self._failing = False
        self._task: asyncio.Task[None] | None = None
        self.read_ns = venue.now_ns
        """When the account was last read."""

    async def __aenter__(self) -> Self:
        """Begin to ask."""
        self._task = asyncio.create_task(self._ask(), name="auditor")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop asking."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def request(self) -> None:
        """Ask for an audit as soon as the spacing allows."""
        self._wanted = True

    def take(self) -> Audit | None:
        """Return the newest audit once; a failure of the task is raised here."""
        if self._task is not None and self._task.done():
            self._task.result()
        audit, self._audit = self._audit, None
        return audit

    def watch(self, events: Events, unmatched: bool) -> None:
        """Request an audit where events say that something may be wrong."""
        odd = unmatched or any(
            update.status == UNKNOWN or refusal(update.status) for update in events.updates
        )
        if odd:
            self.request()

    async def _ask(self) -> None:
        while True:
            try:
                await self._examine()
            except VenueError as error:
                if not self._failing:
                    self._note(f"the account cannot be read: {error}")
                self._failing = True
            await asyncio.sleep(SPACING_S)

    async def _examine(self) -> None:
        """Ask about orders of unknown fate, and for everything where that is due."""
        venue = self._venue
        unresolved = self._tracker.unresolved(venue.now_ns)
        if unresolved:
            await venue.inquire(unresolved)
        period_ns = self._period_ns // 2 if venue.gap else self._period_ns
        if not self._wanted and venue.now_ns < self.read_ns + period_ns:
            return
        self._wanted = False
        try:
            audit = await venue.audit(self._since_ns)
        except VenueError:
            self._wanted = True
            raise
        if self._failing:
            self._note("the account can be read again")
        self._failing = False
        self._audit = audit
        self._since_ns = max(self._since_ns, audit.time_ns - OVERLAP_NS)
        self.read_ns = audit.time_ns


def take_in(audit: Audit, tracker: OrderTracker, books: Books, now_ns: int) -> Found:
    """Fold an audit into our books; missed fills are counted and returned as events."""
    news = tracker.receive(Events(fills=audit.fills)).fills
    books.add(news, now_ns)
    orphans = tracker.settle(audit)
    return Found(news, orphans, books.settle(audit))
