"""The causes add up to the change of equity, whatever fair value and horizon are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.evaluator import attribution
from portfolio_mm.types import NS, Fill, FundingPayment

N = 2


def fill(time_ns, asset, side, price, size, fee=0.0):
    return Fill(
        time_ns=time_ns,
        asset=asset,
        side=side,
        price=price,
        size=size,
        fee=fee,
        maker=True,
        cloid="",
        fill_id=0,
    )


assets, prices = st.integers(0, N - 1), st.floats(50.0, 150.0)
fills = st.tuples(
    assets, st.sampled_from([-1, 1]), prices, st.floats(0.001, 100.0), st.floats(-1.0, 1.0)
)
payments = st.tuples(assets, st.floats(-5.0, 5.0))
pair = st.lists(prices, min_size=N, max_size=N)
intervals = st.lists(
    st.tuples(pair, pair, st.lists(fills, max_size=4), st.lists(payments, max_size=2)),
    min_size=1,
    max_size=12,
)


def book(intervals, position, horizon_s, shift=1.0):
    """Run the ledger; fair values are multiplied by `shift`."""
    ledger = attribution.opening(np.array(position))
    for step, (mark, fair, traded, paid) in enumerate(intervals):
        now = step * NS
        ledger = attribution.value(
            ledger,
            now,
            np.array(mark),
            shift * np.array(fair),
            tuple(fill(now - NS // 2, a, s, p, q, f) for a, s, p, q, f in traded),
            tuple(FundingPayment(time_ns=now, asset=a, usd=u, rate=0.0) for a, u in paid),
            horizon_s,
        )
    return ledger


@given(intervals=intervals, position=st.lists(st.floats(-50, 50), min_size=N, max_size=N))
def test_adds_up_to_the_change_of_equity(intervals, position):
    first, last = np.array(intervals[0][0]), np.array(intervals[-1][0])
    held, cash, gross = np.array(position), 0.0, 1.0
    for mark, _, traded, paid in intervals:
        for asset, side, price, size, fee in traded:
            held[asset] += side * size
            cash -= side * size * price + fee
            gross += size * price
        cash -= sum(usd for _, usd in paid)
        gross += np.abs(held) @ np.array(mark)
    change = held @ last + cash - np.array(position) @ first
    for horizon_s in (0.0, 3.0, 1e6):
        for shift in (1.0, 0.9, 3.0):
            ledger = book(intervals, position, horizon_s, shift)
            assert attribution.total(ledger) == pytest.approx(change, abs=1e-9 * gross)
            np.testing.assert_allclose(ledger.position, held, atol=1e-9)


def test_by_hand():
    """Buy 2 at 99 around 100; the mark falls to 98 while young, then rises to 103."""
    none, bought = (), ((0, 1, 99.0, 2.0, 0.25),)
    path = [
        ([100.0, 1.0], [100.0, 1.0], none, none),
        ([100.0, 1.0], [100.0, 1.0], bought, none),
        ([98.0, 1.0], [100.0, 1.0], none, none),
        ([103.0, 1.0], [100.0, 1.0], none, ((0, 0.5),)),
    ]
    ledger = book(path, [0.0, 0.0], horizon_s=1.5)
    assert ledger.spread[0] == 2.0
    assert ledger.adverse_selection[0] == -4.0
    assert ledger.inventory[0] == 10.0
    assert ledger.fees[0] == 0.25
    assert ledger.funding[0] == 0.5
    assert attribution.total(ledger) == 7.25


def test_marks_that_are_missing_keep_their_last_value():
    gap = [([100.0, 1.0], [100.0, 1.0], (), ()), ([math.nan, 1.0], [100.0, 1.0], (), ())]
    ledger = book([*gap, ([110.0, 1.0], [100.0, 1.0], (), ())], [1.0, 0.0], 1.0)
    assert attribution.total(ledger) == 10.0


def test_a_fill_before_the_first_mark_is_valued_at_fair_value():
    bought = ((0, 1, 99.0, 1.0, 0.0),)
    ledger = book([([math.nan, 1.0], [100.0, 1.0], bought, ())], [0.0, 0.0], 1.0)
    assert attribution.total(ledger) == 1.0
