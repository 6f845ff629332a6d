"""Leverage, margin modes, isolated margin and transfers, as the venue allows them."""

from __future__ import annotations

import pytest

from portfolio_mm.types import NS
from sim.exchange import schedule, terms, transfers
from sim.exchange.account import Account
from sim.exchange.messages import MICRO
from tests.sim.floor import AVGO, ETH, HOOD, TSLA, UNIVERSE, Floor

CROSS = "Cross margin is not allowed for this asset."
SWITCH = "Cannot switch leverage type with open position."


def account(floor: Floor, user: int = 0) -> Account:
    return floor.exchange.accounts[user]


def test_leverage_is_bounded_and_cross_is_not_for_all() -> None:
    floor = Floor()
    for leverage in (0, 21):
        error = terms.set_leverage(floor.exchange, 0, TSLA, leverage, is_cross=True)
        assert error == "Invalid leverage value"
    assert terms.set_leverage(floor.exchange, 0, HOOD, 5, is_cross=True) == CROSS
    assert terms.set_leverage(floor.exchange, 0, HOOD, 5, is_cross=False) == ""
    assert terms.set_leverage(floor.exchange, 0, TSLA, 3, is_cross=False) == ""
    assert account(floor).leverage[TSLA] == 3
    assert account(floor).isolated[TSLA]
    assert account(floor, 1).leverage[TSLA] == 20
    assert not account(floor, 1).isolated[TSLA]


def test_the_mode_changes_only_when_flat_and_without_orders() -> None:
    floor = Floor()
    record = floor.place(0, TSLA, 0, 430.0, 1.0).record
    assert record is not None
    assert terms.set_leverage(floor.exchange, 0, TSLA, 20, is_cross=False) == SWITCH
    floor.exchange.cancel(0, record.oid, floor.now)
    assert terms.set_leverage(floor.exchange, 0, TSLA, 20, is_cross=False) == ""
    floor.hold(0, TSLA, 1.0)
    assert terms.set_leverage(floor.exchange, 0, TSLA, 20, is_cross=True) == SWITCH
    assert account(floor).isolated_cash[TSLA] != 0
    floor.check()


def test_leverage_falls_only_where_margin_allows() -> None:
    floor = Floor(usd=100.0)
    floor.hold(0, TSLA, 2.0)  # 867 USD
    assert terms.set_leverage(floor.exchange, 0, TSLA, 5, is_cross=True) == (
        "Cross position does not have sufficient margin available to decrease leverage. "
        "To decrease leverage, deposit more collateral."
    )
    assert account(floor).leverage[TSLA] == 20
    assert terms.set_leverage(floor.exchange, 0, TSLA, 10, is_cross=True) == ""
    assert terms.set_leverage(floor.exchange, 0, TSLA, 20, is_cross=True) == ""
    floor.hold(0, HOOD, 6.0)  # 454 USD at 10x
    assert terms.set_leverage(floor.exchange, 0, HOOD, 9, is_cross=False) == (
        "Isolated position does not have sufficient margin available to decrease leverage. "
        "To decrease leverage, add margin to the position."
    )
    assert account(floor).leverage[HOOD] == 10


def test_leverage_reserves_resting_orders_anew() -> None:
    floor = Floor()
    floor.place(0, TSLA, 0, 430.0, 1.0)
    floor.place(0, TSLA, 1, 436.0, 1.0)
    floor.place(0, AVGO, 0, 425.0, 1.0)
    assert account(floor).reserved == [0, 866 * MICRO // 20, 425 * MICRO // 20, 0]
    assert terms.set_leverage(floor.exchange, 0, TSLA, 2, is_cross=True) == ""
    assert account(floor).reserved == [0, 433 * MICRO, 425 * MICRO // 20, 0]
    floor.check()


def test_isolated_margin_is_added_and_taken_down_to_what_the_position_needs() -> None:
    floor = Floor(usd=200.0)
    exchange = floor.exchange
    refused = "Position does not use isolated margin."
    assert terms.adjust_isolated(exchange, 0, HOOD, MICRO) == refused
    floor.hold(0, TSLA, 1.0)
    assert terms.adjust_isolated(exchange, 0, TSLA, MICRO) == refused
    floor.hold(0, HOOD, 10.0)
    equity = account(floor).positions_margin().isolated_equity[HOOD]
    assert equity == pytest.approx(75.721, abs=0.5)  # filled a little below the mark
    assert terms.adjust_isolated(exchange, 0, HOOD, 50 * MICRO) == ""
    assert account(floor).positions_margin().isolated_equity[HOOD] == pytest.approx(equity + 50)
    assert terms.adjust_isolated(exchange, 0, HOOD, 200 * MICRO).startswith("Insufficient")
    assert terms.adjust_isolated(exchange, 0, HOOD, -60 * MICRO).startswith("Insufficient")
    assert terms.adjust_isolated(exchange, 0, HOOD, -49 * MICRO) == ""
    assert terms.top_up_isolated(exchange, 0, HOOD, 5.0) == ""
    assert account(floor).positions_margin().isolated_equity[HOOD] == pytest.approx(2 * 75.721)
    assert terms.top_up_isolated(exchange, 0, HOOD, 0.0) == "Invalid leverage value"
    floor.check()


def test_transfers_leave_margin_behind() -> None:
    floor = Floor(usd=100.0)
    exchange = floor.exchange
    floor.hold(0, TSLA, 1.0)  # 21.7 USD at 20x, but a tenth of the notional must stay
    spare = transfers.spare(account(floor), "xyz")
    assert spare / MICRO == pytest.approx(100 - 43.4, abs=0.2)
    assert transfers.move(exchange, 0, "xyz", 0, "para", spare + MICRO, floor.now)
    assert transfers.move(exchange, 0, "xyz", 0, "para", 0, floor.now)
    assert transfers.move(exchange, 0, "xyz", 0, "para", spare, floor.now) == ""
    assert account(floor).balance("para") == 100 * MICRO + spare
    floor.place(0, ETH, 0, 2100.0, 0.5)  # 52.5 USD reserved
    assert transfers.spare(account(floor), "") == 100 * MICRO - 52_500_000
    with pytest.raises(ValueError, match="nowhere"):
        transfers.spare(account(floor), "nowhere")
    floor.check()


def test_spot_and_perpetuals_of_a_standard_account() -> None:
    floor = Floor(usd=100.0)
    exchange = floor.exchange
    assert transfers.class_transfer(exchange, 0, 40 * MICRO, floor.now, to_perp=True) == ""
    assert (account(floor).spot, account(floor).cash[0]) == (60 * MICRO, 140 * MICRO)
    assert transfers.class_transfer(exchange, 0, 140 * MICRO, floor.now, to_perp=False) == ""
    assert account(floor).spot == 200 * MICRO
    assert transfers.class_transfer(exchange, 2, MICRO, floor.now, to_perp=True) == (
        "Action disabled when unified account is active"
    )
    floor.check()


def test_an_account_is_unified_at_any_time_and_separate_only_when_flat() -> None:
    floor = Floor(usd=100.0)
    exchange = floor.exchange
    floor.hold(0, TSLA, 1.0)
    record = floor.place(0, AVGO, 0, 425.0, 1.0).record
    equity = account(floor).margin().equity.sum() + 100.0
    assert transfers.set_mode(exchange, 0, "unified") == ""
    assert account(floor).margin().equity == pytest.approx([equity])
    assert account(floor).spot == 0
    floor.check()
    assert transfers.set_mode(exchange, 0, "standard").startswith("Cannot change")
    assert record is not None
    exchange.cancel(0, record.oid, floor.now)
    floor.place(0, TSLA, 1, 436.0, 1.0)
    floor.take(TSLA, 0, 436.0, 1.0)
    assert transfers.set_mode(exchange, 0, "standard") == ""
    assert account(floor).cash == [0] * len(UNIVERSE.pools)
    assert account(floor).spot / MICRO == pytest.approx(equity, abs=3.0)
    floor.check()


def test_scheduled_cancels_need_volume_and_notice_and_end_after_ten_a_day() -> None:
    floor = Floor()
    exchange, now = floor.exchange, floor.now
    account(floor).volume = 12_066_750_000
    assert schedule.arm(exchange, 0, now + 60 * NS, now) == (
        "Cannot set scheduled cancel time until enough volume traded. "
        "Required: $1000000. Traded: $12066.75."
    )
    account(floor).volume = 1_000_000 * MICRO
    assert schedule.arm(exchange, 0, now + 5 * NS - 1, now).startswith("Scheduled cancel time")
    for number in range(10):
        floor.place(0, TSLA, 0, 430.0, 1.0, cloid=f"c{number}")
        due = now + (number + 1) * 10 * NS
        assert schedule.arm(exchange, 0, due, due - 5 * NS) == ""
        schedule.fire(exchange, 0, due - 1)
        assert account(floor).open
        schedule.fire(exchange, 0, due)
        assert not account(floor).open
        assert (f"c{number}", "scheduledCancel") in floor.changes()
    assert schedule.arm(exchange, 0, now + 200 * NS, now + 150 * NS).startswith("Too many sched")
    assert schedule.arm(exchange, 0, None, now) == ""
    assert schedule.arm(exchange, 0, now + 90_000 * NS, now + 86_400 * NS) == ""
