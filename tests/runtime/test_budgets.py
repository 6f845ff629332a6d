"""The gate: what may be sent of what is wanted."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.runtime import budgets
from portfolio_mm.runtime.budgets import RESERVE, BackOff, Gate, within_margin, within_requests
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
    QuoteSet,
    Reason,
)
from sim import synthetic

START = synthetic.start


def new(cloid, asset=0, side=0, level=0, units=20_000_000, lots=500):
    """Return an order worth 10 000 USD unless told otherwise."""
    return NewOrder(cloid=cloid, asset=asset, side=side, level=level, units=units, lots=lots)


def account(requests=1e4, actions=math.inf, weight=1200.0, equity=1e5):
    state = synthetic.account(START, np.zeros(2), synthetic.prices(2), equity)
    return msgspec.structs.replace(
        state, address_requests=requests, actions_left=actions, ip_weight=weight
    )


def quotes(reason=Reason.QUOTED, n=2):
    shape = (n, 2, 1)
    return QuoteSet(
        time_ns=START,
        sizes=np.zeros(shape),
        units=np.zeros(shape, dtype=np.int64),
        lots=np.zeros(shape, dtype=np.int64),
        tolerance=np.zeros((n, 2, 1, 2), dtype=np.int64),
        reason=np.full((n, 2), int(reason)),
        margin_dual=np.zeros(2),
        exposure_dual=0.0,
        toxicity_dual=0.0,
        status=0,
        iterations=0,
    )


def tracked(*orders, time_ns=START):
    tracker = OrderTracker(synthetic.universe(2))
    tracker.sent(Orders(time_ns=time_ns, places=orders))
    for order in orders:
        tracker.receive(said(order.cloid, "open", time_ns + 1))
    return tracker


def said(cloid, status, time_ns=START + 1, reason=""):
    return Events(
        updates=(OrderUpdate(time_ns=time_ns, cloid=cloid, status=status, reason=reason),)
    )


GATE = Gate("run", synthetic.universe(2), netted=False)
NOBODY_WAITS = np.zeros((2, 2), dtype=np.bool_)


def admit(orders, tracker, state=None, reason=Reason.QUOTED, waiting=NOBODY_WAITS):
    return budgets.admit(GATE, orders, quotes(reason), state or account(), tracker, waiting)


# Requests


def wanted(cancels=0, modifies=0, places=0):
    return Orders(
        time_ns=START,
        cancels=tuple(f"c{i}" for i in range(cancels)),
        modifies=tuple((f"m{i}", new(f"n{i}")) for i in range(modifies)),
        places=tuple(new(f"p{i}") for i in range(places)),
    )


COUNTS = st.integers(0, 300)
LEFT = st.one_of(st.floats(-50, 400), st.just(math.inf))


@given(COUNTS, COUNTS, COUNTS, LEFT, LEFT, st.floats(0, 60))
def test_the_reserve_is_never_spent_and_cancels_come_first(c, m, p, requests, actions, weight):
    sent = within_requests(wanted(c, m, p), account(requests, actions, weight))
    count = (len(sent.cancels), len(sent.modifies), len(sent.places))
    assert sum(count) <= max(min(requests, actions) - RESERVE, 0)
    spent = sum(1 + n // 40 for n in count if n)
    assert spent <= max(weight - RESERVE, 0)
    if count[1] or count[2]:
        assert count[0] == c
    if count[2]:
        assert count[1] == m


def test_an_exhausted_budget_leaves_orders_resting():
    sent = within_requests(wanted(3, 3, 3), account(requests=RESERVE))
    assert len(sent) == 0


def test_everything_passes_when_there_is_enough():
    orders = wanted(3, 4, 5)
    assert (
        within_requests(orders, account()) == orders
        or len(within_requests(orders, account())) == 12
    )


def test_orders_on_bad_data_are_cancelled_whatever_the_budget():
    tracker = tracked(new("a"))
    orders = Orders(time_ns=START + NS, cancels=("a",))
    empty = account(requests=-5.0, weight=0.0)
    assert admit(orders, tracker, empty).cancels == ()
    assert admit(orders, tracker, empty, Reason.MARKET).cancels == ("a",)


def test_orphans_are_cancelled_whatever_the_budget():
    tracker = tracked()
    stranger = OpenOrder(oid=9, cloid="", asset=0, side=0, units=20_000_000, lots=1, time_ns=START)
    tracker.settle(Audit(time_ns=START, position=np.zeros(2), orders=(stranger,), fills=()))
    sent = admit(Orders(time_ns=START + NS), tracker, account(requests=0.0))
    assert sent.cancels == ("9",)


# Unknown orders


def test_an_unknown_order_is_cancelled_where_it_was_to_be_modified():
    tracker = tracked(new("a"), new("b"))
    tracker.receive(said("a", UNKNOWN, START + 5))
    orders = Orders(time_ns=START + NS, modifies=(("a", new("x")), ("b", new("y"))))
    sent = admit(orders, tracker)
    assert sent.cancels == ("a",)
    assert [old for old, _ in sent.modifies] == ["b"]


# Leaves


def fill(cloid, lots, number=1):
    return Events(
        fills=(
            Fill(
                time_ns=START,
                asset=0,
                side=1,
                price=20.0,
                size=lots / 100,
                fee=0.0,
                maker=True,
                cloid=cloid,
                fill_id=number,
            ),
        )
    )


def test_a_replacement_is_made_smaller_by_what_the_old_order_filled_meanwhile():
    tracker = tracked(new("a"))
    tracker.sent(Orders(time_ns=START + NS, modifies=(("a", new("b")),)))
    tracker.receive(said("b", "open", START + 2 * NS))
    tracker.receive(fill("a", 200))
    [(old, smaller)] = admit(Orders(time_ns=START + 3 * NS), tracker).modifies
    assert (old, smaller.lots, smaller.units) == ("b", 300, 20_000_000)
    assert smaller.cloid != "b"
    touched = Orders(time_ns=START + 3 * NS, modifies=(("b", new("z")),))
    assert admit(touched, tracker).modifies == touched.modifies, "it is replaced anyway"
    tracker.receive(fill("a", 300, 2))
    assert admit(Orders(time_ns=START + 3 * NS), tracker).cancels == ("b",)


# Refusals


def test_a_side_waits_after_three_refusals_in_a_row_and_longer_each_time():
    tracker = OrderTracker(synthetic.universe(2))
    back_off = BackOff(2)
    waits = []
    for i in range(9):
        now = START + i * 1000 * NS
        order = new(f"o{i}", asset=1, side=1)
        tracker.sent(Orders(time_ns=now, places=(order,)))
        events = said(order.cloid, "badAloPxRejected", now)
        for _ in range(2):  # said twice, counted once
            back_off.note(events, tracker, now)
            tracker.receive(events)
        seconds = [s for s in range(200) if back_off.waiting(now + s * NS)[1, 1]]
        waits.append(len(seconds))
        assert not back_off.waiting(now)[0].any()
    assert waits == [0, 0, 5, 10, 20, 40, 80, 120, 120]
    order = new("fine", asset=1, side=1)
    tracker.sent(Orders(time_ns=now, places=(order,)))
    back_off.note(said("fine", "open", now), tracker, now)
    tracker.sent(Orders(time_ns=now, places=(new("again", asset=1, side=1),)))
    back_off.note(said("again", UNSENT, now), tracker, now + 200 * NS)
    assert not back_off.waiting(now + 200 * NS).any()


def test_cancels_pass_where_a_side_waits():
    tracker = tracked(new("a"), new("b"), new("c", side=1))
    waiting = np.array([[True, False], [False, False]])
    orders = Orders(
        time_ns=START + NS,
        cancels=("a",),
        modifies=(("b", new("x")), ("c", new("y", side=1))),
        places=(new("p"), new("q", asset=1)),
    )
    sent = admit(orders, tracker, waiting=waiting)
    assert sent.cancels == ("a",)
    assert [order.cloid for _, order in sent.modifies] == ["y"]
    assert [order.cloid for order in sent.places] == ["q"]


# Margin


def test_what_is_leaving_or_unknown_still_needs_its_margin():
    tracker = tracked(new("a"), new("b", side=1))
    tracker.sent(Orders(time_ns=START + 2, cancels=("a",)))
    tracker.receive(said("b", UNKNOWN, START + 5))
    orders = Orders(time_ns=START + NS, places=(new("p", level=1), new("q", level=0)))
    free = account(equity=3100.0)  # three orders of 10 000 USD at leverage ten
    sent = within_margin(GATE, orders, free, tracker)
    assert [order.cloid for order in sent.places] == ["q"], "the inner level goes first"
    netted = GATE._replace(netted=True)
    assert len(within_margin(netted, orders, free, tracker).places) == 2


def test_a_smaller_replacement_always_passes_and_a_larger_one_needs_margin():
    tracker = tracked(new("a"), new("b", side=1))
    orders = Orders(
        time_ns=START + NS,
        modifies=(("a", new("x", lots=400)), ("b", new("y", side=1, lots=700))),
    )
    none = account(equity=0.0)
    sent = within_margin(GATE, orders, none, tracker)
    assert [order.cloid for _, order in sent.modifies] == ["x"]


@pytest.mark.parametrize("equity", [1e3, 5e3, 2e4])
def test_the_margin_of_all_that_may_rest_stays_within_equity(equity):
    rng = np.random.default_rng(int(equity))
    tracker = tracked(*(new(f"r{i}", side=i % 2, lots=30) for i in range(6)))
    for step in range(20):
        orders = Orders(
            time_ns=START + step * NS,
            places=tuple(
                new(f"{step}-{i}", asset=i % 2, side=i % 2, level=i, lots=int(rng.integers(1, 400)))
                for i in range(5)
            ),
        )
        sent = within_margin(GATE, orders, account(equity=equity), tracker)
        tracker.sent(sent)
        assert tracker.resting_usd().sum() / 10.0 <= equity + 1e-9
