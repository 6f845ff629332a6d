"""The websocket: subscriptions, errors, snapshots, and what is told about orders."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from aiohttp import WSServerHandshakeError
from eth_account import Account

from sim.conformance.card import TSLA, Need, Scene, begins, card, expect, same
from sim.conformance.cards.reducing import known
from sim.conformance.desk import Bench, Wish
from sim.conformance.moves import price, rest, resting, take, wish
from sim.conformance.sdk import SdkBench

ABNORMAL = 1006


@card(
    "WS-1",
    6,
    "measured",
    Need.SOCKET,
)
def acknowledged(bench: SdkBench) -> None:
    """A subscription is acknowledged with its defaults filled in."""
    stream = bench.stream()
    stream.subscribe(type="l2Book", coin=TSLA)
    wanted = {
        "method": "subscribe",
        "subscription": {
            "type": "l2Book",
            "coin": TSLA,
            "nSigFigs": None,
            "mantissa": None,
            "fast": False,
        },
    }
    same(stream.next("subscriptionResponse")["data"], wanted, "acknowledgement")


@card(
    "WS-2",
    6,
    "measured",
    Need.SOCKET,
)
def unknown(bench: SdkBench) -> None:
    """A subscription to an unknown coin closes the socket without a word."""
    for coin in ("NOPE", "tsla", "TSLA"):
        stream = bench.stream()
        stream.subscribe(type="bbo", coin=coin)
        frames, code = stream.last_words()
        same(frames, [], f"frames after {coin}")
        same(code, ABNORMAL, "closing code")


@card("WS-3", 6, "measured", Need.SOCKET)
def rounding(bench: SdkBench) -> None:
    """A subscription to a rounding of the book that there is not closes the socket."""
    impossible: list[dict[str, object]] = [{"nSigFigs": 6}, {"mantissa": 2}]
    for terms in impossible:
        stream = bench.stream()
        stream.subscribe(type="l2Book", coin=TSLA, **terms)
        frames, code = stream.last_words()
        same((frames, code), ([], ABNORMAL), f"frames and closing code after {terms}")


@card("WS-4", 6, "measured", Need.SOCKET)
def everything(bench: SdkBench) -> None:
    """An impossible subscription takes every other stream of its socket with it."""
    stream = bench.stream()
    stream.subscribe(type="bbo", coin=TSLA)
    stream.next("bbo")
    stream.subscribe(type="bbo", coin="NOPE")
    _, code = stream.last_words()
    same(code, ABNORMAL, "closing code")


@card(
    "WS-5",
    6,
    "measured",
    Need.SOCKET,
)
def twice(bench: SdkBench) -> None:
    """A second subscription to the same is an error, and the socket stays."""
    stream = bench.stream()
    for _ in range(2):
        stream.subscribe(type="bbo", coin=TSLA)
    begins(stream.next("error")["data"], "Already subscribed: ", "error")
    stream.send({"method": "ping"})
    stream.next("pong")


@card(
    "WS-6",
    6,
    "measured",
    Need.SOCKET,
)
def unsubscribed(bench: SdkBench) -> None:
    """An unsubscription is acknowledged; a second one is an error."""
    stream = bench.stream()
    stream.subscribe(type="bbo", coin=TSLA)
    same(stream.next("subscriptionResponse")["data"]["method"], "subscribe", "acknowledged")
    for _ in range(2):
        stream.unsubscribe(type="bbo", coin=TSLA)
    same(stream.next("subscriptionResponse")["data"]["method"], "unsubscribe", "acknowledged")
    begins(stream.next("error")["data"], "Already unsubscribed: ", "error")


@card("WS-7", 6, "documented", Need.SOCKET)
def ping(bench: SdkBench) -> None:
    """A ping is answered by a pong."""
    stream = bench.stream()
    stream.send({"method": "ping"})
    same(stream.next("pong"), {"channel": "pong"}, "answer")


@card("WS-8", 6, "measured", Need.SOCKET)
def unreadable(bench: SdkBench) -> None:
    """What cannot be read is an error, and the socket stays."""
    stream = bench.stream()
    words = "Error parsing JSON into valid websocket request: "
    for text in ("nonsense", '{"method":"dance"}', '{"method":"subscribe"}'):
        stream.send(text)
        begins(stream.next("error")["data"], words, "error")
    stream.send({"method": "ping"})
    stream.next("pong")


@card(
    "WS-9",
    6,
    "documented",
    Need.SOCKET,
)
def snapshot(bench: SdkBench) -> None:
    """Fills of a user begin with a snapshot that says so; later frames are news."""
    desk, stream = bench.sdk_desk(Account.from_key(bench.new_key())), bench.stream()
    take(bench, desk, TSLA, 100.0)
    stream.subscribe(type="userFills", user=desk.address)
    first = stream.next("userFills")["data"]
    same(first.get("isSnapshot"), True, "isSnapshot of the first frame")
    same(len(first["fills"]), len(desk.deals()), "fills of the snapshot")
    take(bench, desk, TSLA, -50.0)
    second = stream.next("userFills")["data"]
    expect(not second.get("isSnapshot"), "the second frame says that it is a snapshot")
    expect(all(x["dir"] == "Close Long" for x in second["fills"]), "it holds the new fills")


@card("WS-10", 6, "measured", Need.SOCKET)
def book(bench: SdkBench) -> None:
    """A book has 20 levels a side, a fast one 5, best first."""
    for fast, most in ((False, 20), (True, 5)):
        stream = bench.stream()
        stream.subscribe(type="l2Book", coin=TSLA, fast=fast)
        levels = stream.next("l2Book")["data"]["levels"]
        for side, sign in zip(levels, (-1.0, 1.0), strict=True):
            prices = [sign * float(x["px"]) for x in side]
            expect(0 < len(prices) <= most, f"{len(prices)} levels with fast = {fast}")
            same(prices, sorted(prices), "prices from the best")
        expect(fast or len(levels[0]) > 5, "the slow book is the deeper one")


@card(
    "WS-11",
    6,
    "measured",
    Need.SOCKET,
)
def cadence(bench: SdkBench) -> None:
    """A fast book comes about every 0.54 s, a slow one every 5.4 s."""
    for fast, period in ((True, 540.0), (False, 5400.0)):
        stream = bench.stream()
        stream.subscribe(type="l2Book", coin=TSLA, fast=fast)
        stream.next("l2Book")
        times = [stream.next("l2Book")["data"]["time"] for _ in range(3)]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        mean = sum(gaps) / len(gaps)
        expect(0.7 * period <= mean <= 1.3 * period, f"{mean} ms between books, {period} are due")


@card("WS-12", 6, "measured", Need.SOCKET)
def best(bench: SdkBench) -> None:
    """The best prices come when they change."""
    desk, stream = bench.desk(), bench.stream()
    stream.subscribe(type="bbo", coin=TSLA)
    bids, asks = bench.levels(TSLA)
    inside = round((bids[0][0] + asks[0][0]) / 2.0, 2)
    resting(*desk.place(Wish(TSLA, True, 1.0, inside)))
    while (best := stream.next("bbo")["data"]["bbo"])[0] is None or float(best[0]["px"]) != inside:
        expect(best[0] is not None, "the book has a bid")


@card("WS-13", 6, "measured", Need.SOCKET)
def posted(bench: SdkBench) -> None:
    """Questions may be posted over the websocket."""
    stream = bench.stream()
    payload: dict[str, Any] = {"type": "l2Book", "coin": TSLA}
    stream.send({"method": "post", "id": 7, "request": {"type": "info", "payload": payload}})
    data = stream.next("post")["data"]
    same((data["id"], data["response"]["type"]), (7, "info"), "answer")
    same(data["response"]["payload"]["type"], "l2Book", "type of the payload")


@card(
    "WS-14",
    6,
    "documented",
    Need.SOCKET,
    scene=Scene(speed=200.0),
)
def silent(bench: SdkBench) -> None:
    """A client that says nothing for a minute is hung up on."""
    stream = bench.stream()
    start = bench.now_ms()
    _, code = stream.last_words()
    same(code, ABNORMAL, "closing code")
    waited = (bench.now_ms() - start) / 1000.0
    expect(55.0 <= waited <= 90.0, f"it was hung up on after {waited} s")


@card(
    "WS-15",
    6,
    "documented",
    Need.SOCKET,
    Need.GATE,
)
def eleven(bench: SdkBench) -> None:
    """A network address has at most ten connections."""
    for _ in range(10):
        bench.stream()
    try:
        bench.stream()
    except WSServerHandshakeError:
        return
    expect(False, "the eleventh connection was accepted")


def until(bench: Bench, read: Callable[[], list[tuple[int, str]]], wanted: tuple[int, str]) -> None:
    """Wait until an order update has come."""
    bench.wait(lambda: wanted in read(), f"the update {wanted}")


@card("UPDATE-1", 4, "documented")
def words(bench: Bench) -> None:
    """Orders are told as open, filled, canceled."""
    desk = bench.desk()
    read = desk.watch()
    oid = rest(bench, desk, TSLA, 100.0).oid
    until(bench, read, (oid, "open"))
    desk.cancel(TSLA, oid)
    until(bench, read, (oid, "canceled"))
    until(bench, read, (take(bench, desk, TSLA, 100.0).oid, "filled"))


@card(
    "UPDATE-2",
    4,
    "not verified",
)
def modified(bench: Bench) -> None:
    """A modification is told as canceled, and as open under the new id."""
    desk = bench.desk()
    read = desk.watch()
    old = rest(bench, desk, TSLA, 100.0).oid
    new = resting(desk.modify(old, wish(bench, TSLA, 100.0, -0.03))).oid
    until(bench, read, (old, "canceled"))
    until(bench, read, (new, "open"))


@card("UPDATE-3", 4, "measured")
def ended(bench: Bench) -> None:
    """Ends that the venue brings about have words of their own."""
    desk = bench.desk()
    read = desk.watch()
    held = take(bench, desk, TSLA, 200.0).size
    reducing = Wish(TSLA, False, held, price(bench, TSLA, 0.02), reduce_only=True)
    oid = resting(*desk.place(reducing)).oid
    desk.place(Wish(TSLA, False, held, price(bench, TSLA, -0.02), "Ioc"))
    until(bench, read, (oid, "reduceOnlyCanceled"))
    own = rest(bench, desk, TSLA, -100.0).oid
    desk.place(wish(bench, TSLA, 9000.0, 0.025, tif="Ioc"))
    until(bench, read, (own, "selfTradeCanceled"))
    same(known(desk, own).status, "selfTradeCanceled", "status")
