"""The life of our orders, from sending to the venue's last word."""

from __future__ import annotations

import math

import msgspec
import pytest

from portfolio_mm.runtime.orders import PATIENCE_NS, OrderTracker
from portfolio_mm.types import NS, Events, Fill, NewOrder, Orders, OrderUpdate


def order(cloid, units=20_000_000, lots=500, asset=0, side=0, level=0):
    return NewOrder(cloid=cloid, asset=asset, side=side, level=level, units=units, lots=lots)


def said(cloid, status, time_ns=0):
    return Events(updates=(OrderUpdate(time_ns=time_ns, cloid=cloid, status=status),))


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
        fill_id=0,
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
    placed.apply(said("a", "open"))
    placed.apply(filled("a", 2.0))
    assert there().lots.tolist() == [300, 500]
    placed.apply(filled("a", 3.0))
    assert there().cloid == ("b",)
    placed.apply(said("a", "filled"))
    assert len(placed) == 1


@pytest.mark.parametrize("status", ["canceled", "rejected", "filled", "marginCanceled"])
def test_every_word_but_resting_is_the_end(placed, there, status):
    placed.apply(said("a", status))
    assert there().cloid == ("b",)


def test_a_cancel_hides_the_order_until_the_venue_confirms(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, cancels=("a",)))
    assert there().cloid == ("b",)
    assert len(placed) == 2, "it may still be filled"
    placed.apply(filled("a", 1.0))
    assert len(placed) == 2
    placed.apply(said("a", "canceled"))
    assert len(placed) == 1


def test_a_cancel_that_was_lost_is_sent_again(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, cancels=("a",)))
    patience = PATIENCE_NS / NS
    assert there(patience - 0.1).cloid == ("b",)
    assert there(patience).cloid == ("a", "b")


def test_modify(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c", units=19_900_000)),)))
    assert there().cloid == ("b", "c")
    placed.apply(said("a", "canceled"))
    placed.apply(said("c", "open"))
    assert there().cloid == ("b", "c")
    assert len(placed) == 2


def test_a_refused_modify_gives_the_old_order_back(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c")),)))
    placed.apply(said("c", "rejected"))
    assert there().cloid == ("a", "b")


def test_a_modify_whose_placing_failed_leaves_neither(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c")),)))
    placed.apply(said("a", "canceled"))
    placed.apply(said("c", "rejected"))
    assert there().cloid == ("b",)


def test_the_end_of_a_replacement_that_rested_is_not_a_refusal(placed, there, bench):
    placed.sent(Orders(time_ns=bench.start, modifies=(("a", order("c")),)))
    placed.apply(said("c", "open"))
    placed.apply(said("c", "filled"))
    assert there().cloid == ("b",)


def test_cancel_all_names_everything_that_may_rest_once(placed, bench):
    first = placed.cancel_all(bench.start)
    assert first.cancels == ("a", "b")
    placed.sent(first)
    assert placed.cancel_all(bench.start + NS).cancels == ()
    assert placed.cancel_all(bench.start + PATIENCE_NS).cancels == ("a", "b")


def test_strangers_are_ignored(placed, there):
    placed.apply(said("x", "open"))
    placed.apply(filled("x", 1.0))
    assert there().cloid == ("a", "b")


def test_queue_is_what_is_displayed_and_never_grows(tracker, bench):
    price = bench.prices(2)
    snapshot = bench.snapshot(bench.start, price)
    best = snapshot.bid_price[0, 0]
    units = round(best * 1e4)
    snapshot = msgspec.structs.replace(snapshot, bid_price=snapshot.bid_price.round(4))
    tracker.sent(Orders(time_ns=bench.start, places=(order("a", units=units),)))
    assert tracker.open_orders(snapshot).queue[0] == math.inf
    tracker.apply(said("a", "open"))
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
