from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from portfolio_mm.config import Asset
from portfolio_mm.rules import ticks
from portfolio_mm.types import NS, UNKNOWN, UNSENT, Events, NewOrder, Orders
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid.dispatch import EXPIRY_S
from portfolio_mm.venues.hyperliquid.markets import MarketError
from portfolio_mm.venues.hyperliquid.transport import Answer, Lost, NotSent
from portfolio_mm.venues.hyperliquid.venue import SETTLED_S, HyperliquidVenue

NEVER = np.full(2, np.inf)


def cloid(number: int) -> str:
    return f"0x{number:032x}"


def order(number: int, *, asset: int = 0, side: int = 0, lots: int = 100) -> NewOrder:
    price = ((59_000.0, 61_000.0), (170.0, 190.0))[asset][side]
    units = int(ticks.to_units(price, (5, 3)[asset], 1 - 2 * side))
    return NewOrder(cloid=cloid(number), asset=asset, side=side, level=0, units=units, lots=lots)


async def settle(venue: HyperliquidVenue, seconds: float = 2.0) -> Events:
    """Collect everything that happens in some seconds."""
    until = venue.now_ns + round(seconds * NS)
    fills, updates, funding = [], [], []
    while venue.now_ns < until:
        events = await venue.wait(until, NEVER)
        fills += events.fills
        updates += events.updates
        funding += events.funding
    return Events(fills=tuple(fills), updates=tuple(updates), funding=tuple(funding))


def words(events: Events) -> list[tuple[str, str]]:
    return [(update.cloid, update.status) for update in events.updates]


async def send(venue: HyperliquidVenue, **what: Any) -> Events:
    await venue.send(Orders(time_ns=venue.now_ns, **what))
    return await settle(venue)


# Opening


def test_the_universe_and_the_account_are_what_the_venue_says(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        assert venue.universe.names == ("BTC", "xyz:NVDA")
        assert venue.universe.pools == ("main", "xyz")
        snapshot, account = venue.snapshot(), venue.account()
        assert snapshot.bid_price[:, 0].tolist() == [59_999.0, 179.99]
        assert snapshot.mark.tolist() == [60_000.0, 180.0]
        assert snapshot.settlement_ns % (3600 * NS) == 0
        assert account.equity.tolist() == [10_000.0, 10_000.0]
        assert account.address_requests == 10_000.0
        assert not venue.gap
        assert venue.skew_s == 0.0

    bench.run(body)
    assert not bench.scripted.posted


def test_a_unified_account_is_one_pool_and_counts_its_actions(bench: Any) -> None:
    bench.scripted.mode = "unifiedAccount"

    async def body(venue: HyperliquidVenue) -> None:
        assert venue.universe.pools == ("USDC",)
        assert venue.account().equity.tolist() == [10_000.0]
        assert venue.account().actions_left == 50_000.0
        await send(venue, places=(order(1),))
        assert venue.account().actions_left == 49_999.0

    bench.run(body)


def test_leverage_is_set_where_it_differs_and_refusals_are_named(bench: Any) -> None:
    cross = {"leverage": {"type": "cross", "value": 20}}
    bench.scripted.answers["activeAssetData"] = cross

    async def body(venue: HyperliquidVenue) -> None:
        assert await venue.prepare() == ()
        bench.scripted.actions = lambda action: {
            "status": "err",
            "response": "Cannot switch leverage type with open position.",
        }
        assert (await venue.prepare())[0].startswith("BTC: Cannot switch")

    bench.run(body)
    first = bench.scripted.posted[0]["action"]
    assert first == {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 10}


def test_leverage_that_is_right_is_left_alone(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        assert await venue.prepare() == ()

    bench.run(body)
    assert not bench.scripted.posted


def test_a_market_that_is_not_listed_is_refused_by_name(bench: Any) -> None:
    bench.assets = (Asset(name="xyz:NVDIA", leverage=5, size_usd=500.0),)

    async def body(venue: HyperliquidVenue) -> None:
        raise AssertionError

    with pytest.raises(MarketError, match="xyz:NVDIA"):
        bench.run(body)


def test_opening_survives_a_few_failures_and_reports_many(bench: Any) -> None:
    good, failures = bench.scripted.answers["userFees"], iter([Answer(502, b""), Lost("closed")])
    bench.scripted.answers["userFees"] = lambda question: next(failures, good)

    async def body(venue: HyperliquidVenue) -> None:
        assert len(venue.universe) == 2

    bench.run(body)
    bench.scripted.answers["userFees"] = Answer(502, b"")
    with pytest.raises(VenueError, match="userFees"):
        bench.run(body)


def test_a_market_without_a_book_does_not_hold_up_the_others(bench: Any) -> None:
    bench.scripted.silent = {"activeAssetCtx"}

    async def body(venue: HyperliquidVenue) -> None:
        assert np.isnan(venue.snapshot().mark).all()
        assert np.isfinite(venue.account().equity).all()

    bench.run(body)


# First words


def test_every_kind_of_order_gets_its_word_and_its_latency(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        placed = await send(venue, places=(order(1), order(2, side=1), order(3, asset=1)))
        assert words(placed) == [(cloid(n), "open") for n in (1, 2, 3)]
        assert all(update.oid for update in placed.updates)
        changed = await send(venue, cancels=(cloid(1),), modifies=((cloid(2), order(4, side=1)),))
        assert sorted(words(changed)) == [
            (cloid(1), "canceled"),
            (cloid(2), "canceled"),
            (cloid(4), "open"),
        ]
        kinds = [(row.kind, row.orders, round(row.seconds, 3)) for row in venue.latencies()]
        assert kinds == [("place", 3, 0.3), ("cancel", 1, 0.3), ("modify", 1, 0.3)]
        assert venue.latencies() == ()

    bench.run(body)
    placed = bench.scripted.posted[0]
    assert {wire["t"]["limit"]["tif"] for wire in placed["action"]["orders"]} == {"Alo"}
    assert placed["expiresAfter"] is not None
    assert bench.scripted.posted[1]["action"]["type"] == "cancelByCloid"
    assert bench.scripted.posted[1]["expiresAfter"] is None


def test_send_does_not_wait_for_the_venue(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        before = venue.now_ns
        await venue.send(Orders(time_ns=before, places=(order(1),)))
        assert venue.now_ns == before
        await asyncio.sleep(0.01)
        assert len(bench.scripted.posted) == 1
        assert venue.account().order_margin[0] == pytest.approx(59_000 * 0.001 / 10)

    bench.run(body)


def test_errors_inside_a_batch_are_told_one_by_one(bench: Any) -> None:
    text = "Post only order would have immediately matched, bbo was 1@2. asset=0"

    async def body(venue: HyperliquidVenue) -> None:
        statuses = [{"resting": {"oid": 7}}, {"error": text}]
        bench.scripted.actions = lambda action: {
            "status": "ok",
            "response": {"type": "order", "data": {"statuses": statuses}},
        }
        said = (await send(venue, places=(order(1), order(2)))).updates
        assert [(u.status, u.oid, u.reason) for u in said] == [
            ("open", 7, ""),
            ("rejected", 0, text),
        ]
        assert venue.account().order_margin[0] == pytest.approx(59_000 * 0.001 / 10)

    bench.run(body)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"status": "err", "response": "Invalid nonce: duplicate nonce 1"}, "rejected"),
        (NotSent("refused"), UNSENT),
        (Answer(429, b"null"), UNSENT),
        (Lost("timeout"), UNKNOWN),
        (Answer(503, b"<html>"), UNKNOWN),
        (Answer(200, b'{"status":"ok","resp'), UNKNOWN),
        ({"status": "ok", "response": {"type": "order", "data": {"statuses": []}}}, UNKNOWN),
    ],
    ids=str,
)
def test_what_becomes_of_a_batch_that_fails(bench: Any, said: Any, status: str) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.actions = lambda action: said
        assert words(await send(venue, places=(order(1), order(2)))) == [
            (cloid(1), status),
            (cloid(2), status),
        ]
        rests = status == UNKNOWN
        assert bool(venue.account().order_margin[0]) == rests

    bench.run(body)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (NotSent("refused"), "open"),
        ({"status": "err", "response": "Invalid nonce"}, "open"),
        (Lost("timeout"), UNKNOWN),
    ],
    ids=str,
)
def test_a_cancel_that_fails_never_ends_an_order(bench: Any, said: Any, status: str) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1),))
        bench.scripted.actions = lambda action: said
        events = await send(venue, cancels=(cloid(1),))
        assert words(events) == [(cloid(1), status)]
        assert events.updates[0].reason
        assert venue.account().order_margin[0] > 0.0

    bench.run(body)


def test_a_refused_cancel_is_looked_into(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1),))
        row = bench.scripted.orders.pop(cloid(1))
        bench.scripted.answers["orderStatus"] = {
            "status": "order",
            "order": {"order": row, "status": "filled", "statusTimestamp": bench.scripted.ms},
        }
        assert words(await send(venue, cancels=(cloid(1),))) == [(cloid(1), "filled")]

    bench.run(body)


def test_a_refused_modify_is_looked_into(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1),))
        bench.scripted.actions = lambda action: {
            "status": "ok",
            "response": {"type": "order", "data": {"statuses": [{"error": "Post only"}]}},
        }
        events = await send(venue, modifies=((cloid(1), order(2)),))
        assert sorted(words(events)) == [(cloid(1), "open"), (cloid(2), "rejected")]

    bench.run(body)


def test_a_lost_modify_leaves_both_in_doubt(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1),))
        bench.scripted.actions = lambda action: Lost("timeout")
        events = await send(venue, modifies=((cloid(1), order(2)),))
        assert sorted(words(events)) == [(cloid(1), UNKNOWN), (cloid(2), UNKNOWN)]

    bench.run(body)


def test_a_cancel_of_an_order_of_an_earlier_life_is_looked_into(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        wire = {"a": 0, "b": True, "p": "50000", "s": "0.001", "c": cloid(9)}
        bench.scripted.rest(wire)
        assert words(await send(venue, cancels=(cloid(9),))) == [(cloid(9), "open")]
        assert words(await send(venue, cancels=(cloid(9),))) == [(cloid(9), "canceled")]
        await settle(venue, EXPIRY_S + SETTLED_S)
        assert words(await send(venue, cancels=(cloid(8),))) == [(cloid(8), "rejected")]
        bench.scripted.answers["orderStatus"] = Answer(502, b"")
        assert words(await send(venue, cancels=(cloid(7),))) == [(cloid(7), UNKNOWN)]

    bench.run(body)
    assert len(bench.scripted.posted) == 1


def test_orders_of_others_are_cancelled_by_number(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.rest({"a": 0, "b": True, "p": "50000", "s": "0.001"})
        listed = (await venue.audit(0)).orders
        assert [(row.cloid, row.oid) for row in listed] == [("", 1001)]
        assert words(await send(venue, cancels=("1001",))) == [("1001", "canceled")]
        assert not (await venue.audit(0)).orders

    bench.run(body)


def test_exits_are_reduce_only_immediate_and_may_use_the_reserve(bench: Any) -> None:
    limit = {"cumVlm": "0.0", "nRequestsUsed": 9_990, "nRequestsCap": 10_000}
    bench.scripted.answers["userRateLimit"] = limit

    async def body(venue: HyperliquidVenue) -> None:
        assert words(await send(venue, places=(order(1),))) == [(cloid(1), UNSENT)]
        await send(venue, exits=(order(2, side=1),))
        wire = bench.scripted.posted[0]["action"]["orders"][0]
        assert (wire["t"], wire["r"]) == ({"limit": {"tif": "Ioc"}}, True)
        assert venue.account().address_requests == 9.0

    bench.run(body)


def test_only_the_cancel_of_everything_may_use_the_reserve(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1), order(2, side=1)))
        limit = {"cumVlm": "0.0", "nRequestsUsed": 9_990, "nRequestsCap": 10_000}
        bench.scripted.answers["userRateLimit"] = limit
        await asyncio.sleep(301.0)
        assert words(await send(venue, cancels=(cloid(1),))) == [(cloid(1), "open")]
        both = await send(venue, cancels=(cloid(1), cloid(2)))
        assert words(both) == [(cloid(1), "canceled"), (cloid(2), "canceled")]

    bench.run(body)


@pytest.mark.parametrize(("lots", "together"), [(100, True), (160_000, False)])
def test_orders_that_need_the_margin_of_those_leaving_wait_for_the_cancels(
    bench: Any, lots: int, together: bool
) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1, lots=lots),))
        start = venue.now_ns
        await venue.send(Orders(time_ns=start, cancels=(cloid(1),), places=(order(2, lots=lots),)))
        await asyncio.sleep(0.01)
        assert len(bench.scripted.posted) == (3 if together else 2)
        await settle(venue)
        assert len(bench.scripted.posted) == 3
        assert cloid(2) in bench.scripted.orders

    bench.run(body)


def test_words_are_told_once_and_an_end_is_final(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await venue.send(Orders(time_ns=venue.now_ns, places=(order(1),)))
        bench.scripted.report(cloid(1), "open")
        bench.scripted.report(cloid(1), "open")
        assert words(await settle(venue)) == [(cloid(1), "open")]
        for status in ("canceled", "canceled", "open"):
            bench.scripted.report(cloid(1), status)
        assert words(await settle(venue)) == [(cloid(1), "canceled")]
        assert venue.account().order_margin[0] == 0.0

    bench.run(body)


def test_a_lost_reply_is_no_news_when_the_socket_has_told(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.actions = lambda action: Lost("timeout")
        await venue.send(Orders(time_ns=venue.now_ns, places=(order(1),)))
        bench.scripted.report(cloid(1), "open")
        assert words(await settle(venue)) == [(cloid(1), "open")]

    bench.run(body)


# Inquiries


def test_an_order_that_never_arrived_is_over_once_it_cannot_arrive(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.actions = lambda action: Lost("timeout")
        await send(venue, places=(order(1),))
        await venue.inquire((cloid(1),))
        assert words(await settle(venue)) == []
        await settle(venue, EXPIRY_S + SETTLED_S)
        await venue.inquire((cloid(1),))
        events = await settle(venue)
        assert words(events) == [(cloid(1), "rejected")]
        assert events.updates[0].reason == "never arrived"

    bench.run(body)


def test_an_order_that_did_arrive_is_found(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        def lose(action: dict[str, Any]) -> Any:
            bench.scripted.execute(action)
            return Lost("timeout")

        bench.scripted.actions = lose
        await send(venue, places=(order(1),))
        await venue.inquire((cloid(1),))
        assert words(await settle(venue)) == [(cloid(1), "open")]

    bench.run(body)


def test_an_inquiry_that_fails_says_so(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.answers["orderStatus"] = Answer(500, b"")
        with pytest.raises(VenueError, match="orderStatus"):
            await venue.inquire((cloid(1), cloid(2)))

    bench.run(body)


# Fills and the account


def test_fills_come_once_and_move_the_account(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1),))
        row = bench.scripted.fill(
            "BTC", "B", 59_000.0, "0.0005", "0.0", tid=5, cloid=cloid(1), fee="-0.02"
        )
        for _ in range(2):
            bench.scripted.push("userFills", {"user": "0x", "fills": [row]})
        (fill,) = (await settle(venue)).fills
        assert (fill.side, fill.size, fill.fee, fill.cloid) == (1, 0.0005, -0.02, cloid(1))
        assert fill.maker
        account = venue.account()
        assert account.position[0] == 0.0005
        assert account.equity[0] == pytest.approx(10_000.0 + 0.0005 * 1000.0 + 0.02)
        assert account.order_margin[0] == pytest.approx(59_000 * 0.0005 / 10)
        assert not venue.gap

    bench.run(body)


def test_a_fill_wakes_the_engine_at_once(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await settle(venue)
        row = bench.scripted.fill("BTC", "B", 59_000.0, "0.0005", "0.0", tid=5)
        bench.scripted.push("userFills", {"user": "0x", "fills": [row]})
        before = venue.now_ns
        events = await venue.wait(before + 10 * NS, NEVER)
        assert len(events.fills) == 1
        assert venue.now_ns - before < NS // 50

    bench.run(body)


def test_old_fills_of_the_first_snapshot_are_no_events(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        assert not (await settle(venue)).fills

    bench.scripted.fills = [
        {
            "coin": "BTC",
            "px": "1",
            "sz": "1",
            "side": "B",
            "time": 5,
            "startPosition": "0",
            "closedPnl": "0",
            "oid": 1,
            "crossed": False,
            "fee": "0",
            "tid": 1,
            "feeToken": "USDC",
        }
    ]
    bench.run(body)


def test_fills_of_a_gap_come_with_the_next_snapshot(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        for socket in bench.scripted.sockets:
            socket.drop()
        await asyncio.sleep(0.0)
        bench.scripted.fill("BTC", "B", 59_000.0, "0.0005", "0.0", tid=5)
        events = await settle(venue, 5.0)
        assert [fill.fill_id for fill in events.fills] == [5]
        assert venue.gap
        await venue.audit(0)
        assert not venue.gap

    bench.run(body)


def test_an_audit_of_a_gap_that_is_not_over_does_not_close_it(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.refuse_sockets = 4
        for socket in bench.scripted.sockets:
            socket.drop()
        await asyncio.sleep(0.0)
        await venue.audit(0)
        assert venue.gap
        await settle(venue, 20.0)
        assert venue._user.ready
        assert venue.gap
        await venue.audit(0)
        assert not venue.gap

    bench.run(body)


def test_a_fill_that_starts_elsewhere_asks_for_an_audit(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        row = bench.scripted.fill("BTC", "B", 59_000.0, "0.0005", "0.5", tid=5)
        bench.scripted.push("userFills", {"user": "0x", "fills": [row]})
        await settle(venue)
        assert venue.gap

    bench.run(body)


def test_fills_outside_the_run_are_counted(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        row = bench.scripted.fill("ETH", "B", 4_000.0, "0.1", "0.0", tid=5)
        bench.scripted.push("userFills", {"user": "0x", "fills": [row]})
        assert not (await settle(venue)).fills
        assert venue.strangers == {"ETH": 1}

    bench.run(body)


def test_funding_is_counted_once(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        paid = {"coin": "BTC", "usdc": "-1.5", "szi": "1", "fundingRate": "0.0001"}
        for time in (bench.scripted.ms + 5, bench.scripted.ms + 5, 1):
            rows = [paid | {"time": time}]
            bench.scripted.push("userFundings", {"user": "0x", "fundings": rows})
        events = await settle(venue)
        assert [payment.usd for payment in events.funding] == [1.5]
        assert venue.account().funding_paid.tolist() == [1.5, 0.0]

    bench.run(body)


def test_an_audit_is_what_the_venue_says(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        await send(venue, places=(order(1), order(2, asset=1)))
        bench.scripted.positions["BTC"] = (0.25, 59_000.0)
        bench.scripted.fill("BTC", "B", 59_000.0, "0.25", "0.0", tid=5)
        bench.scripted.fill("ETH", "B", 59_000.0, "0.25", "0.0", tid=6)
        bench.scripted.orders["x"] = bench.scripted.orders[cloid(1)] | {"coin": "ETH", "oid": 9}
        audit = await venue.audit(venue.now_ns - 60 * NS)
        assert audit.position.tolist() == [0.25, 0.0]
        assert {row.cloid for row in audit.orders} == {cloid(1), cloid(2)}
        assert [fill.fill_id for fill in audit.fills] == [5]
        assert audit.elsewhere == ("ETH",)
        assert venue.account().position[0] == 0.25
        assert venue.account().ip_weight > 1000.0

    bench.run(body)


@pytest.mark.parametrize("part", ["frontendOpenOrders", "clearinghouseState", "userFillsByTime"])
def test_an_audit_is_whole_or_an_error(bench: Any, part: str) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        bench.scripted.answers[part] = Answer(502, b"")
        with pytest.raises(VenueError, match=part):
            await venue.audit(0)

    bench.run(body)


def test_the_dead_man_switch_may_be_refused(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        assert await venue.arm(venue.now_ns + 60 * NS)
        assert await venue.arm(None)
        bench.scripted.actions = lambda action: {
            "status": "err",
            "response": "Cannot set scheduled cancel time until enough volume traded.",
        }
        assert not await venue.arm(venue.now_ns + 60 * NS)
        bench.scripted.actions = lambda action: Lost("timeout")
        assert not await venue.arm(venue.now_ns + 60 * NS)

    bench.run(body)
    armed, disarmed = (message["action"] for message in bench.scripted.posted[:2])
    assert armed["time"] > 0
    assert disarmed == {"type": "scheduleCancel"}


# Waiting


def test_waiting_ends_at_the_deadline(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        venue.snapshot()
        deadline = venue.now_ns + NS
        events = await venue.wait(deadline, NEVER)
        assert venue.now_ns == deadline
        assert events.updates == ()

    bench.run(body)


def test_waiting_ends_when_a_mid_has_moved_far_enough(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        venue.snapshot()
        moves = np.array([1e-3, np.inf])
        start = venue.now_ns
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, bench.scripted.best, "xyz:NVDA", 150.0, 150.02)
        loop.call_later(0.4, bench.scripted.best, "BTC", 60_020.0, 60_021.0)
        loop.call_later(0.6, bench.scripted.best, "BTC", 60_070.0, 60_071.0)
        await venue.wait(start + 5 * NS, moves)
        assert 0.6 <= (venue.now_ns - start) / NS <= 0.61
        assert venue.snapshot().bid_price[0, 0] == 60_070.0
        before = venue.now_ns
        await venue.wait(before + NS, moves)
        assert venue.now_ns == before + NS

    bench.run(body)


def test_a_fault_in_a_task_reaches_the_engine(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> None:
        def fail(action: dict[str, Any]) -> Any:
            raise ZeroDivisionError

        bench.scripted.actions = fail
        await venue.send(Orders(time_ns=venue.now_ns, places=(order(1),)))
        with pytest.raises(ExceptionGroup):
            await venue.wait(venue.now_ns + NS, NEVER)

    bench.run(body)


def test_decision_to_acknowledgement_adds_nothing_to_the_venues_own_time(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> list[float]:
        for number in range(1, 101):
            await venue.send(Orders(time_ns=venue.now_ns, places=(order(number),)))
            await settle(venue, 0.5)
        return [row.seconds for row in venue.latencies()]

    seconds = bench.run(body)
    assert len(seconds) == 100
    np.testing.assert_allclose(seconds, 0.3)


def test_no_secret_in_what_is_shown(bench: Any) -> None:
    async def body(venue: HyperliquidVenue) -> str:
        return repr(venue) + repr(vars(venue)) + repr(vars(venue._client))

    assert "0123456789abcdef" * 2 not in bench.run(body)
