"""The transport and the whole adapter over real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pytest
from aiohttp import web

from portfolio_mm.config import Asset
from portfolio_mm.rules import ticks
from portfolio_mm.types import NS, NewOrder, Orders
from portfolio_mm.venues.hyperliquid.http import AiohttpTransport
from portfolio_mm.venues.hyperliquid.signer import Signer
from portfolio_mm.venues.hyperliquid.transport import Answer, Closed, Lost, NotSent
from portfolio_mm.venues.hyperliquid.venue import HyperliquidVenue
from portfolio_mm.venues.settings import Hyperliquid, Server
from sim.server.app import Application
from sim.server.gateway import Gateway

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def served(handler: Handler, body: Callable[[AiohttpTransport], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        application = web.Application()
        application.add_routes([web.post("/info", handler), web.get("/ws", handler)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        transport = AiohttpTransport(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        try:
            await body(transport)
        finally:
            await transport.close()
            await runner.cleanup()

    asyncio.run(main())


def test_a_request_and_its_answer() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/json"
        return web.Response(status=422, body=b"got " + await request.read())

    async def body(transport: AiohttpTransport) -> None:
        assert await transport.post("/info", b"{}", 5.0) == Answer(422, b"got {}")

    served(handler, body)


def test_an_answer_that_does_not_come_or_breaks_off_is_lost() -> None:
    async def late(request: web.Request) -> web.Response:
        await asyncio.sleep(5.0)
        return web.Response()

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async def body(transport: AiohttpTransport) -> None:
        with pytest.raises(Lost):
            await transport.post("/info", b"{}", 0.2)

    served(late, body)
    served(broken, body)


def test_a_redirect_is_not_followed() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async def body(transport: AiohttpTransport) -> None:
        assert (await transport.post("/info", b"{}", 5.0)).status == 307

    served(handler, body)


def test_nobody_there_means_not_sent() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def main() -> None:
        transport = AiohttpTransport(f"http://127.0.0.1:{port}")
        with pytest.raises(NotSent):
            await transport.post("/info", b"{}", 5.0)
        with pytest.raises(NotSent):
            await transport.connect()
        await transport.close()
        await transport.close()

    asyncio.run(main())


def test_a_socket_speaks_until_it_is_closed() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        await opened.send_str("hello " + await opened.receive_str())
        await opened.close()
        return opened

    async def body(transport: AiohttpTransport) -> None:
        opened = await transport.connect()
        await opened.send("you")
        assert await opened.receive() == "hello you"
        with pytest.raises(Closed):
            await opened.receive()
        with pytest.raises(Closed):
            await opened.send("still there?")
        await opened.close()
        await opened.close()

    served(handler, body)


@pytest.mark.parametrize(
    ("network", "account"), [("local", "standard"), ("mainnet", "unified")], ids=str
)
def test_a_life_on_the_local_server(
    network: Literal["local", "mainnet"], account: Literal["standard", "unified"]
) -> None:
    """Open, quote, change the quotes, cancel: with the signatures of either chain."""
    names = ("BTC", "xyz:NVDA")
    mainnet = network == "mainnet"
    server = Server(
        seed=1,
        start=datetime.now(UTC),
        markets=names,
        account=account,
        faucet_usd=10_000.0,
        chain="mainnet" if mainnet else "testnet",
    )

    def orders(venue: HyperliquidVenue, generation: int) -> tuple[NewOrder, ...]:
        snapshot = venue.snapshot()
        made = []
        for asset, instrument in enumerate(venue.universe.instruments):
            for side, best in enumerate((snapshot.bid_price, snapshot.ask_price)):
                price = best[asset, 0] * (1.0 - (1 - 2 * side) * 0.02)
                units = int(ticks.to_units(price, instrument.sz_decimals, 1 - 2 * side))
                lots = int(ticks.to_lots(100.0 / price, instrument.sz_decimals))
                name = f"0x{generation:016x}{asset:08x}{side:08x}"
                made.append(
                    NewOrder(cloid=name, asset=asset, side=side, level=0, units=units, lots=lots)
                )
        return tuple(made)

    async def words(venue: HyperliquidVenue, **what: Any) -> dict[str, str]:
        await venue.send(Orders(time_ns=venue.now_ns, **what))
        said: dict[str, str] = {}
        until = venue.now_ns + 2 * NS
        count = sum(map(len, what.values())) + len(what.get("modifies", ()))
        while len(said) < count and venue.now_ns < until:
            for update in (await venue.wait(until, np.full(2, np.inf))).updates:
                said[update.cloid] = update.status
        return said

    async def main() -> None:
        application = Application(Gateway(server), 1.0)
        url = await application.start("127.0.0.1", 0)
        settings = Hyperliquid(network=network, url=url, key_env="NONE")
        assets = [Asset(name=name, leverage=5, size_usd=100.0) for name in names]
        venue = await HyperliquidVenue.open(
            settings,
            assets,
            AiohttpTransport(url),
            Signer("0x" + "17" * 32, mainnet=mainnet),
            np.random.default_rng(1),
        )
        try:
            assert await venue.prepare() == ()
            assert venue.account().equity.sum() == pytest.approx(20_000.0 if not mainnet else 1e4)
            first, second = orders(venue, 1), orders(venue, 2)
            assert set((await words(venue, places=first)).values()) == {"open"}
            pairs = tuple((old.cloid, new) for old, new in zip(first, second, strict=True))
            changed = await words(venue, modifies=pairs)
            assert {changed[new.cloid] for new in second} == {"open"}
            assert {changed[old.cloid] for old in first} == {"canceled"}
            assert {row.cloid for row in (await venue.audit(0)).orders} == {
                new.cloid for new in second
            }
            ended = await words(venue, cancels=tuple(new.cloid for new in second))
            assert set(ended.values()) == {"canceled"}
            assert not (await venue.audit(0)).orders
            assert not venue.gap
            assert abs(venue.skew_s) < 1.0
            assert max(row.seconds for row in venue.latencies()) < 2.0
        finally:
            await venue.close()
            await application.stop()

    asyncio.run(main())
