"""What sets the kill ladder off, and that it always ends."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from portfolio_mm import config
from portfolio_mm.rules import ticks
from portfolio_mm.runtime.kill import (
    STOP_FILE,
    Ladder,
    Stop,
    StopFile,
    Until,
    Watch,
    never,
    request_stop,
)
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.types import NS, Events, NewOrder, Orders, OrderUpdate
from sim import synthetic

START = synthetic.start
UNIVERSE = synthetic.universe(2)
PRICE = synthetic.prices(2)
SETTINGS = config.Kill(position_usd=5_000.0, daily_loss_usd=500.0)


def seen(seconds=0.0, age_s=0.1, price=PRICE):
    now = START + round(seconds * NS)
    snapshot = synthetic.snapshot(now, price)
    return msgspec.structs.replace(
        snapshot, book_time_ns=np.full(2, now - round(age_s * NS), dtype=np.int64)
    )


def account(seconds=0.0, position=(0.0, 0.0), equity=1e5):
    now = START + round(seconds * NS)
    return synthetic.account(now, np.array(position), PRICE, equity)


def watch():
    return Watch(SETTINGS, 0.1, UNIVERSE, START)


def check(watched, seconds, drawdown=0.0, read_s=None, age_s=0.1, **kind):
    read_ns = START + round((seconds if read_s is None else read_s) * NS)
    return watched.check(seen(seconds, age_s), account(seconds, **kind), drawdown, read_ns)


def test_nothing_is_wrong():
    watched = watch()
    assert all(check(watched, s) is None for s in range(300))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"drawdown": 0.1}, "loss limit"),
        ({"equity": 1e5 - 500.0}, "daily limit"),
        ({"position": (0.0, -200.0)}, "xyz:T1 7,600 USD"),
        ({"read_s": 0.0}, "account could not be read"),
    ],
)
def test_what_sets_it_off(kind, words):
    watched = watch()
    assert check(watched, 0.0) is None
    stop = check(watched, 61.0, **kind)
    assert words in stop.reason
    assert stop.flatten


def test_the_daily_loss_is_counted_anew_each_day():
    watched = watch()
    assert check(watched, 0.0, equity=1e5) is None
    assert check(watched, 10.0, equity=1e5 - 400.0) is None
    assert check(watched, 86_400.0, equity=1e5 - 800.0) is None
    assert check(watched, 86_410.0, equity=1e5 - 1300.0) is not None
    again = Watch(SETTINGS, 0.1, UNIVERSE, START, watched.day)
    assert check(again, 86_420.0, equity=1e5 - 1300.0) is not None, "a restart forgets nothing"


def test_silence_of_all_books_and_of_none_less():
    watched = watch()
    stale = seen(0.0)
    for seconds in range(0, 60, 5):
        now = msgspec.structs.replace(stale, time_ns=START + seconds * NS)
        assert watched.check(now, account(), 0.0, now.time_ns) is None
    now = msgspec.structs.replace(stale, time_ns=START + 61 * NS)
    assert "no new book" in watched.check(now, account(), 0.0, now.time_ns).reason


@pytest.mark.parametrize("age_s", [-30.0, 30.0])
def test_a_clock_that_differs_for_long(age_s):
    watched = watch()
    for seconds in range(60):
        assert check(watched, seconds, age_s=age_s) is None
    assert "clock" in check(watched, 61.0, age_s=age_s).reason
    watched = watch()
    for seconds in range(200):
        late = seconds % 30 < 29
        assert check(watched, seconds, age_s=age_s if late else 0.1) is None


# Stops from outside


def test_stop_file(tmp_path):
    request_stop(tmp_path, flatten=False)
    stop = StopFile(tmp_path)
    assert stop(START) is None, "one of an earlier start does not count"
    request_stop(tmp_path, flatten=True)
    assert stop(START) == Stop("stopped by hand", True)
    assert json.loads((tmp_path / STOP_FILE).read_text()) == {"flatten": True}
    (tmp_path / STOP_FILE).write_text("what?")
    assert stop(START) == Stop("stopped by hand", False)


def test_time_is_over():
    assert never(START) is None
    assert Until(START)(START - 1) is None
    assert not Until(START)(START).flatten


# The ladder


def ladder(flatten=True):
    return Ladder(SETTINGS, UNIVERSE, "run", Stop("test", flatten), START)


def resting(*cloids):
    tracker = OrderTracker(UNIVERSE)
    places = [
        NewOrder(cloid=name, asset=0, side=0, level=0, units=20_000_000, lots=5) for name in cloids
    ]
    tracker.sent(Orders(time_ns=START, places=tuple(places)))
    return tracker


def word(tracker, name, status, seconds):
    update = OrderUpdate(time_ns=START + round(seconds * NS), cloid=name, status=status)
    tracker.receive(Events(updates=(update,)))


def step(steps, tracker, seconds, position=(0.0, 0.0), snapshot=None):
    snapshot = seen(seconds) if snapshot is None else snapshot
    orders = steps.step(tracker, snapshot, account(seconds, position))
    tracker.sent(orders)
    return orders


def test_cancels_are_repeated_until_the_venue_confirms():
    steps, tracker = ladder(flatten=False), resting("a", "b")
    assert step(steps, tracker, 0.0).cancels == ("a", "b")
    assert step(steps, tracker, 1.0).cancels == ()
    word(tracker, "b", "canceled", 1.5)
    assert step(steps, tracker, 2.0).cancels == ("a",)
    assert not steps.done(START + 2 * NS, tracker)
    word(tracker, "a", "canceled", 3.0)
    assert steps.done(START + 3 * NS, tracker)


def test_it_ends_within_its_bound_even_if_nobody_answers():
    steps, tracker = ladder(flatten=False), resting("a")
    bound = START + round(SETTINGS.cancel_s * NS)
    assert not steps.done(bound - 1, tracker)
    assert steps.done(bound, tracker)
    assert tracker.resting() == ("a",)
    both = START + round((SETTINGS.cancel_s + SETTINGS.flatten_s) * NS)
    assert not ladder().done(both - 1, tracker)
    assert ladder().done(both, tracker)


def test_the_account_must_be_read_after_the_last_order_ended():
    steps, tracker = ladder(flatten=False), resting()
    assert not steps.done(START + 5 * NS, tracker, read_ns=START + 4 * NS)
    assert not steps.done(START + 6 * NS, tracker, read_ns=START + 5 * NS)
    assert steps.done(START + 8 * NS, tracker, read_ns=START + 7 * NS)


def test_positions_are_closed_once_nothing_rests():
    steps, tracker = ladder(), resting("a")
    held = (3.0, -2.0)
    assert step(steps, tracker, 0.0, held).exits == ()
    word(tracker, "a", "canceled", 1.0)
    sell, buy = step(steps, tracker, 1.0, held).exits
    assert (sell.side, buy.side) == (1, 0)
    for order, bound in ((sell, PRICE[0] * 0.99), (buy, PRICE[1] * 1.01)):
        decimals = int(UNIVERSE.sz_decimals[order.asset])
        assert ticks.valid_units(order.units, decimals)
        assert ticks.from_units(order.units, decimals) == pytest.approx(bound, rel=1e-4)
        assert ticks.from_lots(order.lots, decimals) == abs(held[order.asset])
    assert step(steps, tracker, 2.0, held).exits == (), "the venue has not answered yet"
    word(tracker, sell.cloid, "filled", 2.5)
    word(tracker, buy.cloid, "canceled", 2.5)
    assert [order.asset for order in step(steps, tracker, 3.0, (0.0, -2.0)).exits] == [1]
    assert not steps.done(START + 3 * NS, tracker)
    assert step(steps, tracker, 4.0).exits == ()
    assert steps.done(START + 4 * NS, tracker)


def test_positions_are_closed_although_an_order_cannot_be_cancelled():
    steps, tracker = ladder(), resting("a")
    assert step(steps, tracker, 1.0, (3.0, 0.0)).exits == ()
    orders = step(steps, tracker, SETTINGS.cancel_s, (3.0, 0.0))
    assert orders.cancels == ("a",)
    assert len(orders.exits) == 1


def test_the_bound_holds_on_the_grid():
    for direction in (1.0, -1.0):
        [order] = step(ladder(), resting(), 0.0, (direction, 0.0)).exits
        price = float(ticks.from_units(order.units, UNIVERSE.sz_decimals[0]))
        assert direction * (price - PRICE[0] * (1.0 - direction * 0.01)) >= -1e-9


def test_a_thin_book_is_not_swept():
    snapshot = seen()
    size = np.array([[2.0, 1.0, 1.0, 50.0, 50.0]] * 2)
    price = PRICE[:, None] * np.array([0.9999, 0.9995, 0.991, 0.95, 0.9])
    thin = msgspec.structs.replace(snapshot, bid_price=price, bid_size=size)
    [order] = step(ladder(), resting(), 0.0, (30.0, 0.0), thin).exits
    assert ticks.from_lots(order.lots, UNIVERSE.sz_decimals[0]) == 4.0
    tiny = msgspec.structs.replace(thin, bid_size=0.01 * size)
    [order] = step(ladder(), resting(), 0.0, (30.0, 0.0), tiny).exits
    assert order.lots * order.units * ticks.MICRO_USD >= ticks.MIN_NOTIONAL
    [order] = step(ladder(), resting(), 0.0, (0.05, 0.0), thin).exits
    assert order.lots == 5, "a whole position may be smaller than the smallest order"


def test_nothing_is_closed_without_a_book():
    snapshot = msgspec.structs.replace(seen(), status=np.array([1, 2]))
    assert step(ladder(), resting(), 0.0, (3.0, 3.0), snapshot).exits == ()
