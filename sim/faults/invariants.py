"""What must hold after every run, whatever went wrong in it. The venue's own books are the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.runtime import journal, recovery
from portfolio_mm.runtime.records import Kill
from portfolio_mm.runtime.verify import verify
from portfolio_mm.types import NS, Events
from sim.faults import scene
from sim.faults.session import Session

SLACK_S = 1.0
"""What a message may take at the end of a bound."""

REPLAYED = 8
"""A replay takes as long as the cycles of the run: one run in so many is replayed."""


def complaints(session: Session) -> tuple[str, ...]:
    """Return every invariant that is broken, in words."""
    checks = (
        _venue_adds_up,
        _nothing_rests,
        _no_double_placing,
        _margin_held,
        _budgets_held,
        _journal_agrees,
        _kills_in_time,
        _replays,
    )
    return tuple(words for check in checks for words in check(session))


def _venue_adds_up(session: Session) -> Iterator[str]:
    """Position at the venue = sum of its fills."""
    account = session.account
    total = [0] * len(account.lots)
    for fill in account.fills:
        total[fill.asset] += fill.lots if fill.side == 0 else -fill.lots
    if total != account.lots:
        yield f"the venue's position {account.lots} is not the sum of its fills {total}"


def _nothing_rests(session: Session) -> Iterator[str]:
    """Every run ends with a kill, and no kill ends with open orders."""
    if session.account.open:
        cloids = ", ".join(record.cloid for record in session.account.open.values())
        yield f"{len(session.account.open)} orders rest in the end: {cloids}"


def _no_double_placing(session: Session) -> Iterator[str]:
    """No client order id is accepted twice."""
    accepted = Counter(r.cloid for r in session.account.history if r.cloid and r.accepted)
    twice = [cloid for cloid, count in accepted.items() if count > 1]
    if twice:
        yield f"placed twice: {', '.join(twice)}"


def _margin_held(session: Session) -> Iterator[str]:
    """Margin used never exceeded equity before the run was ended on purpose."""
    if np.any(session.peak_use > 1.0):
        yield f"margin used was {session.peak_use.max():.3f} of equity"
    if session.gateway.state.exchange.liquidations:
        yield "the account was liquidated"


def _budgets_held(session: Session) -> Iterator[str]:
    """Budgets are kept: the only refusals for lack of one are injected ones."""
    refused = session.gateway.refused
    for words in ("429", "Too many cumulative requests sent", "Too many actions today"):
        if refused[words]:
            yield f"the venue refused {refused[words]} times: {words}"
    if session.ground.unconnected:
        yield f"the venue refused {session.ground.unconnected} connections"


def _journal_agrees(session: Session) -> Iterator[str]:
    """Journal and venue agree: every fill is journalled once, and positions are equal."""
    universe = session.universe
    if universe is None:
        return
    past = recovery.past(session.folder, universe)
    markets = session.gateway.state.markets.universe
    where = [markets.names.index(name) for name in universe.names]
    account = session.account
    held = ticks.from_lots(np.array([account.lots[i] for i in where]), universe.sz_decimals)
    gap = np.rint((past.position - held) * 10.0**universe.sz_decimals)
    if gap.any():
        yield f"positions differ by {gap.astype(int).tolist()} lots from the journal's"
    seen: Counter[int] = Counter()
    for row in journal.read(session.folder, "events"):
        seen.update(fill.fill_id for fill in row.decode(Events).fills)
    at_venue = Counter(fill.tid for fill in account.fills)
    begun = past.begun_ns
    missing = sum(1 for f in account.fills if not seen[f.tid] and f.time_ns > begun)
    if missing:
        yield f"{missing} of {len(at_venue)} fills are not in the journal"
    twice = [tid for tid, count in seen.items() if count > 1]
    if twice:
        yield f"fills journalled twice: {twice}"
    strange = [tid for tid in seen if tid not in at_venue]
    if strange:
        yield f"fills that never were: {strange}"
    divergences = journal.count(session.folder, "divergence")
    if divergences:
        yield f"{divergences} divergences of positions were journalled"


def _kills_in_time(session: Session) -> Iterator[str]:
    """Kills that nothing disturbs end with no open order within their bound."""
    calm_ns = session.end_ns
    bound_ns = round((scene.CANCEL_S + SLACK_S) * NS)
    for row in journal.read(session.folder, "kill"):
        kill_ns = row.decode(Kill).time_ns
        if kill_ns < calm_ns:
            continue
        late = [
            record.cloid
            for record in session.account.history
            if record.cloid
            and record.tif == "Alo"
            and record.accepted
            and (record.time_ns > kill_ns + bound_ns or record.status_ns > kill_ns + bound_ns)
            and record.time_ns < kill_ns + bound_ns
        ]
        if late:
            yield f"{len(late)} orders rested longer than {scene.CANCEL_S:g} s after a kill"


def _replays(session: Session) -> Iterator[str]:
    """Journals replay to the same quotes, byte for byte; it is checked on every eighth seed."""
    if session.plan.seed % REPLAYED:
        return
    different = verify(session.folder).different
    if different:
        yield f"{len(different)} cycles replay differently"
