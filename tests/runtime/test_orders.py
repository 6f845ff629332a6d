"""The life of our orders, from sending to the venue's last word."""

from __future__ import annotations

import math
from itertools import count

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.runtime.life import PATIENCE_NS, Life
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.types import (
    NS,
    UNKNOWN,
    UNSENT,
    Audit,
    Events,
    Fill,
    NewOrder,
    OpenOrder,
    Orders,
    OrderUpdate,
)
from sim import synthetic


def order(cloid, units=20_000_000, lots=500, asset=0, side=0, level=0):
    return NewOrder(cloid=cloid, asset=asset, side=side, level=level, units=units, lots=lots)


def said(cloid, status, time_ns=NS):
    return Events(updates=(OrderUpdate(time_ns=time_ns, cloid=cloid, status=status),))


NUMBERS = count(1)


def filled(cloid, size, asset=0):
    fill = Fill(
        time_ns=0,
        asset=asset,
        side=1,
        price=20.0,
        size=size,
        fee=0.0,
        maker=True,
        cloid=cloid,
        fill_id=next(NUMBERS),
    )
    return Events(fills=(fill,))


@pytest.fixture
def tracker(bench):
    return OrderTracker(bench.universe(2))


@pytest.fixture
def there(bench, tracker):
    def look(seconds=0.0, price=None):
        price = bench.prices(2) if price is None else price
        return tracker.open_orders(bench.snapshot(bench.start + round(seconds * NS), price))

    return look


@pytest.fixture
def placed(bench, tracker):
    tracker.sent(Orders(time_ns=bench.start, places=(order("a"), order("b", side=1, level=2))))
    return tracker


def test_an_order_is_seen_from_sending_on(placed, there, bench):
    orders = there()
    assert orders.cloid == ("a", "b")
    assert orders.side.tolist() == [0, 1]
    assert orders.level.tolist() == [0, 2]
    assert orders.units.tolist() == [20_000_000] * 2
    assert orders.lots.tolist() == [500, 500]
    assert orders.time_ns.tolist() == [bench.start] * 2
    assert orders.queue.tolist() == [math.inf, math.inf], "nothing is known before it rests"


def test_acknowledged_partly_filled_filled(placed, there):
    placed.receive(said("a", "open"))
    placed.receive(filled("a", 2.0))
    assert there().lots.tolist() == [300, 500]
    placed.receive(filled("a", 3.0))
    assert there().cloid == ("b",)
    placed.receive(said("a", "filled"))
    assert len(placed) == 1


@pytest.mark.parametrize("status", ["canceled", "rejected", "filled", "marginCanceled"])
def test_every_word_but_resting_is_the_end(placed, there, status):
    placed.receive(said("a", status))
    assert there().cloid == ("b",)


def test_a_cancel_hides_the_order_until_the_venue_confirms(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, cancels=("a",)))
    assert there().cloid == ("b",)
    assert len(placed) == 2, "it may still be filled"
    placed.receive(filled("a", 1.0))
    assert len(placed) == 2
    placed.receive(said("a", "canceled"))
    assert len(placed) == 1


def test_a_cancel_that_was_lost_is_sent_again(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, cancels=("a",)))
    patience = PATIENCE_NS / NS
    assert there(patience - 0.1).cloid == ("b",)
    assert there(patience).cloid == ("a", "b")


def test_modify(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c", units=19_900_000)),)))
    assert there().cloid == ("b", "c")
    placed.receive(said("a", "canceled"))
    placed.receive(said("c", "open"))
    assert there().cloid == ("b", "c")
    assert len(placed) == 2


def test_a_refused_modify_gives_the_old_order_back(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c")),)))
    placed.receive(said("c", "rejected"))
    assert there().cloid == ("a", "b")


def test_a_modify_whose_placing_failed_leaves_neither(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c")),)))
    placed.receive(said("a", "canceled"))
    placed.receive(said("c", "rejected"))
    assert there().cloid == ("b",)


def test_the_end_of_a_replacement_that_rested_is_not_a_refusal(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c")),)))
    placed.receive(said("c", "open"))
    placed.receive(said("c", "filled"))
    assert there().cloid == ("b",)


def test_cancel_all_names_everything_that_may_rest_once(placed, bench):
    first = placed.cancel_all(bench.start)
    assert first.cancels == ("a", "b")
    placed.sent(first)
    assert placed.cancel_all(bench.start + NS).cancels == ()
    assert placed.cancel_all(bench.start + PATIENCE_NS).cancels == ("a", "b")


def test_strangers_are_ignored(placed, there):
    placed.receive(said("x", "open"))
    placed.receive(filled("x", 1.0))
    assert there().cloid == ("a", "b")


def test_queue_is_what_is_displayed_and_never_grows(tracker, bench):
    price = bench.prices(2)
    snapshot = bench.snapshot(bench.start, price)
    best = snapshot.bid_price[0, 0]
    units = round(best * 1e4)
    snapshot = msgspec.structs.replace(snapshot, bid_price=snapshot.bid_price.round(4))
    tracker.sent(Orders(time_ns=bench.start, places=(order("a", units=units),)))
    assert tracker.open_orders(snapshot).queue[0] == math.inf
    tracker.receive(said("a", "open"))
    displayed = snapshot.bid_size[0, 0]
    queue = []
    for factor in (1.0, 3.0, 0.2, 1.0):
        now = msgspec.structs.replace(snapshot, bid_size=factor * snapshot.bid_size)
        queue.append(tracker.open_orders(now).queue[0] / displayed)
    assert queue == pytest.approx([1.0, 1.0, 0.2, 0.2])


def test_nothing_rests(there):
    orders = there()
    assert orders.cloid == ()
    assert orders.queue.shape == (0,)


# States


def life(tracker, name, seconds, bench):
    return tracker.lives(bench.start + round(seconds * NS)).get(name, Life.ENDED)


def at(bench, seconds):
    return bench.start + round(seconds * NS)


def test_an_order_that_nobody_answers_becomes_unknown(placed, bench):
    assert life(placed, "a", 9.9, bench) == Life.SENT
    assert life(placed, "a", 10.0, bench) == Life.UNKNOWN
    assert placed.unresolved(at(bench, 10)) == ("a", "b")
    assert placed.unresolved(at(bench, 11)) == (), "it was asked a second ago"
    assert placed.unresolved(at(bench, 12)) == ("a", "b")
    placed.receive(said("a", "open", at(bench, 12)))
    assert life(placed, "a", 13, bench) == Life.OPEN
    assert life(placed, "b", 13, bench) == Life.UNKNOWN


def test_a_lost_answer_makes_it_unknown_at_once(placed, there, bench):
    placed.receive(said("a", UNKNOWN, at(bench, 1)))
    assert life(placed, "a", 1, bench) == Life.UNKNOWN
    assert there(1.0).cloid == ("a", "b"), "it counts as resting"
    assert placed.resting_usd()[0].sum() == pytest.approx(2 * 20_000_000 * 500 * 1e-6)
    placed.receive(said("a", "canceled", at(bench, 2)))
    assert life(placed, "a", 2, bench) == Life.ENDED


def test_an_order_that_never_left_us_ends_at_once(placed, there):
    placed.receive(said("a", UNSENT))
    assert there().cloid == ("b",)


def test_a_lost_cancel_makes_it_unknown_until_the_venue_says_that_it_rests(placed, bench):
    placed.receive(said("a", "open", at(bench, 1)))
    placed.sent(Orders(time_ns=at(bench, 2), cancels=("a",)))
    assert life(placed, "a", 2, bench) == Life.LEAVING
    placed.receive(said("a", UNKNOWN, at(bench, 5)))
    assert life(placed, "a", 5, bench) == Life.UNKNOWN
    placed.receive(said("a", "open", at(bench, 6)))
    assert life(placed, "a", 6, bench) == Life.OPEN


def test_a_cancel_that_was_not_sent_leaves_it_open(placed, bench):
    placed.receive(said("a", "open", at(bench, 1)))
    placed.sent(Orders(time_ns=at(bench, 2), cancels=("a",)))
    word = OrderUpdate(time_ns=at(bench, 3), cloid="a", status="open", reason="cancel not sent")
    placed.receive(Events(updates=(word,)))
    assert life(placed, "a", 3, bench) == Life.OPEN


def test_a_modify_without_an_answer_leaves_both_unknown(placed, bench):
    placed.receive(said("a", "open", at(bench, 1)))
    placed.sent(Orders(time_ns=at(bench, 2), modifies=(("a", order("c")),)))
    placed.receive(said("c", UNKNOWN, at(bench, 5)))
    assert life(placed, "a", 5, bench) == Life.UNKNOWN
    assert life(placed, "c", 5, bench) == Life.UNKNOWN


def test_fills_of_a_replaced_order_make_its_replacement_too_large(placed, bench):
    placed.receive(filled("a", 1.0))
    placed.sent(Orders(time_ns=at(bench, 2), modifies=(("a", order("c", lots=400)),)))
    assert placed.overfilled(at(bench, 2)) == {}
    placed.receive(filled("a", 1.5))
    assert placed.overfilled(at(bench, 2)) == {"c": 150}
    before = placed.resting_usd()[0, 0]
    assert before == pytest.approx(20_000_000 * (250 + 400) * 1e-6), "both count until the word"
    placed.receive(said("a", "canceled", at(bench, 3)))
    assert placed.overfilled(at(bench, 3)) == {"c": 150}


def test_a_fill_is_counted_once(placed, there):
    events = filled("a", 2.0)
    assert placed.receive(events).fills == events.fills
    assert placed.receive(events).fills == ()
    assert there().lots.tolist() == [300, 500]


def test_a_fill_of_a_stranger_is_unmatched_and_one_of_an_ended_order_is_not(placed):
    placed.receive(said("a", "canceled"))
    placed.receive(filled("a", 1.0))
    assert placed.unmatched == 0
    assert placed.receive(filled("x", 1.0)).fills
    assert placed.unmatched == 1


def test_fills_before_the_run_are_not_its_own(bench):
    tracker = OrderTracker(bench.universe(2), since_ns=5)
    assert tracker.receive(filled("a", 1.0)).fills == ()


WORDS = st.sampled_from(["open", UNKNOWN, "canceled", "filled", "badAloPxRejected", UNSENT])
MESSAGES = st.lists(
    st.one_of(
        st.builds(
            lambda name, word, second: said(name, word, second * NS),
            st.sampled_from(["a", "b", "c"]),
            WORDS,
            st.integers(1, 9),
        ),
        st.builds(
            lambda name, number: Events(
                fills=(msgspec.structs.replace(filled(name, 1.0).fills[0], fill_id=number),)
            ),
            st.sampled_from(["a", "b", "c"]),
            st.integers(1, 9),
        ),
    ),
    max_size=8,
)


@given(MESSAGES, st.randoms(use_true_random=False))
def test_messages_in_any_order_and_number_end_in_the_same_state(messages, random):
    """Each fill belongs to one order: its number says which."""
    owner = {}
    messages = [
        m
        for m in messages
        if not m.fills or owner.setdefault(m.fills[0].fill_id, m.fills[0].cloid) == m.fills[0].cloid
    ]
    shuffled = messages + random.choices(messages, k=len(messages)) if messages else []
    random.shuffle(shuffled)
    found = []
    for sequence in (messages, shuffled):
        tracker = OrderTracker(synthetic.universe(2))
        tracker.sent(Orders(time_ns=0, places=(order("a"), order("b", lots=100))))
        tracker.sent(Orders(time_ns=NS // 2, modifies=(("a", order("c")),)))
        for message in sequence:
            tracker.receive(message)
        now = 9 * NS
        found.append(
            (
                tracker.lives(now),
                tracker.resting_usd().tolist(),
                tracker.overfilled(now),
                tracker.unknown(now),
            )
        )
    assert found[0] == found[1]


# The venue's list


def listed(bench, *orders, seconds=30.0, fills=()):
    return Audit(
        time_ns=at(bench, seconds),
        position=np.zeros(2),
        orders=tuple(
            OpenOrder(
                oid=oid,
                cloid=o.cloid,
                asset=o.asset,
                side=o.side,
                units=o.units,
                lots=o.lots,
                time_ns=0,
            )
            for oid, o in enumerate(orders, 1)
        ),
        fills=fills,
    )


def test_what_the_venue_lists_rests_and_what_it_does_not_list_is_unclear(placed, bench):
    placed.receive(said("b", "open", at(bench, 1)))
    assert placed.settle(listed(bench, order("a", lots=200))) == ()
    assert life(placed, "a", 30, bench) == Life.OPEN
    assert placed.order("a")[1] == 200, "the venue says what is left"
    assert life(placed, "b", 30, bench) == Life.UNKNOWN


def test_an_order_that_is_younger_than_the_list_may_be_missing(placed, bench):
    placed.settle(listed(bench, seconds=1.0))
    assert life(placed, "a", 1, bench) == Life.SENT


def test_strangers_and_changelings_are_orphans_until_they_are_gone(placed, there, bench):
    audit = listed(bench, order("x", asset=1), order("", side=1), order("a", units=19_000_000))
    orphans = placed.settle(audit)
    assert len(orphans) == 3
    assert placed.orphans(at(bench, 30)) == ("a", "x", "2")
    assert there(30.0).cloid == ("b",), "they are not there to be kept"
    assert placed.cancel_all(at(bench, 30)).cancels == ("a", "b", "x", "2")
    placed.sent(Orders(time_ns=at(bench, 30), cancels=("x", "2", "a")))
    assert placed.orphans(at(bench, 31)) == ()
    placed.settle(listed(bench, order("x", asset=1), seconds=41.0))
    assert placed.orphans(at(bench, 41)) == ("x",), "its cancel was lost"


def test_an_order_that_just_ended_may_still_be_listed(placed, bench):
    placed.receive(said("a", "canceled", at(bench, 29)))
    assert placed.settle(listed(bench, order("a"))) == ()
    assert len(placed.settle(listed(bench, order("a"), seconds=40.0))) == 1


def test_another_start_goes_on_where_the_first_one_ended(placed, there, bench):
    placed.receive(said("a", "open", at(bench, 1)))
    once = filled("a", 2.0)
    placed.receive(once)
    again = OrderTracker(bench.universe(2))
    again.restore(placed.saved(), placed.fill_ids(10))
    assert again.lives(at(bench, 1)) == placed.lives(at(bench, 1))
    assert again.order("a")[1] == 300
    assert again.receive(once).fills == ()


def test_exits_never_rest(tracker, there, bench):
    tracker.sent(Orders(time_ns=bench.start, exits=(order("e"),)))
    assert there().cloid == ()
    assert len(tracker) == 0
    assert tracker.resting() == ()
    assert tracker.cancel_all(bench.start).cancels == ()
    assert tracker.exiting(0, bench.start)
    assert tracker.receive(filled("e", 1.0)).fills
    assert tracker.unmatched == 0
    tracker.receive(said("e", "canceled", at(bench, 1)))
    assert not tracker.exiting(0, at(bench, 1))
