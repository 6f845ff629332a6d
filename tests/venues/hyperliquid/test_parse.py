from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from portfolio_mm.rules import ticks
from portfolio_mm.types import Instrument, MarginTier, Universe
from portfolio_mm.venues.hyperliquid import events, frames, parse, replies
from portfolio_mm.venues.hyperliquid.figures import ParseError, count, lots, price_units
from portfolio_mm.venues.hyperliquid.wire_account import Mode

Parse = Callable[[bytes], Any]


def universe(*names: str, sz_decimals: int = 3) -> Universe:
    return Universe(
        instruments=tuple(
            Instrument(
                name=name,
                asset_id=110_000 + place,
                sz_decimals=sz_decimals,
                tiers=(MarginTier(lower_bound=0.0, max_leverage=20.0),),
                leverage=5,
                isolated=False,
                pool=0,
                maker_fee=0.0,
                taker_fee=0.0,
                size_usd=100.0,
            )
            for place, name in enumerate(names)
        ),
        pools=("xyz",),
    )


def test_one_error_stands_for_the_whole_batch() -> None:
    text = '{"status":"ok","response":{"type":"order","data":{"statuses":[{"error":"bad"}]}}}'
    assert replies.outcomes(replies.EXCHANGE(text), 3) == (replies.Outcome("rejected", "bad"),) * 3
    resting = text.replace('{"error":"bad"}', '{"resting":{"oid":7}},"waitingForTrigger"')
    assert replies.outcomes(replies.EXCHANGE(resting), 2) == (
        replies.Outcome("open", oid=7),
        replies.Outcome("waiting", "waitingForTrigger"),
    )
    with pytest.raises(ParseError, match="2 statuses for 3 orders"):
        replies.outcomes(replies.EXCHANGE(resting), 3)
    with pytest.raises(ParseError, match="says nothing"):
        replies.outcomes(replies.EXCHANGE(text.replace('{"error":"bad"}', "{}")), 1)
    default = replies.EXCHANGE('{"status":"ok","response":{"type":"default"}}')
    assert default.refusal == ""
    assert replies.outcomes(default, 0) == ()


@pytest.mark.parametrize("figure", ['"NaN"', '"Infinity"', '"-inf"', "1.5", "1", '"1e5"', '""'])
@pytest.mark.parametrize("kind", ["px", "sz"])
def test_figures_that_are_no_decimal_text_are_refused_with_channel_and_field(
    figure: str, kind: str
) -> None:
    level = {"px": '"1.5"', "sz": '"2"'} | {kind: figure}
    text = '{"channel":"l2Book","data":{"coin":"X","time":1,"levels":[[{"px":PX,"sz":SZ}],[]]}}'
    with pytest.raises(ParseError, match=rf"l2Book: .*levels\[0\]\[0\]\.{kind}"):
        frames.frame(text.replace("PX", level["px"]).replace("SZ", level["sz"]))


@pytest.mark.parametrize("price", ['"0"', '"0.000"', '"-1"', '"１"', '" 1"', '"1_0"', '"1\\n"'])
def test_prices_are_positive_ascii(price: str) -> None:
    text = '{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[{"px":%s,"sz":"1"},null]}}'
    with pytest.raises(ParseError, match="bbo"):
        frames.frame(text % price)


def test_unknown_keys_and_channels_are_let_through() -> None:
    text = '{"channel":"bbo","seq":1,"data":{"coin":"X","time":1,"bbo":[null,null],"new":{"a":[]}}}'
    assert isinstance(frames.frame(text), frames.BestFrame)
    assert frames.frame('{"channel":"candle","data":{}}') == frames.OtherFrame(channel="candle")
    assert frames.frame(frames.GREETING) == frames.OtherFrame(channel="")
    assert parse.ABSTRACTION('"unifiedAccount"') is Mode.UNIFIED
    assert Mode.UNIFIED.shared
    assert not Mode.DISABLED.shared
    with pytest.raises(ParseError, match="userAbstraction"):
        parse.ABSTRACTION('"dexAbstraction"')
    assert parse.BOOK("null") is None


def test_counts_are_exact_where_floats_are_not() -> None:
    assert price_units("84143.0", 5) == 841430
    assert price_units("0.004411", 0) == 4411
    assert lots("2058973.0", 0) == 2058973
    assert count("90071992547409931.25", 2) == 9007199254740993125
    with pytest.raises(ParseError, match="more than 2 decimals"):
        count("1.239", 2)


def test_counts_agree_with_the_text_the_engine_writes() -> None:
    random_units = np.random.default_rng(3).integers(1, 10**9, 500).tolist()
    for sz_decimals in range(6):
        for units in random_units:
            assert price_units(ticks.price_text(units, sz_decimals), sz_decimals) == units
            assert lots(ticks.size_text(units, sz_decimals), sz_decimals) == units


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("swap", ["reversed", "repeated"])
def test_books_are_best_first(side: int, swap: str) -> None:
    levels = [list(BOOK["levels"][0]), list(BOOK["levels"][1])]
    levels[side] = levels[side][::-1] if swap == "reversed" else levels[side][:1] * 2
    with pytest.raises(ParseError, match="levels are not best first"):
        parse.BOOK(json.dumps(BOOK | {"levels": levels}))


CLOID = "0x" + "ab" * 16
FILL = {
    "coin": "xyz:NVDA",
    "px": "217.05",
    "sz": "1.5",
    "side": "A",
    "time": 1785923125277,
    "startPosition": "0.0",
    "dir": "Open Short",
    "closedPnl": "0.0",
    "hash": "0x",
    "oid": 5,
    "crossed": False,
    "fee": "-0.01",
    "tid": 77,
    "feeToken": "USDC",
    "cloid": CLOID,
}
RESTING = {
    "coin": "xyz:NVDA",
    "side": "B",
    "limitPx": "217.05",
    "sz": "1.25",
    "oid": 5,
    "timestamp": 1785923125000,
    "origSz": "1.5",
    "cloid": CLOID,
}


def test_messages_become_the_engines() -> None:
    run = universe("xyz:NVDA", "xyz:TSLA")
    coins = events.index(run)
    frame = frames.frame(json.dumps({"channel": "user", "data": {"fills": [FILL]}}))
    assert isinstance(frame, frames.UserFrame)
    assert frame.data.fills is not None
    fill = events.fill(frame.data.fills[0], coins)
    assert fill is not None
    assert (fill.asset, fill.side, fill.price, fill.size) == (0, -1, 217.05, 1.5)
    assert (fill.fee, fill.maker, fill.cloid, fill.fill_id) == (-0.01, True, CLOID, 77)
    assert fill.time_ns == 1785923125277 * 10**6
    assert events.fill(frame.data.fills[0], {}) is None

    report = {"order": RESTING, "status": "reduceOnlyCanceled", "statusTimestamp": 1785923125999}
    updates = frames.frame(json.dumps({"channel": "orderUpdates", "data": [report]}))
    assert isinstance(updates, frames.OrderUpdatesFrame)
    update = events.order_update(updates.data[0], 3)
    assert update is not None
    assert (update.cloid, update.status, update.oid) == (CLOID, "reduceOnlyCanceled", 5)
    assert update.time_ns == 3
    nameless = msgspec.structs.replace(updates.data[0].order, cloid=None)
    anonymous = msgspec.structs.replace(updates.data[0], order=nameless)
    assert events.order_update(anonymous, 3) is None

    (row,) = parse.OPEN_ORDERS(json.dumps([RESTING]))
    order = events.open_order(row, run, coins)
    assert order is not None
    assert (order.asset, order.side, order.units, order.lots) == (0, 0, 217050, 1250)
    assert events.open_order(row, run, {}) is None
    with pytest.raises(ParseError, match="openOrders: xyz:NVDA order 5"):
        events.open_order(msgspec.structs.replace(row, sz="1.00001"), run, coins)

    (entry,) = parse.USER_FUNDING(
        '[{"time":9,"hash":"0x","delta":{"type":"funding","coin":"xyz:TSLA","usdc":"-3.625",'
        '"szi":"49.1","fundingRate":"0.0000417","nSamples":null}}]'
    )
    payment = events.funding_payment(entry.delta, entry.time, coins)
    assert payment is not None
    assert (payment.asset, payment.usd, payment.rate) == (1, 3.625, 0.0000417)
    assert events.funding_payment(entry.delta, entry.time, {}) is None

    prints = parse.RECENT_TRADES(
        '[{"coin":"xyz:TSLA","side":"B","px":"2","sz":"3","time":8,"tid":1,"hash":"0x"},'
        '{"coin":"xyz:NVDA","side":"A","px":"1","sz":"3","time":7,"tid":2,"hash":"0x"},'
        '{"coin":"BTC","side":"A","px":"1","sz":"3","time":7,"tid":2,"hash":"0x"}]'
    )
    columns = events.trades(prints, coins)
    assert columns.asset.tolist() == [0, 1]
    assert columns.side.tolist() == [-1, 1]
    assert columns.time_ns.tolist() == [7_000_000, 8_000_000]


STATE = {
    "marginSummary": {
        "accountValue": "24217.394304",
        "totalNtlPos": "12100.48",
        "totalRawUsd": "36317.874304",
        "totalMarginUsed": "6385.392074",
    },
    "crossMarginSummary": {
        "accountValue": "17832.0",
        "totalNtlPos": "0.0",
        "totalRawUsd": "17832.0",
        "totalMarginUsed": "0.0",
    },
    "crossMaintenanceMarginUsed": "0.0",
    "withdrawable": "17832.0",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "xyz:NVDA",
                "szi": "-56.0",
                "leverage": {"type": "isolated", "value": 2, "rawUsd": "18485.87"},
                "entryPx": "217.057",
                "positionValue": "12100.48",
                "unrealizedPnl": "54.7",
                "returnOnEquity": "0.009",
                "liquidationPx": None,
                "marginUsed": "6385.39",
                "maxLeverage": 20,
            },
        }
    ],
    "time": 1785923125277,
}
CONTEXT = {
    "funding": "0.0000018952",
    "openInterest": "36585.31848",
    "prevDayPx": "86627.0",
    "dayNtlVlm": "4161029539.6949653625",
    "premium": None,
    "oraclePx": "84198.0",
    "markPx": "84148.0",
    "midPx": None,
    "impactPxs": ["84143.0", "84144.0"],
}
FUNDING = {"coin": "xyz:NVDA", "usdc": "-0.5", "szi": "1", "fundingRate": "0.1", "time": 5}
BOOK: dict[str, Any] = {
    "coin": "xyz:NVDA",
    "time": 1790232236546,
    "levels": [
        [{"px": f"{217 - 0.01 * i:.2f}", "sz": f"{i}.5", "n": i} for i in range(20)],
        [{"px": f"{218 + 0.01 * i:.2f}", "sz": f"{i}.5", "n": i} for i in range(20)],
    ],
}
TRADE = {"coin": "xyz:NVDA", "side": "A", "px": "217", "sz": "1", "time": 7, "tid": 2, "hash": ""}
REPORT = {"order": RESTING, "status": "open", "statusTimestamp": 1785923125999}
USER = "0x" + "1" * 40
CHANNELS: dict[str, Any] = {
    "l2Book": BOOK,
    "bbo": {"coin": "X", "time": 3, "bbo": [BOOK["levels"][0][0], None]},
    "trades": [TRADE],
    "activeAssetCtx": {"coin": "X", "ctx": CONTEXT},
    "allMids": {"mids": {"X": "1.5"}},
    "allDexsAssetCtxs": {"ctxs": [["", [CONTEXT]], ["xyz", [CONTEXT]]]},
    "orderUpdates": [REPORT],
    "user": {"nonUserCancel": [{"coin": "X", "oid": 4}]},
    "userFills": {"isSnapshot": True, "user": USER, "fills": [FILL]},
    "userFundings": {"user": USER, "fundings": [FUNDING]},
    "clearinghouseState": {"dex": "xyz", "user": USER, "clearinghouseState": STATE},
    "allDexsClearinghouseState": {"user": USER, "clearinghouseStates": [["xyz", STATE]]},
    "openOrders": {"dex": "xyz", "user": USER, "orders": [RESTING]},
    "spotState": {
        "user": USER,
        "spotState": {"balances": [{"coin": "USDC", "token": 0, "total": "5", "hold": "1"}]},
    },
    "webData3": {"userState": {"serverTime": 5, "agentAddress": None}, "perpDexStates": []},
    "pong": None,
    "post": {"id": 3, "response": {"type": "info", "payload": {"type": "l2Book", "data": None}}},
    "error": "Already subscribed",
    "subscriptionResponse": {"method": "subscribe", "subscription": {"type": "trades"}},
}


def valid_frames() -> list[bytes]:
    return [
        json.dumps({"channel": channel} | ({} if data is None else {"data": data})).encode()
        for channel, data in CHANNELS.items()
    ]


def test_every_channel_has_its_frame() -> None:
    kinds = [type(frames.frame(text)) for text in valid_frames()]
    assert len(set(kinds)) == len(CHANNELS)
    assert frames.OtherFrame not in kinds


def test_events_of_the_account() -> None:
    liquidated = {
        "lid": 1,
        "liquidator": USER,
        "liquidated_user": USER,
        "liquidated_ntl_pos": "10.0",
        "liquidated_account_value": "-1.0",
    }
    happened: tuple[dict[str, Any], ...] = (
        {"liquidation": liquidated},
        {"funding": FUNDING},
        {"fills": []},
    )
    for event in happened:
        frame = frames.frame(json.dumps({"channel": "user", "data": event}))
        assert isinstance(frame, frames.UserFrame)
        assert [key for key in event if getattr(frame.data, key) is not None] == [*event]


def answers() -> list[tuple[Parse, bytes]]:
    meta = {"universe": [{"szDecimals": 3, "name": "X", "maxLeverage": 20}], "marginTables": []}
    return [
        (parser, json.dumps(value).encode())
        for parser, value in (
            (parse.META, meta),
            (parse.ALL_PERP_METAS, [meta]),
            (parse.META_AND_CONTEXTS, [meta, [CONTEXT]]),
            (parse.PERP_DEXS, [None, {"name": "xyz", "assetToFundingMultiplier": [["X", "1"]]}]),
            (parse.CLEARINGHOUSE_STATE, STATE),
            (parse.SPOT_STATE, {"balances": []}),
            (parse.OPEN_ORDERS, [RESTING]),
            (parse.ORDER_STATUS, {"status": "order", "order": REPORT}),
            (parse.HISTORICAL_ORDERS, [REPORT]),
            (parse.USER_FILLS, [FILL]),
            (parse.BOOK, BOOK),
            (parse.RATE_LIMIT, {"cumVlm": "1", "nRequestsUsed": 1, "nRequestsCap": 2}),
            (parse.USER_ROLE, {"role": "user"}),
            (parse.ABSTRACTION, "default"),
            (
                replies.EXCHANGE,
                {"status": "ok", "response": {"type": "order", "data": {"statuses": ["success"]}}},
            ),
        )
    ]


TOKENS = (b"null", b"1.5", b'"NaN"', b"-1", b"1e999", b"{}", b"[]", b"[[", b'"', b"\xff", b"\\ud800",
          b"99999999999999999999999", b"true", b'"channel"', b":", b",", b"\x00", b"9" * 400)  # fmt: skip


def mutated(text: bytes, draw: random.Random) -> bytes:
    """Return the text with a few bytes gone, replaced, repeated, or a token put in."""
    for _ in range(draw.choice((1, 1, 2, 5))):
        at, end = draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)
        match draw.randrange(5):
            case 0:
                text = text[:at] + draw.choice(TOKENS) + text[at:]
            case 1:
                text = text[:at] + draw.randbytes(1) + text[at + 1 :]
            case 2:
                text = text[:at] + text[min(at + draw.randrange(1, 8), len(text)) :]
            case 3:
                text = text[:at] + text[min(at, end) : max(at, end)][:200] + text[at:]
            case _:
                text = text[: max(at, end)]
    return text


def use(parsed: object, run: Universe, coins: events.Index) -> None:
    """Turn what was let through into the engine's types."""
    match parsed:
        case frames.TradesFrame(data=rows):
            events.trades(rows, coins)
        case frames.OrderUpdatesFrame(data=reports):
            for report in reports:
                events.order_update(report, 3)
        case frames.FillsFrame(data=data):
            for row in data.fills:
                events.fill(row, coins)
        case frames.OpenOrdersFrame(data=listed):
            for order in listed.orders:
                events.open_order(order, run, coins)
        case replies.Reply():
            replies.outcomes(parsed, 1)
        case _:
            pass


def fuzz(messages: int, seed: int) -> tuple[int, float]:
    """Return how many hostile messages were let through, and the seconds it took."""
    draw, run = random.Random(seed), universe("xyz:NVDA")
    coins = events.index(run)
    valid = [(frames.frame, text) for text in valid_frames()] + answers()
    passed, start = 0, time.perf_counter()
    for number in range(messages):
        parser, text = draw.choice(valid)
        hostile = draw.randbytes(draw.randrange(60)) if number % 10 == 0 else mutated(text, draw)
        try:
            use(parser(hostile), run, coins)
            passed += 1
        except ParseError:
            continue
    return passed, time.perf_counter() - start


def test_a_million_hostile_messages_raise_nothing_but_parse_errors() -> None:
    passed, _ = fuzz(1_000_000, seed=1)
    assert 0 < passed < 600_000


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b'{"channel":"l2Book","data":' + b"[" * 200_000,
        b'{"channel":"l2Book","new":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"channel":' * 10_000,
        b"",
        b"\xff\xfe",
        "\ud800",
        '{"channel":"error","data":"\ud800"}',
        '{"channel":1}',
    ],
)
def test_deep_and_broken_text_is_a_parse_error(text: bytes | str) -> None:
    with pytest.raises(ParseError):
        frames.frame(text)
    with pytest.raises(ParseError):
        parse.META(text)
