from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid import stream
from portfolio_mm.venues.hyperliquid.frames import BookFrame, Frame, TradesFrame
from portfolio_mm.venues.hyperliquid.limits import MESSAGES_PER_MINUTE, Limiter
from sim.faults import virtual

START_NS = 1_790_000_000_000_000_000


class Watched:
    """A link and what it reported."""

    def __init__(self, bench: Any, subscriptions: list[stream.Subscription]) -> None:
        self.frames: list[Frame] = []
        self.ups: list[int] = []
        self.downs: list[int] = []
        self.scripted = bench.scripted
        rng = np.random.default_rng(1)
        self.limiter = Limiter(rng)
        self.link = stream.Link(
            self.scripted,
            self.limiter,
            rng,
            subscriptions,
            lambda frame, now_ns: self.frames.append(frame),
            up=lambda: self.ups.append(self.scripted.now_ns()),
            down=lambda: self.downs.append(self.scripted.now_ns()),
        )

    @property
    def now_s(self) -> float:
        return (self.scripted.now_ns() - START_NS) / NS


def run(
    bench: Any,
    subscriptions: list[stream.Subscription],
    body: Callable[[Watched], Coroutine[Any, Any, None]],
) -> Watched:
    async def main() -> Watched:
        watched = Watched(bench, subscriptions)
        task = asyncio.get_running_loop().create_task(watched.link.run())
        await body(watched)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return watched

    return virtual.run(main(), START_NS, horizon_ns=START_NS + 3600 * NS)


COINS = stream.market(["BTC", "xyz:NVDA"])


async def feed(watched: Watched, seconds: int) -> None:
    """Push books and contexts as the venue does."""
    for _ in range(seconds):
        await asyncio.sleep(1.0)
        for coin, price in (("BTC", 60_000.0), ("xyz:NVDA", 180.0)):
            watched.scripted.book(coin, price)
            watched.scripted.context(coin, price)


def test_everything_is_subscribed_and_confirmed_once(bench: Any) -> None:
    async def body(watched: Watched) -> None:
        await feed(watched, 20)
        assert watched.link.ready

    watched = run(bench, COINS, body)
    said = bench.scripted.sockets[0].said
    subscribed = [m["subscription"] for m in said if m["method"] == "subscribe"]
    assert subscribed[1] == {"type": "l2Book", "coin": "BTC", "fast": True}
    assert len(subscribed) == 8
    assert len(watched.ups) == 1
    assert sum(isinstance(frame, BookFrame) for frame in watched.frames) == 42
    assert watched.link.resubscriptions == 0


def test_it_pings_so_that_the_venue_does_not_hang_up(bench: Any) -> None:
    async def body(watched: Watched) -> None:
        await feed(watched, 60)

    run(bench, COINS, body)
    pings = [m for m in bench.scripted.sockets[0].said if m["method"] == "ping"]
    assert 10 <= len(pings) <= 13


def test_a_lost_socket_is_replaced_and_everything_subscribed_again(bench: Any) -> None:
    async def body(watched: Watched) -> None:
        await feed(watched, 5)
        bench.scripted.sockets[0].drop()
        bench.scripted.refuse_sockets = 3
        await asyncio.sleep(0.01)
        assert not watched.link.ready
        await asyncio.sleep(20.0)
        assert watched.link.ready

    watched = run(bench, COINS, body)
    assert len(watched.ups) == 2
    assert watched.downs[0] < watched.ups[1]
    assert watched.link.connections == 2
    assert bench.scripted.words["subscribe"] >= 16


def test_silence_is_death(bench: Any) -> None:
    async def body(watched: Watched) -> None:
        await feed(watched, 5)
        bench.scripted.mute = True
        at = watched.now_s
        while len(bench.scripted.sockets) == 1:
            await asyncio.sleep(0.1)
        assert watched.now_s - at < stream.SILENT_S + stream.CHECK_S + stream.BACKOFF_S * 2

    run(bench, COINS, body)


def test_a_channel_that_falls_silent_is_subscribed_again_ever_less_often(bench: Any) -> None:
    bench.scripted.silent = {"l2Book"}

    async def body(watched: Watched) -> None:
        await asyncio.sleep(100.0)

    watched = run(bench, COINS[:3], body)
    unsubscribed = [
        m["subscription"]["type"]
        for m in bench.scripted.sockets[0].said
        if m["method"] == "unsubscribe"
    ]
    assert set(unsubscribed) == {"l2Book"}
    assert 2 <= len(unsubscribed) <= 4
    assert len(bench.scripted.sockets) == 1
    assert watched.link.resubscriptions == len(unsubscribed)


def test_reconnecting_backs_off_and_stays_within_the_venues_limit(bench: Any) -> None:
    bench.scripted.refuse_sockets = 10_000

    async def body(watched: Watched) -> None:
        await asyncio.sleep(600.0)

    run(bench, COINS, body)
    attempts = 10_000 - bench.scripted.refuse_sockets
    assert 600.0 / stream.LONGEST_BACKOFF_S <= attempts <= 80


def test_a_venue_that_hangs_up_at_once_is_not_stormed(bench: Any) -> None:
    async def body(watched: Watched) -> None:
        for _ in range(600):
            await asyncio.sleep(0.2)
            for socket in bench.scripted.sockets:
                socket.drop()

    run(bench, COINS, body)
    assert len(bench.scripted.sockets) <= 25


def test_messages_are_paced(bench: Any) -> None:
    names = [f"xyz:A{i}" for i in range(3)]
    subscriptions = [stream.Subscription({"type": "trades", "coin": name}) for name in names]

    async def body(watched: Watched) -> None:
        watched.limiter.messages.take(MESSAGES_PER_MINUTE - 2)
        watched.limiter.messages.settle(MESSAGES_PER_MINUTE - 2, bench.scripted.now_ns())
        await asyncio.sleep(50.0)
        assert not watched.link.ready
        await asyncio.sleep(20.0)
        assert watched.link.ready

    run(bench, subscriptions, body)


def test_what_cannot_be_read_is_counted_and_passed_over(bench: Any) -> None:
    async def body(watched: Watched) -> None:
        await asyncio.sleep(1.0)
        bench.scripted.push("l2Book", {"coin": 7})
        bench.scripted.push("error", "Already subscribed: {}")
        bench.scripted.push("brandNew", {"x": 1})
        bench.scripted.push("trades", [])
        await asyncio.sleep(1.0)
        assert isinstance(watched.frames[-1], TradesFrame)

    watched = run(bench, COINS, body)
    assert watched.link.unreadable == 1
    assert watched.link.complaint.startswith("Already")


def test_a_fault_of_the_owner_is_not_taken_for_a_lost_socket(bench: Any) -> None:
    def fail(frame: Frame, now_ns: int) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        rng = np.random.default_rng(1)
        link = stream.Link(
            bench.scripted, Limiter(rng), rng, COINS, fail, up=lambda: None, down=lambda: None
        )
        with pytest.raises(ExceptionGroup) as raised:
            await link.run()
        assert raised.group_contains(ZeroDivisionError)

    virtual.run(main(), START_NS)


@pytest.mark.parametrize(("markets", "sockets"), [(1, 1), (20, 1), (51, 2), (250, 5)])
def test_subscriptions_are_spread_over_sockets(markets: int, sockets: int) -> None:
    wanted = stream.market(f"xyz:A{i}" for i in range(markets))
    parts = stream.split(wanted)
    assert len(parts) == sockets
    assert sorted(s.key for part in parts for s in part) == sorted(s.key for s in wanted)
    assert max(map(len, parts)) <= stream.PER_SOCKET


def test_more_markets_than_the_venue_allows_are_refused() -> None:
    with pytest.raises(ValueError, match="more than the venue allows"):
        stream.split(stream.market(f"xyz:A{i}" for i in range(251)))


def test_what_is_subscribed_of_an_account() -> None:
    bodies = [s.body for s in stream.account("0xab", ["", "xyz"])]
    assert {body["user"] for body in bodies} == {"0xab"}
    assert [body["dex"] for body in bodies if body["type"] == "clearinghouseState"] == ["", "xyz"]
    assert {"orderUpdates", "userFills", "userFundings"} <= {body["type"] for body in bodies}
