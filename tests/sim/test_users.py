"""Many users at one exchange: nothing is created or lost, and every order is where its record says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.types import NS
from sim.exchange import terms, transfers
from sim.exchange.exchange import Exchange
from sim.exchange.messages import MICRO, Execution, Ledger
from sim.exchange.orders import Outcome, Ticket, Trigger
from tests.sim.floor import (
    AVGO,
    BUY,
    ETH,
    OWN,
    PLACES,
    PRICE,
    SELL,
    TSLA,
    UNIVERSE,
    Floor,
    size,
    units,
)

user, asset, side = st.integers(0, OWN - 1), st.integers(0, 3), st.integers(0, 1)
offset, usd = st.floats(-0.03, 0.03), st.floats(5.0, 30_000.0)
tif = st.sampled_from(("Alo", "Gtc", "Ioc"))
action = st.one_of(
    st.tuples(st.just("place"), user, asset, side, offset, usd, tif, st.booleans()),
    st.tuples(st.just("place"), user, asset, side, offset, usd, tif, st.booleans()),
    st.tuples(st.just("trigger"), user, asset, side, offset, usd, st.booleans(), st.booleans()),
    st.tuples(st.just("cancel"), user, st.integers(0, 9)),
    st.tuples(st.just("modify"), user, st.integers(0, 9), offset, usd, st.booleans()),
    st.tuples(st.just("take"), asset, side, offset, usd),
    st.tuples(st.just("move"), user, user, st.sampled_from(PLACES), st.sampled_from(PLACES), usd),
    st.tuples(st.just("leverage"), user, asset, st.integers(0, 30), st.booleans()),
    st.tuples(st.just("margin"), user, asset, st.floats(-2000.0, 2000.0)),
    st.tuples(st.just("mode"), user, st.sampled_from(("standard", "unified"))),
    st.tuples(st.just("marks"), asset, st.floats(0.6, 1.5)),
    st.tuples(
        st.just("funding"),
    ),
)


def act(floor: Floor, kind: str, *rest: Any) -> None:
    exchange, price = floor.exchange, floor.exchange.mark
    match kind, rest:
        case "place", (who, which, way, off, value, how, only):
            at = price[which] * (1.0 + off)
            floor.place(who, which, way, at, value / at, tif=how, reduce_only=only)
        case "trigger", (who, which, way, off, value, market, only):
            at = price[which] * (1.0 + off)
            trigger = Trigger(units(which, at), market, "tp" if off > 0 else "sl")
            floor.place(who, which, way, at, value / at, trigger=trigger, reduce_only=only)
        case "cancel", (who, index):
            live = list(exchange.accounts[who].open)
            exchange.cancel(who, live[index % len(live)] if live else 5, floor.now)
        case "modify", (who, index, off, value, always):
            live = list(exchange.accounts[who].open.values())
            if live:
                old = live[index % len(live)]
                at = price[old.asset] * (1.0 + off)
                lots = size(old.asset, value / at)
                ticket = Ticket(old.asset, old.side, units(old.asset, at), lots, old.cloid, "Gtc")
                exchange.modify(who, old.oid, ticket, floor.now, always_place=always)
        case "take", (which, way, off, value):
            at = price[which] * (1.0 + off)
            floor.take(which, way, at, value / at)
            floor.refresh()
        case "move", (who, to, source, destination, value):
            micro = round(value * MICRO)
            transfers.move(exchange, who, source, to, destination, micro, floor.now)
        case "leverage", (who, which, leverage, cross):
            terms.set_leverage(exchange, who, which, leverage, is_cross=cross)
        case "margin", (who, which, value):
            terms.adjust_isolated(exchange, who, which, round(value * MICRO))
        case "mode", (who, mode):
            transfers.set_mode(exchange, who, mode)
        case "marks", (which, factor):
            target = price.copy()
            target[which] = PRICE[which] * factor
            for _ in range(8):
                floor.marks(target)
            floor.refresh()
        case _:
            exchange.sample_premium()
            exchange.settle_funding(floor.now)


@settings(deadline=None, max_examples=120)
@given(st.lists(action, max_size=40))
def test_nothing_is_created_or_lost_and_records_are_the_books(actions: list[Any]) -> None:
    floor = Floor()
    for kind, *rest in actions:
        act(floor, kind, *rest)
        floor.check()


@settings(deadline=None, max_examples=60)
@given(st.lists(action, max_size=30))
def test_what_may_leave_keeps_every_margin(actions: list[Any]) -> None:
    """After taking out all that may leave, initial margin is still covered."""
    floor = Floor()
    for kind, *rest in actions:
        act(floor, kind, *rest)
    for who, account in enumerate(floor.exchange.accounts):
        for place in PLACES:
            pool = account.pool_at(place)
            spare = transfers.spare(account, place)
            over = transfers.move(floor.exchange, who, place, 0, "spot", spare + MICRO, floor.now)
            assert over == "Insufficient balance for transfer."
            if spare > 0 and who > 0:
                assert not transfers.move(floor.exchange, who, place, 0, "spot", spare, floor.now)
                if pool is not None:
                    assert account.positions_margin().cross_equity[pool] >= -1e-6
                    assert account.withdrawable(pool) <= 1
                    own = account.pool.index(pool) if pool in account.pool else 0
                    assert pool not in account.pool or account.available(own) >= -1
    floor.check()


def test_users_trade_with_each_other_and_both_are_told() -> None:
    floor = Floor()
    maker = floor.place(0, TSLA, BUY, 433.0, 2.0, cloid="m", tif="Gtc").record
    floor.news()
    outcome = floor.place(2, TSLA, SELL, 430.0, 3.0, cloid="t", tif="Gtc")
    assert outcome.trades == [(433_000, 2000)]  # the rest found no bid as high as 430
    first, second = [m for _, m in floor.news() if isinstance(m, Execution)][:2]
    assert (first.oid, first.crossed, first.side, first.cloid) == (maker.oid, False, BUY, "m")
    assert (second.crossed, second.side, second.cloid) == (True, SELL, "t")
    assert first.tid == second.tid
    assert (first.direction, second.direction) == ("Open Long", "Open Short")
    trade = floor.exchange.prints[0]
    assert (trade.buyer, trade.seller, trade.tid, trade.side) == (0, 2, first.tid, SELL)
    assert second.fee == round(433_000 * 2000 * UNIVERSE.instruments[TSLA].taker_fee)
    floor.check()


@pytest.mark.parametrize(
    ("start", "contracts", "word"),
    [
        (0.0, 1.0, "Open Long"),
        (0.0, -1.0, "Open Short"),
        (2.0, 1.0, "Open Long"),
        (2.0, -2.0, "Close Long"),
        (2.0, -3.0, "Long > Short"),
        (-2.0, -1.0, "Open Short"),
        (-2.0, 1.0, "Close Short"),
        (-2.0, 3.0, "Short > Long"),
    ],
)
def test_executions_say_what_they_did(start: float, contracts: float, word: str) -> None:
    floor = Floor()
    if start:
        floor.hold(0, TSLA, start)
    side = BUY if contracts > 0 else SELL
    floor.place(0, TSLA, side, 440.0 if side == BUY else 428.0, abs(contracts), tif="Ioc")
    fill = floor.exchange.accounts[0].fills[-1]
    assert fill.direction == word
    assert fill.start_lots == size(TSLA, start)
    closed = min(abs(start), abs(contracts)) if start * contracts < 0 else 0.0
    paid = units(TSLA, PRICE[TSLA])
    profit = (fill.units - paid) * size(TSLA, closed) * (1 if start > 0 else -1)
    assert fill.closed_pnl == profit
    floor.check()


def test_an_order_may_take_in_part_and_rest_with_the_remainder() -> None:
    floor = Floor()
    floor.place(0, TSLA, SELL, 434.0, 1.0)
    outcome = floor.place(1, TSLA, BUY, 434.0, 1.5, tif="Gtc")
    assert (outcome.filled_lots, outcome.average_units) == (1000, 434_000)
    assert outcome.record is not None
    assert (outcome.record.status, outcome.record.lots, outcome.record.original_lots) == (
        "open",
        500,
        1500,
    )
    outcome = floor.place(0, TSLA, SELL, 434.0, 2.0, tif="Ioc")
    assert outcome.filled_lots == 500
    assert outcome.record is not None
    assert (outcome.record.status, outcome.record.lots) == ("canceled", 1500)
    assert not outcome.error


REFUSALS = [
    ({"price": 433.0, "contracts": 0.0}, "rejected", "Order has zero size. asset=110001"),
    ({"price": 433.0, "contracts": -1e-3}, "rejected", "Order has invalid size. asset=110001"),
    ({"price": 433.0, "contracts": 0.02}, "minTradeNtlRejected", "Order must have minimum value of $10. asset=110001"),
    ({"price": 433.0, "contracts": 900.0}, "perpMarginRejected", "Insufficient margin to place order. asset=110001"),
    ({"price": 10.0, "contracts": 10.0}, "oracleRejected", "Order price cannot be more than 95% away from the reference price asset=110001"),
    ({"price": 439.0, "contracts": 1.0}, "badAloPxRejected", "Post only order would have immediately matched, bbo was 429.3@438. asset=110001"),
    ({"price": 433.0, "contracts": 1.0, "tif": "Ioc"}, "iocCancelRejected", "Order could not immediately match against any resting orders. asset=110001"),
    ({"price": 433.0, "contracts": 1.0, "reduce_only": True}, "reduceOnlyRejected", "Reduce only order would increase position. asset=110001"),
    ({"price": 440.0, "contracts": 1.0, "trigger": Trigger(440_000, True, "sl"), "side": SELL}, "badTriggerPxRejected", "Invalid TP/SL price. asset=110001"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "status", "text"), REFUSALS)
def test_refusals_have_the_venues_words_and_leave_a_record(
    how: dict[str, Any], status: str, text: str
) -> None:
    floor = Floor()
    outcome = floor.place(0, TSLA, **{"side": BUY, **how})
    assert outcome.error == text
    assert outcome.record is not None
    assert outcome.record.status == status
    account = floor.exchange.accounts[0]
    assert list(account.history) == [outcome.record]
    assert not account.open
    floor.check()


def test_a_price_off_the_grid_is_refused() -> None:
    floor = Floor()
    ticket = Ticket(TSLA, BUY, 433_111, 1000)
    text = "Price must be divisible by tick size. asset=110001"
    assert floor.exchange.place(0, ticket, floor.now).error == text
    assert floor.exchange.place(0, ticket._replace(units=-1), floor.now).error == text


def test_self_trade_cancels_the_resting_order_without_a_print() -> None:
    floor = Floor()
    floor.place(0, TSLA, SELL, 434.0, 1.0, cloid="rests")
    floor.exchange.prints.clear()
    outcome = floor.place(0, TSLA, BUY, 434.0, 1.0, cloid="comes", tif="Gtc")
    assert floor.changes()[-2:] == [("rests", "selfTradeCanceled"), ("comes", "open")]
    assert outcome.trades == []
    assert not floor.exchange.prints
    floor.check()


def test_reduce_only_follows_the_position_and_ends_with_it() -> None:
    floor = Floor()
    floor.hold(0, TSLA, 2.0)
    outcome = floor.place(0, TSLA, SELL, 436.0, 5.0, cloid="out", reduce_only=True)
    record = outcome.record
    assert record is not None
    assert (record.lots, record.original_lots) == (2000, 5000)
    assert floor.exchange.accounts[0].reserved[1] == 0
    floor.place(0, TSLA, SELL, 435.0, 0.5)
    floor.take(TSLA, BUY, 435.0, 0.5)
    assert record.lots == 1500
    assert floor.exchange.books[TSLA].depth(1, 1) == ([436_000], [1500])
    floor.place(0, TSLA, SELL, 435.0, 1.5)
    floor.take(TSLA, BUY, 435.0, 1.5)
    assert ("out", "reduceOnlyCanceled") in floor.changes()
    assert record.status == "reduceOnlyCanceled"
    floor.check()


def test_two_reduce_only_orders_in_one_sweep_close_the_position_once() -> None:
    floor = Floor()
    floor.hold(0, TSLA, 1.0)
    first = floor.place(0, TSLA, SELL, 434.0, 1.0, reduce_only=True).record
    second = floor.place(0, TSLA, SELL, 434.0, 1.0, reduce_only=True).record
    floor.take(TSLA, BUY, 434.0, 2.0)
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == ("filled", "reduceOnlyCanceled")
    assert floor.exchange.accounts[0].lots[TSLA] == 0
    floor.check()


def test_closing_below_the_minimum_is_allowed_for_the_whole_position_only() -> None:
    floor = Floor()
    floor.hold(0, TSLA, 0.03)
    floor.place(0, TSLA, SELL, 436.0, 0.02)  # not worth ten dollars, not the whole
    assert not floor.exchange.accounts[0].open
    refused = floor.place(0, TSLA, SELL, 436.0, 0.02, reduce_only=True)
    assert refused.error.startswith("Order must have minimum value of $10.")
    assert not floor.exchange.place(
        0, Ticket(TSLA, SELL, 436_000, 40, reduce_only=True), floor.now
    ).error


@pytest.mark.parametrize(("tpsl", "price", "mark"), [("sl", 425.0, 420.0), ("tp", 440.0, 445.0)])
def test_a_trigger_waits_for_the_mark_and_closes(tpsl: Any, price: float, mark: float) -> None:
    floor = Floor()
    floor.hold(0, TSLA, 1.0)
    trigger = Trigger(units(TSLA, price), True, tpsl)
    outcome = floor.place(0, TSLA, SELL, 400.0, 1.0, cloid="t", reduce_only=True, trigger=trigger)
    assert outcome.record is not None
    assert outcome.record.is_open
    assert outcome.record.waiting
    floor.marks(PRICE)
    assert outcome.record.waiting
    floor.news()
    target = PRICE.copy()
    target[TSLA] = mark
    for _ in range(5):
        floor.marks(target)
    assert [status for cloid, status in floor.changes() if cloid == "t"] == ["triggered", "filled"]
    assert floor.exchange.accounts[0].lots[TSLA] == 0
    floor.check()


def test_a_trigger_that_finds_nothing_to_reduce_ends() -> None:
    floor = Floor()
    trigger = Trigger(units(TSLA, 425.0), True, "sl")
    record = floor.place(0, TSLA, SELL, 400.0, 1.0, reduce_only=True, trigger=trigger).record
    floor.exchange.mark = floor.exchange.mark * np.array([1, 0.97, 1, 1])
    floor.marks(PRICE * np.array([1, 0.97, 1, 1]))
    assert record is not None
    assert record.status == "reduceOnlyCanceled"
    assert floor.exchange.cancel(0, record.oid, floor.now, TSLA) == (
        "Order was never placed, already canceled, or filled. asset=110001"
    )


def test_modify_needs_a_live_order_and_may_keep_its_name() -> None:
    floor = Floor()
    old = floor.place(0, TSLA, BUY, 432.0, 1.0, cloid="a", tif="Gtc").record
    assert old is not None
    ticket = Ticket(TSLA, BUY, 432_500, 1000, "a", "Gtc")
    outcome = floor.exchange.modify(0, "a", ticket, floor.now)
    assert outcome.record is not None
    assert outcome.record.oid != old.oid
    assert floor.exchange.find(0, "a") is outcome.record
    assert old.status == "canceled"
    crossing = floor.exchange.modify(0, "a", ticket._replace(units=438_000), floor.now)
    assert crossing.error.startswith(
        "Error placing new order during modify: Post only order would have immediately matched"
    )
    gone = floor.exchange.modify(0, outcome.record.oid, ticket, floor.now)
    assert gone == Outcome(None, "Cannot modify canceled or filled order")
    other = floor.place(0, TSLA, BUY, 432.0, 1.0).record
    assert other is not None
    taken = floor.exchange.modify(
        0, other.oid, ticket._replace(units=438_000), floor.now, always_place=True
    )
    assert taken.filled_lots == 1000
    assert floor.exchange.modify(1, other.oid, ticket, floor.now).record is None


def test_orders_are_found_by_their_owner_only() -> None:
    floor = Floor()
    record = floor.place(0, TSLA, BUY, 432.0, 1.0, cloid="a").record
    assert record is not None
    assert floor.exchange.find(0, record.oid) is floor.exchange.find(0, "a") is record
    assert floor.exchange.find(1, record.oid) is None
    assert floor.exchange.cancel(1, record.oid, floor.now, TSLA).startswith("Order was never")
    assert floor.exchange.cancel(0, record.oid, floor.now, ETH).startswith("Order was never")
    assert floor.exchange.cancel(0, record.oid, floor.now, TSLA) == ""


def test_a_refused_client_id_may_be_tried_again_but_an_accepted_one_not() -> None:
    floor = Floor()
    assert floor.place(0, TSLA, BUY, 439.0, 1.0, cloid="a").error.startswith("Post only")
    assert floor.place(0, TSLA, BUY, 432.0, 1.0, cloid="a").error == ""
    assert floor.place(0, TSLA, BUY, 432.0, 1.0, cloid="a").error.startswith("Client order id")
    assert floor.place(1, TSLA, BUY, 432.0, 1.0, cloid="a").error == ""
    live = floor.exchange.find(0, "a")
    assert live is not None
    assert live.is_open


def test_open_orders_are_limited_and_volume_raises_the_limit() -> None:
    floor = Floor(usd=1e8)
    account = floor.exchange.accounts[0]
    floor.hold(0, TSLA, 1.0)
    for number in range(1000):
        ticket = Ticket(TSLA, BUY, units(TSLA, 400.0 + number * 0.01), 100)
        assert not floor.exchange.place(0, ticket, floor.now).error
    assert floor.place(0, TSLA, BUY, 399.0, 1.0).error.startswith("Too many open orders.")
    account.volume += 5_000_000 * MICRO
    assert not floor.place(0, TSLA, BUY, 399.0, 1.0).error
    reducing = floor.place(0, TSLA, SELL, 436.0, 1.0, reduce_only=True)
    assert reducing.error.startswith("Too many open orders.")


def test_open_interest_is_capped() -> None:
    floor = Floor(usd=1e7)
    floor.exchange = Exchange(UNIVERSE, PRICE.copy(), [np.inf, 1000.0, np.inf, np.inf])
    exchange = floor.exchange
    exchange.open_user("standard", 1e9)
    transfers.credit(exchange, 0, "xyz", 10**13, floor.now)
    assert floor.place(0, TSLA, BUY, 433.0, 3.0).error == (
        "Order would increase open interest while open interest is capped asset=110001"
    )
    floor.hold(0, TSLA, 2.0)
    assert floor.place(0, TSLA, SELL, 436.0, 2.0).error == ""
    assert floor.place(0, TSLA, BUY, 430.0, 1.0).error.startswith("Order would increase open int")


def test_pools_of_a_standard_account_are_apart_and_a_unified_one_shares() -> None:
    floor = Floor(usd=100.0)
    assert not floor.place(0, TSLA, BUY, 433.0, 4.0).error  # 1732 USD at 20x
    assert floor.place(0, TSLA, BUY, 433.0, 4.0).error.startswith("Insufficient margin")
    assert not floor.place(0, AVGO, BUY, 425.0, 4.0).error
    assert not floor.place(2, TSLA, BUY, 433.0, 2.0).error
    assert not floor.place(2, AVGO, BUY, 425.0, 2.0).error
    assert floor.place(2, ETH, BUY, 2120.0, 0.5).error.startswith("Insufficient margin")


def test_liquidation_tells_why() -> None:
    floor = Floor(usd=100.0)
    floor.hold(0, TSLA, 4.0)
    floor.marks(PRICE * np.array([1, 0.99, 1, 1]))
    target = PRICE * np.array([1, 0.9, 1, 1])
    for _ in range(20):
        floor.marks(target)
        floor.refresh()
    reasons = [m.liquidation for _, m in floor.news() if isinstance(m, Execution)]
    assert reasons
    assert {r.method for r in reasons if r is not None} <= {"market", "backstop"}
    assert reasons[0] is not None
    assert reasons[0].owner == 0
    floor.check()


def test_a_request_of_many_is_rationed_as_one() -> None:
    floor = Floor()
    floor.exchange.accounts[0].requests.cap = 5.0
    assert floor.exchange.ration(0, 5, floor.now) == ""
    assert floor.exchange.ration(0, 2, floor.now) == (
        "Too many cumulative requests sent (7 > 5) for cumulative volume traded $0.00. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    assert floor.exchange.ration(0, 5, floor.now, cancel=True) == ""
    assert floor.exchange.ration(0, 1, floor.now + 11 * NS) == ""


def test_ledger_entries_reach_both_sides() -> None:
    floor = Floor()
    floor.news()
    assert transfers.move(floor.exchange, 0, "xyz", 4, "spot", 50 * MICRO, floor.now) == ""
    sent, got = floor.news()
    assert sent == (0, Ledger(floor.now, "send", -50 * MICRO, "xyz", "spot", 4))
    assert got == (4, Ledger(floor.now, "send", 50 * MICRO, "xyz", "spot", 0))
    assert floor.exchange.accounts[4].spot == 10_050 * MICRO


def test_history_is_bounded_and_open_orders_are_never_forgotten() -> None:
    floor = Floor(users=1)
    account = floor.exchange.accounts[0]
    kept = floor.place(0, TSLA, BUY, 400.0, 1.0, cloid="kept").record
    for number in range(10_050):
        record = floor.exchange.place(
            0, Ticket(TSLA, BUY, 430_000, 100, f"c{number}"), floor.now
        ).record
        assert record is not None
        floor.exchange.cancel(0, record.oid, floor.now)
        floor.exchange.outbox.clear()
    assert len(account.history) == 10_000
    assert len(account.records) == len(account.cloids) == 10_001
    assert floor.exchange.find(0, "kept") is kept
    assert floor.exchange.find(0, "c0") is None
