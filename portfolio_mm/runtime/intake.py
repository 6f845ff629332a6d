"""What the venue tells us, on its way into the next cycle.

Every word passes here once: it moves the orders, the positions and the back-off, wakes the auditor where
it is odd, and waits as an event for the cycle. What an audit brings joins it.
"""

from __future__ import annotations

from collections.abc import Callable

from portfolio_mm.runtime.budgets import BackOff
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.life import LIVE
from portfolio_mm.runtime.reconciliation import Auditor, adjustment, take_in
from portfolio_mm.runtime.records import Orphan
from portfolio_mm.runtime.recovery import Start
from portfolio_mm.types import AccountState, Events, Fill, MarketSnapshot


class Intake:
    """Orders, positions and events as the venue's words change them."""

    def __init__(self, start: Start, journal: Journal, note: Callable[[str], None]) -> None:
        self.tracker = start.tracker
        self.books = start.books
        self.back_off = BackOff(len(start.opening.universe))
        self.pending = Events(fills=start.missed)
        """Events of the next cycle."""
        self.auditor: Auditor | None = None
        """Who asks the venue beside the loop; None where the venue lives in this process."""
        self.audited_ns: int | None = None if start.authority is None else 0
        """When the audit was asked for that was taken in last; None where there are none."""
        self._journal = journal
        self._note = note

    def receive(self, events: Events, now_ns: int) -> Events:
        """Take in what the venue said; return what of it is new."""
        unmatched = self.tracker.unmatched
        self.back_off.note(events, self.tracker, now_ns)
        events = self.tracker.receive(events)
        self.books.add(events.fills, now_ns)
        self.pending = joined(self.pending, events)
        if self.auditor is not None:
            self.auditor.watch(events, self.tracker.unmatched > unmatched)
        return events

    def take(self, snapshot: MarketSnapshot) -> Events:
        """Return the events of the cycle that sees `snapshot`, once."""
        events, self.pending = self.pending, Events()
        return joined(events, Events(fills=self._audited(snapshot)))

    def compare(self, account: AccountState) -> None:
        """Ask for an audit when the reported positions jump away from ours."""
        if self.books.jumped(account):
            self.request()

    def request(self) -> None:
        """Ask for an audit, where there are any."""
        if self.auditor is not None:
            self.auditor.request()

    def read_ns(self, now_ns: int) -> int:
        """Return when the account was last read from the venue."""
        return now_ns if self.auditor is None else self.auditor.read_ns

    def _audited(self, snapshot: MarketSnapshot) -> tuple[Fill, ...]:
        """Fold in the newest audit; return the fills that follow from it."""
        auditor, now = self.auditor, snapshot.time_ns
        audit = None if auditor is None else auditor.take()
        if auditor is None or audit is None:
            return ()
        self.audited_ns = audit.time_ns
        found = take_in(audit, self.tracker, self.books, now)
        for order in found.orphans:
            self._journal.write(now, "orphan", Orphan.of(order, now))
            self._note(f"cancelling an order that is not this run's: {order}")
        for divergence in found.divergences:
            self._journal.write(now, "divergence", divergence)
            self._note(f"position corrected to the venue's: {divergence}")
        if self.books.suspicious:
            auditor.request()
        corrections = [fill for one in found.divergences for fill in adjustment(one, snapshot)]
        return (*found.missed, *corrections)


def joined(before: Events, after: Events) -> Events:
    """Return the events of two waits as one."""
    return Events(
        fills=before.fills + after.fills,
        updates=before.updates + after.updates,
        funding=before.funding + after.funding,
        closed=before.closed or after.closed,
    )


def urgent(events: Events) -> bool:
    """Tell whether events should start a cycle: that an order came to rest changes nothing."""
    return bool(events.fills) or any(update.status not in LIVE for update in events.updates)
