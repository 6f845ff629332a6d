"""Websockets, without sockets."""

from __future__ import annotations

import base64
import json
import zlib
from itertools import pairwise
from typing import Any

import pytest

from sim.server.gateway import Gateway
from tests.sim.server.conftest import (
    BID,
    OTHER,
    START_MS,
    USER,
    Client,
    placing,
    run,
    settings,
    wire,
)


class Socket:
    """A client's end of a websocket."""

    def __init__(self, gateway: Gateway, ip: str = "1") -> None:
        self.frames: list[Any] = []
        self.is_open = True
        self.session = gateway.open(
            ip, lambda text: self.frames.append(json.loads(text)), self._close
        )

    def send(self, message: Any) -> None:
        assert self.session is not None
        self.session.receive(message if isinstance(message, str) else json.dumps(message))

    def subscribe(self, method: str = "subscribe", **subscription: Any) -> None:
        self.send({"method": method, "subscription": subscription})

    def channel(self, name: str) -> list[Any]:
        return [frame["data"] for frame in self.frames if frame["channel"] == name]

    def _close(self) -> None:
        self.is_open = False


@pytest.fixture
def socket(gateway: Gateway) -> Socket:
    return Socket(gateway)


SUBSCRIPTIONS: list[dict[str, Any]] = [
    {"type": "allMids"},
    {"type": "allMids", "dex": "xyz"},
    {"type": "l2Book", "coin": "ETH"},
    {"type": "bbo", "coin": "ETH"},
    {"type": "trades", "coin": "ETH"},
    {"type": "activeAssetCtx", "coin": "ETH"},
    {"type": "activeAssetData", "coin": "ETH", "user": USER},
    {"type": "userFills", "user": USER},
    {"type": "userFundings", "user": USER},
    {"type": "userNonFundingLedgerUpdates", "user": USER},
    {"type": "clearinghouseState", "user": USER, "dex": "xyz"},
    {"type": "openOrders", "user": USER, "dex": ""},
    {"type": "twapStates", "user": USER, "dex": ""},
    {"type": "spotState", "user": USER},
    {"type": "allDexsClearinghouseState", "user": USER},
    {"type": "allDexsAssetCtxs"},
    {"type": "fastAssetCtxs"},
    {"type": "webData2", "user": USER},
    {"type": "webData3", "user": USER},
    {"type": "userTwapSliceFills", "user": USER},
    {"type": "userTwapHistory", "user": USER},
]


@pytest.mark.parametrize(
    "subscription", SUBSCRIPTIONS, ids=lambda s: "-".join(map(str, s.values()))[:30]
)
def test_a_subscription_is_acknowledged_and_shows_what_there_is(
    socket: Socket, subscription: dict[str, Any]
) -> None:
    socket.subscribe(**subscription)
    ack, first, *rest = socket.frames
    assert rest == []
    assert ack["channel"] == "subscriptionResponse"
    assert ack["data"]["method"] == "subscribe"
    assert ack["data"]["subscription"].items() >= subscription.items()
    assert first["channel"] == subscription["type"]
    socket.subscribe("unsubscribe", **subscription)
    assert socket.frames[-1]["data"]["method"] == "unsubscribe"
    count = len(socket.frames)
    assert socket.session is not None
    socket.subscribe("unsubscribe", **subscription)
    assert socket.channel("error")[0].startswith("Already unsubscribed: {")
    assert len(socket.frames) == count + 1


@pytest.mark.parametrize("kind", ["userEvents", "orderUpdates", "notification"])
def test_some_channels_wait_for_something_to_happen(socket: Socket, kind: str) -> None:
    socket.subscribe(type=kind, user=USER)
    assert [frame["channel"] for frame in socket.frames] == ["subscriptionResponse"]


def test_addresses_are_written_in_lower_case(socket: Socket) -> None:
    socket.subscribe(type="userFills", user=USER.upper().replace("0X", "0x"))
    assert socket.channel("userFills")[0]["user"] == USER


def test_everything_about_an_order_is_pushed(gateway: Gateway, socket: Socket) -> None:
    client = Client(gateway, ip="2")
    client.about("userRole")
    for kind in ("userEvents", "orderUpdates", "userFills", "spotState"):
        socket.subscribe(type=kind, user=USER)
    for kind in ("clearinghouseState", "openOrders"):
        socket.subscribe(type=kind, user=USER, dex="")
    socket.subscribe(type="activeAssetData", user=USER, coin="ETH")
    socket.subscribe(type="trades", coin="ETH")
    before = len(socket.channel("clearinghouseState"))
    client.order(wire(1, px="2500", sz="0.05", tif="Ioc"), BID)
    updates = [(u["order"]["oid"], u["status"]) for d in socket.channel("orderUpdates") for u in d]
    assert [status for _, status in updates] == ["filled", "open"]
    (event,) = socket.channel("user")
    assert [fill["sz"] for fill in event["fills"]] == ["0.05"]
    snapshot, fills = socket.channel("userFills")
    assert snapshot["isSnapshot"] is True
    assert snapshot["fills"] == []
    assert "isSnapshot" not in fills
    assert fills["fills"] == event["fills"]
    assert len(socket.channel("clearinghouseState")) == before + 1
    assert len(socket.channel("openOrders")[-1]["orders"]) == 1
    assert len(socket.channel("activeAssetData")) == 2
    assert any(USER in trade["users"] for rows in socket.channel("trades") for trade in rows)


def test_funding_is_pushed() -> None:
    start = settings().start.replace(minute=59, second=50)
    gateway = Gateway(settings(start=start))
    client, socket = Client(gateway), Socket(gateway, "2")
    client.order(wire(1, px="2500", sz="0.05", tif="Ioc"))
    socket.subscribe(type="userFundings", user=USER)
    socket.subscribe(type="userEvents", user=USER)
    run(gateway, 15.0)
    _, paid = socket.channel("userFundings")
    assert [row["coin"] for row in paid["fundings"]] == ["ETH"]
    assert socket.channel("user")[0]["funding"] == paid["fundings"][0]
    (listed,) = client.about("userFunding", startTime=0)
    assert listed["delta"]["usdc"] == paid["fundings"][0]["usdc"]


def test_what_the_venue_cancels_is_an_event(gateway: Gateway, socket: Socket) -> None:
    client = Client(gateway, ip="2")
    (ask,) = client.order(wire(1, buy=False, px="2122", sz="0.05", tif="Gtc"))
    assert ask
    socket.subscribe(type="userEvents", user=USER)
    bid, offer = (side[0] for side in client.ask(type="l2Book", coin="ETH")["levels"])
    middle = round((float(bid["px"]) + float(offer["px"])) / 2, 1)
    client.order(wire(1, px=str(middle), sz="0.05", tif="Alo"))
    client.order(wire(1, buy=False, px=str(middle), sz="0.05", tif="Ioc"))
    cancelled = [e["nonUserCancel"] for e in socket.channel("user") if "nonUserCancel" in e]
    assert [row["coin"] for rows in cancelled for row in rows] == ["ETH"]


def test_books_and_prices_come_on_the_venues_cadences(gateway: Gateway) -> None:
    slow, fast = Socket(gateway, "1"), Socket(gateway, "2")
    slow.subscribe(type="l2Book", coin="ETH")
    fast.subscribe(type="l2Book", coin="ETH", fast=True)
    fast.subscribe(type="l2Book", coin="BTC", fast=True)
    slow.subscribe(type="activeAssetCtx", coin="ETH")
    slow.subscribe(type="allMids")
    slow.subscribe(type="allDexsAssetCtxs")
    run(gateway, 54.0)
    assert len(slow.channel("l2Book")) == pytest.approx(11, abs=1)
    rows = [row for row in fast.channel("l2Book") if row["coin"] == "ETH"]
    assert len(rows) == pytest.approx(101, abs=3)
    assert max(len(side) for row in rows for side in row["levels"]) == 5
    other = [row for row in fast.channel("l2Book") if row["coin"] == "BTC"]
    assert [row["time"] for row in rows[2:]] == [row["time"] for row in other[2:]]
    assert len(slow.channel("activeAssetCtx")) == pytest.approx(55, abs=2)
    assert len(slow.channel("allMids")) == pytest.approx(12, abs=1)
    assert len(slow.channel("allDexsAssetCtxs")) == pytest.approx(5, abs=1)


def test_best_prices_come_once_per_change(gateway: Gateway, socket: Socket) -> None:
    socket.subscribe(type="bbo", coin="ETH")
    run(gateway, 30.0)
    rows = socket.channel("bbo")
    assert len(rows) > 10
    assert all(a["bbo"] != b["bbo"] for a, b in pairwise(rows))
    assert all(a["time"] < b["time"] for a, b in pairwise(rows))


def test_fast_prices_are_changes_to_a_snapshot(gateway: Gateway, socket: Socket) -> None:
    socket.subscribe(type="fastAssetCtxs")
    run(gateway, 20.0)
    first, *later = [
        json.loads(zlib.decompress(base64.b64decode(data), wbits=-15))
        for data in socket.channel("fastAssetCtxs")
    ]
    assert set(first) == set(gateway.state.markets.coins)
    assert later
    assert all(set(row) <= {"markPx", "midPx"} for change in later for row in change.values())


def test_requests_can_be_posted(gateway: Gateway, socket: Socket) -> None:
    client = Client(gateway, ip="2")
    socket.send(
        {
            "method": "post",
            "id": 3,
            "request": {"type": "info", "payload": {"type": "l2Book", "coin": "ETH"}},
        }
    )
    (reply,) = socket.channel("post")
    assert reply["id"] == 3
    assert reply["response"]["type"] == "info"
    assert reply["response"]["payload"]["data"]["coin"] == "ETH"
    action = json.loads(client.signed(placing(BID)))
    socket.send({"method": "post", "id": 4, "request": {"type": "action", "payload": action}})
    assert len(socket.channel("post")) == 1
    gateway.advance(gateway.next_ns)
    response = socket.channel("post")[1]["response"]
    assert response["type"] == "action"
    assert "resting" in response["payload"]["response"]["data"]["statuses"][0]
    socket.send({"method": "post", "id": 5, "request": {"type": "action", "payload": {}}})
    assert socket.channel("post")[2]["response"] == {
        "type": "error",
        "payload": "Failed to deserialize the JSON body into the target type",
    }


def test_a_hundred_posts_may_be_in_flight(gateway: Gateway, socket: Socket) -> None:
    client = Client(gateway, ip="2")
    for number in range(101):
        payload = json.loads(client.signed({"type": "noop"}, nonce=START_MS + number))
        request = {"type": "action", "payload": payload}
        socket.send({"method": "post", "id": number, "request": request})
    (refused,) = socket.channel("post")
    assert refused["response"]["type"] == "error"
    gateway.advance(gateway.next_ns)
    assert len(socket.channel("post")) == 101


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "bbo", "coin": "nothing"},
        {"type": "bbo", "coin": "eth"},
        {"type": "trades", "coin": "TSLA"},
        {"type": "l2Book", "coin": "ETH", "nSigFigs": 6},
        {"type": "l2Book", "coin": "ETH", "nSigFigs": 4, "mantissa": 2},
        {"type": "l2Book", "coin": "ETH", "mantissa": 2},
        {"type": "activeAssetData", "coin": "nothing", "user": USER},
        {"type": "clearinghouseState", "dex": "nothing", "user": USER},
    ],
    ids=str,
)
def test_the_venue_hangs_up_on_the_impossible(
    gateway: Gateway, socket: Socket, subscription: dict[str, Any]
) -> None:
    socket.subscribe(type="bbo", coin="ETH")
    before = len(socket.frames)
    socket.subscribe(**subscription)
    socket.send({"method": "ping"})
    assert socket.is_open
    run(gateway, 0.2)
    assert not socket.is_open
    assert [f["channel"] for f in socket.frames[before:] if f["channel"] != "bbo"] == ["pong"]
    count = len(socket.frames)
    run(gateway, 5.0)
    assert len(socket.frames) == count


def test_silent_clients_are_dropped(gateway: Gateway) -> None:
    silent, alive = Socket(gateway), Socket(gateway)
    silent.subscribe(type="allMids")
    for _ in range(3):
        run(gateway, 30.0)
        alive.send({"method": "ping"})
    assert not silent.is_open
    assert alive.is_open


def test_a_peer_has_ten_sockets(gateway: Gateway) -> None:
    sockets = [Socket(gateway) for _ in range(1000)]
    assert sum(socket.session is not None for socket in sockets) == 10
    first = sockets[0].session
    assert first is not None
    first.closed()
    assert Socket(gateway).session is not None
    assert Socket(gateway, "2").session is not None


def test_a_peer_follows_ten_users(socket: Socket) -> None:
    for number in range(11):
        socket.subscribe(type="orderUpdates", user=f"0x{number:040x}")
    assert socket.channel("error") == ["Cannot track more than 10 total users."]


def test_too_many_messages_end_the_connection(socket: Socket) -> None:
    for _ in range(2001):
        socket.send('{"method":"ping"}')
    assert not socket.is_open
    assert socket.frames == [{"channel": "pong"}] * 2000


def test_a_delisted_coin_is_acknowledged_and_empty(gateway: Gateway, socket: Socket) -> None:
    name = gateway.state.markets.metas["xyz"]["universe"][2]["name"]
    for kind in ("l2Book", "bbo", "trades", "activeAssetCtx"):
        socket.subscribe(type=kind, coin=name)
    assert len(socket.channel("subscriptionResponse")) == 4
    assert socket.channel("l2Book")[0]["levels"] == [[], []]
    assert socket.channel("bbo")[0]["bbo"] == [None, None]
    assert socket.channel("activeAssetCtx")[0]["ctx"]["midPx"] is None


def test_others_are_not_told(gateway: Gateway, socket: Socket) -> None:
    socket.subscribe(type="orderUpdates", user=OTHER.address)
    Client(gateway, ip="2").order(BID)
    assert socket.channel("orderUpdates") == []


def test_liquidations_are_told(gateway: Gateway, socket: Socket) -> None:
    client = Client(gateway, ip="2")
    client.act({"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 25})
    client.order(wire(1, px="2500", sz="0.05", tif="Ioc"))
    socket.subscribe(type="userEvents", user=USER)
    exchange = gateway.state.exchange
    exchange.mark = exchange.mark * 0.97
    exchange.revalue(gateway.now_ns)
    gateway.advance(gateway.next_ns)
    events = socket.channel("user")
    (event,) = [e["liquidation"] for e in events if "liquidation" in e]
    assert event["liquidated_user"] == USER
    (fills,) = [e["fills"] for e in events if "fills" in e]
    assert fills[0]["liquidation"]["liquidatedUser"] == USER
