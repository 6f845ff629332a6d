"""The ledger: exact to the micro-dollar, and margin as the rules define it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.rules.ticks import from_units
from portfolio_mm.types import NS
from sim.exchange.account import Account
from sim.exchange.messages import MICRO
from sim.exchange.orders import Record, Ticket
from sim.exchange.requests import Requests
from sim.market.listing import build_universe

NAMES = ("xyz:TSLA", "xyz:HOOD", "xyz:NVDA")
UNIVERSE = build_universe(
    NAMES,
    leverage=dict(zip(NAMES, (10, 3, 7), strict=True)),
    size_usd=dict.fromkeys(NAMES, 100.0),
)
MARK = np.array([400.0, 75.0, 220.0])


def account(deposit: float = 10_000.0) -> Account:
    result = Account(UNIVERSE, [round(deposit * MICRO)], 100.0)
    result.reprice(MARK)
    return result


def order(oid: int, asset: int, side: int, units: int, lots: int) -> Record:
    return Record(oid, 0, Ticket(asset, side, units, lots), 0)


trade = st.tuples(
    st.integers(0, 2), st.integers(0, 1), st.integers(50_000, 900_000), st.integers(1, 4_000)
)


@settings(deadline=None)
@given(st.lists(trade, max_size=40), st.integers(-50, 500))
def test_equity_is_deposit_plus_trades_exactly(trades: list[tuple[int, ...]], fee: int) -> None:
    """Cash anywhere = deposit - sum of signed notionals - fees, as integers."""
    a = account()
    flow = 0
    for asset, side, units, lots in trades:
        a.trade(asset, side, units, lots, fee)
        flow += units * lots * (2 * side - 1) - fee
        if a.lots[asset] == 0:
            assert a.isolated_cash[asset] == 0
            assert a.cost[asset] == 0
    assert sum(a.cash) + sum(a.isolated_cash) == 10_000 * MICRO + flow
    assert a.isolated_cash[0] == a.isolated_cash[2] == 0
    value = np.array(a.position()) * MARK
    expected = (10_000 * MICRO + flow) / MICRO + value.sum()
    scale = 1.0 + sum(u * n for _, _, u, n in trades) / MICRO
    assert abs(a.margin().equity[0] - expected) <= 1e-9 * scale


@settings(deadline=None)
@given(st.lists(trade, max_size=20))
def test_reserved_margin_is_the_rules(orders: list[tuple[int, ...]]) -> None:
    """Integer reservations are the rules' gross margin to a micro-dollar per order."""
    a = account()
    resting = []
    for oid, (asset, side, units, lots) in enumerate(orders):
        resting.append(order(oid, asset, side, units, lots))
        a.rest(resting[-1])
    assert a.reserved[0] / MICRO == pytest.approx(
        a.margin().order_margin[0], abs=1e-6 * (len(orders) + 1)
    )
    for record in resting:
        a.release(record, record.lots)
    assert a.reserved == [0]
    assert a.resting == [[0, 0]] * 3
    assert not a.open


def test_isolated_position_holds_its_own_margin() -> None:
    a = account()
    a.trade(1, 0, 75_000, 40_000, 0)  # 40 contracts at 75: 3000 USD at 3x
    assert a.cash == [9_000 * MICRO]
    held = a.margin()
    assert held.isolated_equity[1] == pytest.approx(1000.0)
    assert held.equity[0] == pytest.approx(10_000.0)
    a.reprice(np.array([400.0, 60.0, 220.0]))
    held = a.margin()
    assert held.isolated_equity[1] == pytest.approx(400.0)
    assert held.cross_equity[0] == pytest.approx(9_000.0)
    a.trade(1, 1, 60_000, 10_000, 0)  # a quarter at 60: a quarter of the equity comes back
    assert a.cash == [9_100 * MICRO]
    a.trade(1, 1, 60_000, 40_000, 0)  # closes the rest and opens 10 short
    assert a.lots[1] == -10_000
    assert a.cash == [9_400 * MICRO - 200 * MICRO]
    assert a.margin().isolated_equity[1] == pytest.approx(200.0)


def test_entry_price_survives_reductions() -> None:
    a = account()
    a.trade(0, 0, 400_000, 1_000, 0)
    a.trade(0, 0, 410_000, 1_000, 0)
    a.trade(0, 1, 450_000, 500, 0)
    assert from_units(a.cost[0] / a.lots[0], 3) == pytest.approx(405.0)


def test_gross_margin_bounds_orders_and_reducing_ones_are_free() -> None:
    a = account(100.0)
    assert a.can_place(0, 0, 400_000, 2_500)  # 1000 USD at 10x takes it all
    assert not a.can_place(0, 0, 400_000, 2_501)
    a.rest(order(1, 0, 0, 400_000, 2_500))
    assert not a.can_place(0, 1, 400_000, 10)
    a = account(100.0)
    a.trade(0, 0, 400_000, 2_500, 0)
    assert not a.can_place(0, 0, 400_000, 10)
    assert a.can_place(0, 1, 400_000, 2_500)
    assert not a.can_place(0, 1, 400_000, 2_501)
    assert a.can_carry(0, 1, 400_000, 2_500)
    assert not a.can_carry(0, 0, 400_000, 10)


def test_peak_use_is_the_largest_seen() -> None:
    a = account(100.0)
    bid = order(1, 0, 0, 400_000, 1_250)
    a.rest(bid)
    a.observe()
    a.release(bid, 1_250)
    a.observe()
    assert a.peak_use == pytest.approx([0.5])


def test_requests_run_out_and_are_earned() -> None:
    r = Requests(2.0)
    assert r.admit(0)
    assert r.admit(0)
    assert not r.admit(1)
    assert r.left == 0.0
    assert r.admit(1, cancel=True)
    assert not r.admit(9 * NS)
    assert r.admit(11 * NS)
    r.cap += 3.0
    assert r.left == pytest.approx(1.0)
    assert r.admit(11 * NS)
