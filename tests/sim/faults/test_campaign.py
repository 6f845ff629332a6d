from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from portfolio_mm.runtime import journal
from portfolio_mm.runtime.kill import Ladder
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.types import Orders
from portfolio_mm.venues.hyperliquid import words
from portfolio_mm.venues.hyperliquid.dispatch import Dispatch
from portfolio_mm.venues.hyperliquid.venue import HyperliquidVenue
from sim.faults.campaign import (
    CRASH,
    campaign,
    crash_plan,
    crash_points,
    plans,
    replay_command,
    run_plan,
    tally,
)
from sim.faults.course import Course, play
from sim.faults.plan import Kind, Plan, draw

SEEDS, BLOCK = 500, 10
CRASH_BLOCKS = 20


def told(course: Course) -> str:
    return f"{course}\n  replay: {replay_command(course)}"


def check(todo: list[Plan]) -> None:
    failed = [course for course in map(run_plan, todo) if course.complaints]
    assert not failed, "\n".join(map(told, failed))


@pytest.mark.parametrize("seed", range(0, SEEDS, BLOCK))
def test_every_invariant_holds_under_faults(seed: int) -> None:
    check(plans(seed, BLOCK))


@pytest.mark.parametrize("block", range(CRASH_BLOCKS))
def test_killed_at_any_await_point_it_recovers(block: int) -> None:
    check([crash_plan(p) for p in range(1 + block, crash_points() + 1, CRASH_BLOCKS)])


def test_the_session_of_the_crashes_does_all_that_can_be_interrupted(tmp_path: Path) -> None:
    course = play(CRASH, tmp_path)
    assert not course.complaints, told(course)
    sent = [row.decode(Orders) for row in journal.read(tmp_path, "intent")]
    assert course.fills
    assert all(
        any(part(orders) for orders in sent)
        for part in (
            lambda orders: orders.places,
            lambda orders: orders.cancels,
            lambda orders: orders.exits,
        )
    )
    assert course.struck[Kind.LOST_ANSWER]
    assert crash_points() > 200


def test_a_seed_gives_one_journal_byte_for_byte() -> None:
    digests = set()
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            play(draw(2), Path(folder))
            digests.add(journal.digest(Path(folder)))
    assert len(digests) == 1


def test_a_failure_names_the_command_that_replays_it() -> None:
    course = run_plan(Plan(seed=1, seconds=5.0))
    broken = course._replace(complaints=("something",))
    assert replay_command(broken) == "python -m sim.faults.campaign --seed 1 --seconds 5"
    assert replay_command(broken._replace(plan=draw(7))).endswith(" --seed 7")
    assert replay_command(broken._replace(plan=crash_plan(3))).endswith(" --crash 3")
    assert tally([course, broken]).failed == (broken,)


def test_workers_bring_home_what_one_process_finds() -> None:
    todo = [Plan(seed=seed, seconds=2.0) for seed in range(4)]
    alone = {c.plan.seed: (c.resumptions, c.complaints) for c in campaign(todo, 1)}
    spread = {c.plan.seed: (c.resumptions, c.complaints) for c in campaign(todo, 2)}
    assert spread == alone


# Seeded bugs: a campaign that cannot fail proves nothing.


def taken_for_refused(self, batch, replaced, why):  # type: ignore[no-untyped-def]
    for name in batch.cloids:
        self._say(name, "canceled" if batch.kind == "cancel" else "rejected", why)


def counted_again(self, fill):  # type: ignore[no-untyped-def]
    self._fill_ids.pop(fill.fill_id, None)
    return REMEMBERING(self, fill)


def never_an_orphan(self, audit):  # type: ignore[no-untyped-def]
    ours = tuple(order for order in audit.orders if self._find(order.cloid) is not None)
    SETTLING(self, msgspec.structs.replace(audit, orders=ours))
    return ()


async def without_fills(self, since_ns):  # type: ignore[no-untyped-def]
    return msgspec.structs.replace(await AUDITING(self, since_ns), fills=())


def without_cancels(self, tracker, snapshot, account):  # type: ignore[no-untyped-def]
    self._until_ns = 0
    return Orders(time_ns=snapshot.time_ns)


REMEMBERING = OrderTracker._fill
SETTLING = OrderTracker.settle
AUDITING = HyperliquidVenue.audit

BUGS = {
    "a lost answer is taken for a refusal": (Dispatch, "_lost", taken_for_refused, 0),
    "fills are not recognised": (OrderTracker, "_fill", counted_again, 0),
    "orphans are left alone": (OrderTracker, "settle", never_an_orphan, 0),
    "fills of a gap are not read": (HyperliquidVenue, "audit", without_fills, 0),
    "the kill ladder cancels nothing": (Ladder, "step", without_cancels, 0),
    "an order thought dead is never looked at again": (words, "NEVER", "nothing", 75),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_the_campaign_catches(name: str) -> None:
    where, attribute, bug, seed = BUGS[name]
    with patch.object(where, attribute, bug):
        assert any(run_plan(plan).complaints for plan in plans(seed, 60))


@pytest.mark.slow
def test_every_invariant_holds_over_real_sockets() -> None:
    courses = list(campaign(plans(0, 6, 12.0), min(6, 3 * (os.cpu_count() or 1)), sockets=True))
    assert not any(course.complaints for course in courses), "\n".join(map(told, courses))
