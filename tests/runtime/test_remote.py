"""The engine on a remote venue that loses messages, forgets orders and falls silent."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from portfolio_mm import config
from portfolio_mm.runtime import deadman, journal, loop, recovery
from portfolio_mm.runtime.drill import drill
from portfolio_mm.runtime.journal import Journal, JournalError, JournalLost
from portfolio_mm.runtime.kill import Stop
from portfolio_mm.runtime.reconciliation import Books
from portfolio_mm.runtime.records import Closing, Divergence, Kill, Opening, Orphan, Saved
from portfolio_mm.runtime.verify import verify
from portfolio_mm.types import NS, Audit, Events, Fill, NewOrder, Orders
from portfolio_mm.venues.base import VenueError
from sim import synthetic

START = synthetic.start


def settings(venue, **kill):
    limits = {"position_usd": 1e6, "daily_loss_usd": 1e5, "cancel_s": 5.0, "flatten_s": 10.0}
    return synthetic.config(venue.universe, kill=config.Kill(**limits | kill))


def after(seconds, flatten=False):
    return lambda now: Stop("told to", flatten) if now >= START + seconds * NS else None


async def quote(venue, folder, seconds=20.0, flatten=False, meanwhile=None, **kill):
    """Recover and quote for some seconds; `meanwhile` plays the world."""
    chosen = settings(venue, **kill)
    before = recovery.past(folder, venue.universe)
    with Journal(folder, durable=False, append=True) as log:
        start = await recovery.recover(chosen, venue, before)
        until = (venue.now_ns - START) / NS + seconds
        world = asyncio.create_task(meanwhile(venue) if meanwhile else asyncio.sleep(0))
        try:
            return await loop.run(chosen, venue, log, start=start, stop=after(until, flatten))
        finally:
            world.cancel()


def rows(folder, kind, record):
    return [row.decode(record) for row in journal.read(folder, kind)]


def fills_of(folder):
    return [fill for row in journal.read(folder, "events") for fill in row.decode(Events).fills]


def held(folder):
    """Position as the journal tells it."""
    position = np.zeros(2)
    for row in journal.read(folder, "opening", "events"):
        if row.kind == "opening":
            position = row.decode(Opening).position.copy()
        else:
            for fill in row.decode(Events).fills:
                position[fill.asset] += fill.side * fill.size
    return position


async def some_fill(venue, seconds=5.0, told=True):
    await asyncio.sleep(seconds)
    order = next(iter(venue.open.values()))
    venue.fill(order, order.lots, told)


def test_it_quotes_and_ends_with_nothing_resting(remote, virtually, tmp_path):
    venue = remote()
    outcome = virtually(quote(venue, tmp_path, meanwhile=some_fill))
    assert outcome.stopped == "told to"
    assert outcome.resting == ()
    assert venue.open == {}
    assert venue.closed
    assert len(fills_of(tmp_path)) == 1
    np.testing.assert_allclose(held(tmp_path), venue.position)
    assert verify(tmp_path).different == ()
    [closing] = rows(tmp_path, "closing", Closing)
    assert closing.confirmed
    assert closing.resting == ()


def test_a_fill_nobody_told_us_of_is_found_by_the_audit(remote, virtually, tmp_path):
    venue = remote()
    virtually(quote(venue, tmp_path, meanwhile=lambda v: some_fill(v, told=False)))
    assert [fill.fill_id for fill in fills_of(tmp_path)] == [1]
    np.testing.assert_allclose(held(tmp_path), venue.position)
    assert rows(tmp_path, "divergence", Divergence) == []


def test_a_position_that_no_fill_explains_is_taken_over_and_journalled(remote, virtually, tmp_path):
    async def somebody_else(venue):
        await asyncio.sleep(5.0)
        venue.position[1] += 0.7

    venue = remote()
    virtually(quote(venue, tmp_path, seconds=30.0, meanwhile=somebody_else))
    [found] = rows(tmp_path, "divergence", Divergence)
    assert (found.asset, round(found.venue - found.ours, 9)) == (1, 0.7)
    np.testing.assert_allclose(held(tmp_path), venue.position)
    assert verify(tmp_path).different == ()


def test_orders_without_an_answer_are_asked_about_and_not_placed_twice(remote, virtually, tmp_path):
    async def hush(venue):
        await asyncio.sleep(3.0)
        venue.price = venue.price * 1.01
        venue.mute = True
        await asyncio.sleep(4.0)
        venue.mute = False

    venue = remote()
    virtually(quote(venue, tmp_path, meanwhile=hush))
    sent = [new.cloid for orders in venue.sent for new in orders.places]
    sent += [new.cloid for orders in venue.sent for _, new in orders.modifies]
    assert len(sent) == len(set(sent))
    assert venue.inquired
    assert venue.open == {}


def test_the_ladder_closes_positions(remote, virtually, tmp_path):
    venue = remote(position=[3.0, -0.5])
    outcome = virtually(quote(venue, tmp_path, seconds=5.0, flatten=True))
    assert outcome.resting == ()
    np.testing.assert_allclose(venue.position, 0.0, atol=1e-9)
    np.testing.assert_allclose(held(tmp_path), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda v: setattr(v, "equity", 4e4), "daily limit"),
        (lambda v: setattr(v, "book_ns", START), "no new book"),
        (lambda v: setattr(v, "unreadable", True), "could not be read"),
    ],
)
def test_what_sets_the_ladder_off(remote, virtually, tmp_path, harm, words):
    async def meanwhile(venue):
        await asyncio.sleep(3.0)
        harm(venue)

    venue = remote()
    venue_quote = quote(venue, tmp_path, seconds=300.0, meanwhile=meanwhile, daily_loss_usd=5e3)
    outcome = virtually(venue_quote)
    assert words in outcome.stopped or "loss limit" in outcome.stopped
    assert venue.open == {}


def test_what_cannot_be_cancelled_is_named(remote, virtually, tmp_path):
    async def stubborn(venue):
        await asyncio.sleep(3.0)
        venue.refuse_cancels = True

    venue = remote()
    outcome = virtually(quote(venue, tmp_path, seconds=8.0, meanwhile=stubborn))
    assert set(outcome.resting) == set(venue.open) != set()
    [closing] = rows(tmp_path, "closing", Closing)
    assert set(closing.resting) == set(venue.open)
    assert not closing.confirmed


# Failures


def test_a_lost_journal_cancels_everything(remote, virtually, tmp_path, monkeypatch):
    commit, count = Journal.commit, iter(range(100))

    def full(self):
        if next(count) >= 1:
            raise JournalLost("the journal cannot be written (disk full)")
        commit(self)

    async def move(venue):
        await asyncio.sleep(3.0)
        venue.price = venue.price * 1.01

    monkeypatch.setattr(Journal, "commit", full)
    venue = remote()
    with pytest.raises(JournalLost):
        virtually(quote(venue, tmp_path, meanwhile=move))
    assert venue.open == {}
    assert venue.closed


def test_an_interruption_cancels_everything(remote, virtually, tmp_path):
    async def interrupted(venue):
        task = asyncio.create_task(quote(venue, tmp_path))
        await asyncio.sleep(5.0)
        assert venue.open
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    venue = remote()
    virtually(interrupted(venue))
    assert venue.open == {}
    [closing] = rows(tmp_path, "closing", Closing)
    assert closing.stopped == "interrupted"


def test_a_stage_that_fails_cancels_everything(remote, virtually, tmp_path, monkeypatch):
    cycles, run = iter(range(100)), loop.quote_cycle

    def fail(*inputs):
        if next(cycles) == 5:
            raise FloatingPointError("a stage raised")
        return run(*inputs)

    monkeypatch.setattr(loop, "quote_cycle", fail)
    venue = remote()
    with pytest.raises(FloatingPointError):
        virtually(quote(venue, tmp_path))
    assert venue.open == {}


# Starts


class Killed(BaseException):
    """The process died."""


@pytest.fixture
def crash(virtually, monkeypatch):
    """Quote for a while and die without a word: nothing is cancelled, nothing written."""

    def run(venue, folder, seconds, meanwhile=None):
        async def dies():
            engine = asyncio.create_task(quote(venue, folder, seconds=1e3, meanwhile=meanwhile))
            await asyncio.sleep(seconds)
            venue.send = venue.inquire = venue.audit = venue.arm = None
            dead.setattr(Journal, "write", lambda *_: None)
            assert not engine.done()
            raise Killed

        with monkeypatch.context() as dead, pytest.raises(Killed):
            virtually(dies())
        kinds = [row.kind for row in journal.read(folder)]
        assert "closing" not in kinds

    return run


def successor(remote, venue):
    """A new connection to the same account."""
    again = remote(position=venue.position)
    again.open, again.fills = venue.open, venue.fills
    return again


def test_another_start_adopts_orders_and_finds_missed_fills(remote, virtually, crash, tmp_path):
    venue = remote()
    crash(venue, tmp_path, 6.0, meanwhile=some_fill)
    assert venue.open
    again = successor(remote, venue)
    known = set(again.open)

    async def later():
        await asyncio.sleep(60.0)
        lost = next(iter(again.open.values()))
        again.fill(lost, lost.lots, told=False)
        return await quote(again, tmp_path, seconds=5.0)

    assert virtually(later()).resting == ()
    assert rows(tmp_path, "orphan", Orphan) == []
    cancelled = {name for orders in again.sent for name in orders.cancels}
    assert cancelled <= known | {new.cloid for orders in again.sent for new in orders.places}
    assert sorted(fill.fill_id for fill in fills_of(tmp_path)) == [1, 2]
    np.testing.assert_allclose(held(tmp_path), again.position)
    assert verify(tmp_path).different == ()
    first, second = rows(tmp_path, "opening", Opening)
    assert first.belief is None
    assert second.belief is not None, "it is a minute old"
    assert second.governor.peak == 1e5
    assert rows(tmp_path, "state", Saved)


def test_a_start_in_the_middle_of_the_ladder_goes_on_with_it(remote, virtually, crash, tmp_path):
    """Positions that a limit wanted closed are closed, though what set it off is gone by now."""
    venue = remote(position=[3.0, -0.5])
    venue.fills_exits = False

    async def loses(venue):
        await asyncio.sleep(3.0)
        venue.equity = 4e4

    crash(venue, tmp_path, 6.0, meanwhile=loses)
    [begun] = rows(tmp_path, "kill", Kill)
    assert begun.flatten
    again = successor(remote, venue)
    outcome = virtually(quote(again, tmp_path, seconds=1e3))
    assert outcome.stopped == begun.reason
    assert outcome.resting == ()
    np.testing.assert_allclose(again.position, 0.0, atol=1e-9)
    assert not [new for orders in again.sent for new in orders.places]


def test_orders_that_the_journal_does_not_know_are_cancelled(remote, virtually, tmp_path):
    venue = remote()
    stranger = NewOrder(cloid="0xabc", asset=1, side=1, level=0, units=50_000_000, lots=7)
    venue.open["0xabc"] = stranger
    virtually(quote(venue, tmp_path, seconds=5.0))
    assert "0xabc" in venue.sent[0].cancels
    [orphan] = rows(tmp_path, "orphan", Orphan)
    assert orphan.name == "0xabc"


def test_a_position_that_was_there_is_not_a_gain(remote, virtually, tmp_path):
    venue = remote(position=[2.0, 0.0])
    virtually(quote(venue, tmp_path, seconds=5.0))
    [opening] = rows(tmp_path, "opening", Opening)
    np.testing.assert_allclose(opening.position, [2.0, 0.0])


def test_a_folder_of_other_assets_is_refused(remote, virtually, tmp_path):
    virtually(quote(remote(), tmp_path, seconds=3.0))
    with pytest.raises(JournalError, match="other assets"):
        recovery.past(tmp_path, synthetic.universe(3))


def test_a_venue_that_cannot_be_read_is_not_quoted_on(remote, virtually, tmp_path):
    venue = remote()
    venue.unreadable = True
    with pytest.raises(VenueError):
        virtually(quote(venue, tmp_path))
    assert venue.sent == []


# Books


def fill(number, size, seconds):
    return Fill(
        time_ns=START + round(seconds * NS),
        asset=0,
        side=1 if size > 0 else -1,
        price=20.0,
        size=abs(size),
        fee=0.0,
        maker=True,
        cloid="",
        fill_id=number,
    )


def audit(position, seconds):
    return Audit(
        time_ns=START + round(seconds * NS), position=np.array([position, 0.0]), orders=(), fills=()
    )


@pytest.mark.parametrize("reported", [1.0, 1.5, 1.2])
def test_a_fill_during_the_fetch_may_or_may_not_be_in_it(reported):
    books = Books(synthetic.universe(2), np.array([1.0, 0.0]))
    books.add((fill(1, 0.5, 10.1), fill(2, -0.3, 10.2)), START + 10 * NS)
    assert books.compare(audit(reported, 10.0)) == {}
    assert books.compare(audit(reported, 20.0)).keys() == (set() if reported == 1.2 else {0})


def test_a_difference_must_be_seen_twice():
    books = Books(synthetic.universe(2), np.zeros(2))
    assert books.settle(audit(0.4, 10.0)) == ()
    assert books.suspicious
    [found] = books.settle(audit(0.4, 12.0))
    assert (found.ours, found.venue) == (0.0, 0.4)
    assert books.settle(audit(0.4, 14.0)) == ()
    assert books.settle(audit(0.5, 16.0)) == ()
    assert books.settle(audit(0.6, 18.0)) == (), "another one"


def test_a_jump_is_reported_once():
    books = Books(synthetic.universe(2), np.zeros(2))
    account = synthetic.account(START, np.array([0.5, 0.0]), synthetic.prices(2))
    assert books.jumped(account)
    assert not books.jumped(account)
    again = msgspec.structs.replace(account, position=np.array([0.7, 0.0]))
    assert books.jumped(again)


# The dead man's switch


def test_the_switch_is_moved_ahead_and_disarmed(remote, virtually, tmp_path):
    venue = remote()
    virtually(quote(venue, tmp_path, seconds=60.0, deadman_s=30.0))
    *moved, last = venue.arms
    assert last is None
    ahead = np.diff(moved) / NS
    assert np.all((ahead > 9.0) & (ahead < 11.0))


def test_a_venue_without_a_switch_is_asked_once(remote, virtually, tmp_path):
    venue = remote()
    venue.arm_answers = False
    virtually(quote(venue, tmp_path, seconds=60.0))
    assert len(venue.arms) == 1


@pytest.mark.parametrize(
    ("heard", "cancels"),
    [
        ([b".", b"..", b"q"], False),
        ([b".", b".q"], False),
        ([b".", b""], True),
        ([b".", None], True),
    ],
)
def test_the_guard_cancels_unless_somebody_says_goodbye(virtually, heard, cancels):
    signs, cancelled = iter(heard), []

    async def beats():
        sign = next(signs)
        await asyncio.sleep(1.0 if sign is not None else 1e3)
        return sign

    async def cancel():
        cancelled.append(True)

    assert virtually(deadman.guard(beats, 30.0, cancel)) is cancels
    assert bool(cancelled) is cancels


def test_sweep_cancels_whatever_the_venue_lists(remote, virtually):
    venue = remote()
    for i in range(3):
        name = f"o{i}"
        venue.open[name] = NewOrder(cloid=name, asset=0, side=0, level=0, units=1000, lots=1)
    assert virtually(deadman.sweep(venue, 20.0)) == (("o0", "o1", "o2"), ())
    venue = remote()
    venue.refuse_cancels = True
    venue.open["o"] = NewOrder(cloid="o", asset=0, side=0, level=0, units=1000, lots=1)
    assert virtually(deadman.sweep(venue, 5.0)) == ((), ("o",))


def test_the_drill_places_one_order_per_deployer_and_clears_them(remote, virtually):
    venue = remote()
    assert virtually(drill(venue, config.Kill(cancel_s=5.0), "run")) == ()
    [order] = [new for orders in venue.sent for new in orders.places]
    assert order.lots * order.units * 1e-6 >= 10.0
    assert venue.open == {}
    venue = remote()
    venue.refuse_cancels = True
    [complaint] = virtually(drill(venue, config.Kill(cancel_s=5.0), "run"))
    assert "not confirmed" in complaint


def test_intents_of_an_earlier_start_are_known(tmp_path):
    universe = synthetic.universe(2)
    order = NewOrder(cloid="a", asset=0, side=0, level=0, units=20_000_000, lots=5)
    chosen = synthetic.config(universe)
    with Journal(tmp_path, durable=False) as log:
        log.write(START, "opening", Opening(config=chosen, universe=universe))
        log.write(START, "intent", Orders(time_ns=START, places=(order,)))
        log.write(START, "events", Events(fills=(fill(1, 2.0, 1.0),)))
    before = recovery.past(tmp_path, universe)
    assert before.begun_ns == START
    assert before.tracker.resting() == ("a",)
    np.testing.assert_allclose(before.position, [2.0, 0.0])
    assert recovery.past(tmp_path / "none", universe).begun_ns == 0
