"""The loop: wait for the venue, run a quote cycle, journal it, send what the gate admits.

Events drive it. A fill, an unwelcome word on an order or a price that moved starts a cycle at once,
no sooner than `min_cycle_s` after the last; the timer only bounds the wait. Between two cycles the loop
takes in what the auditor was told. Once there is a reason to stop, the kill ladder decides what is sent,
and however a run ends, the last row of the journal says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from portfolio_mm.config import Config
from portfolio_mm.cycle import Cycle, Stages, State, build, quote_cycle, resume
from portfolio_mm.executor.stage import moves
from portfolio_mm.runtime.budgets import Gate, admit
from portfolio_mm.runtime.deadman import Switch
from portfolio_mm.runtime.ending import abandon, closing
from portfolio_mm.runtime.intake import Intake, urgent
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.kill import STEP_NS, Ladder, Stop, Stopper, Watch, never
from portfolio_mm.runtime.quality import judge
from portfolio_mm.runtime.reconciliation import Auditor
from portfolio_mm.runtime.records import Alert, Kill, Opening, Orphan, Saved
from portfolio_mm.runtime.recovery import Start, begin
from portfolio_mm.types import NS, AccountState, Floats, MarketSnapshot
from portfolio_mm.venues.base import Venue

SAVE_NS = 60 * NS
"""How often the state of the stages is journalled where a run can be resumed."""

SAVED_FILLS = 2_500
"""Numbers of fills that are journalled with it."""


class Outcome(NamedTuple):
    """How a run ended."""

    cycles: int
    stopped: str
    resting: tuple[str, ...] = ()  # orders that nobody confirmed to be gone


Observer = Callable[[MarketSnapshot, AccountState, Cycle], None]


async def run(
    config: Config,
    venue: Venue,
    journal: Journal,
    observer: Observer | None = None,
    *,
    start: Start | None = None,
    stop: Stopper = never,
    beat: Callable[[], None] = lambda: None,
    note: Callable[[str], None] = lambda words: None,
) -> Outcome:
    """Quote on `venue` until it closes or there is a reason to stop.

    Every arrow is journalled. Intents are committed before they are sent. Linear algebra runs on
    one thread, so that a replay on the same machine gives the same bytes. However the run ends, what
    may rest is cancelled first, the last row says why and what is left, and the venue is closed.

    Parameters
    ----------
    observer
        Sees every cycle.
    start
        What `recovery.recover` found; by default the run begins with its venue.
    stop
        Asked in every cycle whether somebody wants the run to end.
    beat
        Called in every cycle: a sign of life for a dead-man process.
    note
        Takes words for an operator.

    Raises
    ------
    JournalError
        When the journal cannot be written; orders are cancelled all the same.
    """
    engine = _Engine(
        config, venue, journal, start or begin(config, venue.universe, venue.now_ns), note
    )
    with threadpool_limits(limits=1, user_api="blas"):
        return await engine.run(observer, stop, beat)


def opened(opening: Opening) -> tuple[Stages, State]:
    """Return the stages and the state that an opening starts with."""
    stages, state = build(opening.config, opening.universe)
    if opening.position is None:
        return stages, state
    return stages, resume(state, opening.position, opening.belief, opening.governor)


class _Engine:
    """What a run keeps between its cycles."""

    def __init__(
        self,
        config: Config,
        venue: Venue,
        journal: Journal,
        start: Start,
        note: Callable[[str], None],
    ) -> None:
        universe = venue.universe
        self._config = config
        self._venue = venue
        self._journal = journal
        self._start = start
        self._note = note
        self._stages, self._state = opened(start.opening)
        self._intake = Intake(start, journal, note)
        self._gate = Gate(config.name, universe, config.account.resting_margin == "netted")
        self._watch = Watch(
            config.kill, config.governor.max_drawdown, universe, venue.now_ns, start.day
        )
        self._moves: Floats = np.full(len(universe), np.inf)
        self._ladder: Ladder | None = None
        self._switch: Switch | None = None
        self._saved_ns = 0
        self._cycle_ns = venue.now_ns - round(config.run.cycle_s * NS)
        self._cycles = 0
        self._closed = False

    async def run(
        self, observer: Observer | None, stop: Stopper, beat: Callable[[], None]
    ) -> Outcome:
        """Run cycles until the end."""
        stopped = "the market closed"
        self._open()
        try:
            async with AsyncExitStack() as helpers:
                await self._call_helpers(helpers)
                while not self._closed:
                    # A simulated venue never waits, and could not be interrupted.
                    await asyncio.sleep(0)
                    await self._wait()
                    snapshot, account, cycle = self._cycle()
                    beat()
                    if observer is not None:
                        observer(snapshot, account, cycle)
                    await self._act(snapshot, account, cycle, stop)
                self._save()
        except (asyncio.CancelledError, KeyboardInterrupt):
            stopped = "interrupted"
            await self._abandon(stopped)
            raise
        except BaseException as error:
            stopped = f"failed: {type(error).__name__}: {error}"
            await self._abandon(stopped)
            raise
        finally:
            if self._ladder is not None:
                stopped = self._ladder.stop.reason
            resting = await self._close(stopped)
        return Outcome(self._cycles, stopped, resting)

    def _open(self) -> None:
        """Write what the run begins with; a start in the middle of the kill ladder goes on with it."""
        now = self._venue.now_ns
        self._journal.write(now, "opening", self._start.opening)
        for row in self._start.rows:
            self._journal.write(now, "orphan" if isinstance(row, Orphan) else "divergence", row)
        if self._start.unfinished is not None:
            self._ladder = self._set_off(Stop(self._start.unfinished.reason, flatten=True))

    async def _call_helpers(self, helpers: AsyncExitStack) -> None:
        """Start what runs beside the loop where the venue is remote."""
        remote, config = self._start.authority, self._config
        if remote is None:
            return
        tracker, since_ns = self._intake.tracker, self._start.since_ns
        auditor = Auditor(remote, tracker, config.run.audit_s, since_ns, self._alert)
        self._intake.auditor = await helpers.enter_async_context(auditor)
        switch = Switch(remote, config.kill.deadman_s, lambda: self._cycle_ns, self._alert)
        self._switch = await helpers.enter_async_context(switch)

    # One cycle

    async def _wait(self) -> None:
        """Collect events until a cycle is due."""
        venue, run = self._venue, self._config.run
        due = venue.now_ns + (round(run.cycle_s * NS) if self._ladder is None else STEP_NS)
        soonest = self._cycle_ns + round(min(run.min_cycle_s, run.cycle_s) * NS)
        thresholds = self._moves
        waited = False
        while not waited or (venue.now_ns < due and not self._intake.pending.closed):
            waited = True
            events = await venue.wait(due, thresholds)
            news = self._intake.receive(events, venue.now_ns)
            if urgent(news) or not (events.fills or events.updates or events.funding):
                # Something happened or a price moved: the cycle starts as soon as it may.
                due, thresholds = min(due, soonest), np.full_like(thresholds, np.inf)

    def _cycle(self) -> tuple[MarketSnapshot, AccountState, Cycle]:
        """Run a cycle on what is known now, and journal it."""
        venue, journal = self._venue, self._journal
        snapshot = judge(venue.snapshot(), self._config.run.stale_s)
        events = self._intake.take(snapshot)
        orders = self._intake.tracker.open_orders(snapshot)
        account = msgspec.structs.replace(venue.account(), orders=orders)
        state, cycle = quote_cycle(self._stages, self._state, snapshot, account, events)
        now = self._cycle_ns = snapshot.time_ns
        journal.write(now, "snapshot", snapshot)
        journal.write(now, "account", account)
        journal.write(now, "events", events)
        for kind, arrow in cycle._asdict().items():
            journal.write(now, kind, arrow)
        self._state = state
        self._cycles += 1
        self._closed = events.closed
        self._moves = moves(cycle.quotes)
        return snapshot, account, cycle

    def _save(self) -> None:
        """Journal what another start resumes from, where there may be one."""
        if self._start.authority is None:
            return
        now = self._saved_ns = self._venue.now_ns
        tracker, books = self._intake.tracker, self._intake.books
        saved = Saved(
            time_ns=now,
            state=self._state,
            orders=tracker.saved(),
            fill_ids=tracker.fill_ids(SAVED_FILLS),
            position=books.position.copy(),
            day=self._watch.day,
        )
        self._journal.write(now, "state", saved)

    # What is sent

    async def _act(
        self, snapshot: MarketSnapshot, account: AccountState, cycle: Cycle, stop: Stopper
    ) -> None:
        """Send what the gate admits of the cycle's orders, or what the kill ladder wants."""
        now, intake = snapshot.time_ns, self._intake
        intake.compare(account)
        drawdown = cycle.budget.drawdown
        reason = self._watch.check(snapshot, account, drawdown, intake.read_ns(now)) or stop(now)
        if now - self._saved_ns >= SAVE_NS:
            self._save()
        if self._closed:
            return
        if reason is not None and self._ladder is None:
            self._ladder = self._set_off(reason)
        if self._ladder is None:
            waiting = intake.back_off.waiting(now)
            orders = admit(self._gate, cycle.orders, cycle.quotes, account, intake.tracker, waiting)
        else:
            orders = self._ladder.step(intake.tracker, snapshot, account)
            self._closed = self._ladder.done(now, intake.tracker, intake.audited_ns)
            if self._ladder.clear:
                intake.request()
        if len(orders) and not self._closed:
            self._journal.write(now, "intent", orders)
            self._journal.commit()
            intake.tracker.sent(orders)
            await self._venue.send(orders)

    def _set_off(self, stop: Stop) -> Ladder:
        """Begin to end the run."""
        now = self._venue.now_ns
        row = Kill(time_ns=now, reason=stop.reason, flatten=stop.flatten)
        self._journal.write(now, "kill", row)
        self._note(f"stopping: {stop.reason}")
        return Ladder(self._config.kill, self._venue.universe, self._config.name, stop, now)

    # How it ends

    async def _abandon(self, reason: str) -> None:
        """Cancel everything without the cycle, which is what failed or was interrupted."""
        if not self._closed:
            self._ladder = self._set_off(Stop(reason, flatten=False))
            authority = self._start.authority
            await abandon(
                self._venue, authority, self._intake, self._ladder, self._journal, self._note
            )

    async def _close(self, stopped: str) -> tuple[str, ...]:
        """Write the last row, say what is left, and let the venue go."""
        venue, now = self._venue, self._venue.now_ns
        ladder, read_ns = self._ladder, self._intake.audited_ns
        confirmed = read_ns is None or (ladder is not None and ladder.confirmed(read_ns))
        row, words = closing(self._intake, venue.universe, self._cycles, stopped, confirmed)
        self._journal.write(now, "closing", row)
        if self._start.authority is not None:
            for line in words:
                self._note(line)
            if self._switch is not None and not row.resting:
                await self._switch.disarm()
        await venue.close()
        return row.resting

    def _alert(self, words: str) -> None:
        """Journal something that an operator should know, and say it."""
        now = self._venue.now_ns
        self._journal.write(now, "alert", Alert(time_ns=now, words=words))
        self._note(words)
