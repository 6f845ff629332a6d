"""The server's sockets against what comes at them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from sim.server.app import Application
from sim.server.gateway import BODY_LIMIT, Gateway
from tests.sim.server.conftest import BID, START_MS, Client, placing, settings
from tests.sim.server.live import PATIENCE_S

Test = Callable[[], Coroutine[Any, Any, None]]


def with_loop(test: Test) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), PATIENCE_S))

    run.__name__ = test.__name__
    return run


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[tuple[str, Gateway, ClientSession]]:
    given = settings(**changes)
    gateway = Gateway(given)
    application = Application(gateway, given.speed)
    url = await application.start("127.0.0.1", 0)
    async with ClientSession() as session:
        try:
            yield url, gateway, session
        finally:
            await application.stop()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        await asyncio.sleep(0.01)


@with_loop
async def test_requests_are_answered_over_http() -> None:
    async with serving() as (url, gateway, session):
        body = Client(gateway).signed(placing(BID), nonce=START_MS)
        async with session.post(f"{url}/exchange", data=body) as answer:
            assert answer.status == 200
            assert answer.content_type == "application/json"
            assert "resting" in (await answer.json())["response"]["data"]["statuses"][0]
        async with session.post(f"{url}/exchange", data=body) as answer:
            assert "duplicate nonce" in await answer.text()
        async with session.post(f"{url}/info", data=b"{}") as answer:
            assert answer.status == 422
            assert "Failed to deserialize" in await answer.text()
        async with session.post(f"{url}/info", data=BytesIO(b" " * (BODY_LIMIT + 1))) as answer:
            assert answer.status == 413
        async with session.get(f"{url}/info") as answer:
            assert answer.status == 405
        async with session.post(f"{url}/nothing") as answer:
            assert answer.status == 404
        statuses = []
        for _ in range(62):
            async with session.post(f"{url}/info", json={"type": "meta"}) as answer:
                statuses.append((answer.status, (await answer.text())[:4]))
        assert statuses[0][0] == 200
        assert statuses[-1] == (429, "null")


@with_loop
async def test_time_runs_at_the_speed_that_was_asked_for() -> None:
    async with serving(speed=50.0) as (url, gateway, session):
        start = gateway.now_ns

        async def ten_seconds_on() -> bool:
            async with session.post(f"{url}/info", json={"type": "exchangeStatus"}) as answer:
                return bool((await answer.json())["time"] * 10**6 > start + 10 * 10**9)

        await until(ten_seconds_on)


@with_loop
async def test_only_ten_of_a_thousand_sockets_are_opened() -> None:
    async with serving() as (url, gateway, session):

        async def connect() -> Any:
            try:
                return await session.ws_connect(f"{url}/ws")
            except WSServerHandshakeError as error:
                return error.status

        results = []
        for _ in range(20):
            results += await asyncio.gather(*(connect() for _ in range(50)))
        refused = [result for result in results if isinstance(result, int)]
        opened = [result for result in results if not isinstance(result, int)]
        assert refused == [429] * 990
        await opened[0].send_str('{"method":"ping"}')
        assert await opened[0].receive_json() == {"channel": "pong"}
        for websocket in opened:
            await websocket.close()
        peer = gateway._peers["127.0.0.1"]

        async def all_gone() -> bool:
            return peer.connections == 0

        await until(all_gone)


@with_loop
async def test_an_unknown_coin_ends_the_connection_without_a_frame() -> None:
    async with serving() as (url, _, session):
        websocket = await session.ws_connect(f"{url}/ws")
        await websocket.send_json(
            {"method": "subscribe", "subscription": {"type": "bbo", "coin": "nothing"}}
        )
        message = await websocket.receive()
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert websocket.close_code == 1006


@with_loop
async def test_frames_are_text_and_follow_the_subscription() -> None:
    async with serving(speed=20.0) as (url, _, session):
        websocket = await session.ws_connect(f"{url}/ws")
        await websocket.send_json(
            {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "ETH", "fast": True}}
        )
        channels = [json.loads((await websocket.receive()).data)["channel"] for _ in range(4)]
        assert channels == ["subscriptionResponse", "l2Book", "l2Book", "l2Book"]
        await websocket.send_bytes(b"\x00\xff")
        await websocket.send_str('{"method":"ping"}')
        while json.loads((await websocket.receive()).data)["channel"] != "pong":
            pass
        await websocket.close()


@with_loop
async def test_a_restart_drops_the_sockets() -> None:
    async with serving() as (url, gateway, session):
        websocket = await session.ws_connect(f"{url}/ws")
        gateway.restart(1.0)
        message = await websocket.receive()
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        async with session.post(f"{url}/info", json={"type": "meta"}) as answer:
            assert answer.status == 200


@with_loop
async def test_bytes_that_are_no_http_do_no_harm() -> None:
    async with serving() as (url, _, session):
        where = urlsplit(url)
        assert where.hostname == "127.0.0.1"
        assert where.port is not None
        for junk in (
            b"\x16\x03\x01",
            b"POST /info HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
            b"\n" * 99,
        ):
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(junk)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            assert reader is not None
        async with session.post(f"{url}/info", json={"type": "meta"}) as answer:
            assert answer.status == 200


@with_loop
async def test_it_listens_on_one_address_alone() -> None:
    async with serving() as (url, _, _session):
        with pytest.raises(OSError, match=r"Connect call failed|[Uu]nreachable|assign"):
            await asyncio.open_connection("127.0.0.2", urlsplit(url).port)
