"""The gateway on sockets: aiohttp in front, wall-clock time behind.

Venue time is the gateway's at the start plus the seconds since, times a speed. A request is
answered by the gateway as of now; a client that does not read what it is sent is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from aiohttp import WSCloseCode, WSMsgType, web

from portfolio_mm.types import NS
from sim.server.gateway import BODY_LIMIT, TOO_MANY, Gateway

STEP_NS = NS // 2
"""Venue time that is caught up with before sockets are served again."""

BACKLOG = 20_000
"""Frames that may wait for a client to read them."""

MESSAGE_LIMIT = 1 << 20
LONGEST_SLEEP_S = 0.05
UNKNOWN_PEER = "unknown"

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Application:
    """One gateway, served."""

    def __init__(self, gateway: Gateway, speed: float) -> None:
        self.gateway = gateway
        self._speed = speed
        self._start_ns = gateway.now_ns
        self._started = time.monotonic_ns()
        self._web = web.Application(client_max_size=BODY_LIMIT)
        self._web.add_routes(
            [
                web.post("/info", self._post),
                web.post("/exchange", self._post),
                web.get("/ws", self._websocket),
            ]
        )
        self._runner = web.AppRunner(self._web, access_log=None)
        self._clock: asyncio.Task[None] | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    async def start(self, host: str, port: int) -> str:
        """Listen, on a free port if it is 0, and return the address clients use."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self._started = time.monotonic_ns()
        self._clock = asyncio.create_task(self._tick())
        bound = self._runner.addresses[0]
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        return f"http://{name}:{bound[1]}"

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        await self._runner.cleanup()

    async def run(self) -> None:
        """Serve until cancelled, or until the clock fails."""
        if self._clock is not None:
            await self._clock

    def _now_ns(self) -> int:
        return self._start_ns + round((time.monotonic_ns() - self._started) * self._speed)

    def _catch_up(self) -> None:
        gateway = self.gateway
        until = min(self._now_ns(), gateway.now_ns + STEP_NS)
        if until > gateway.now_ns:
            gateway.advance(until)

    async def _tick(self) -> None:
        while True:
            self._catch_up()
            ahead = (self.gateway.next_ns - self._now_ns()) / NS / self._speed
            await asyncio.sleep(min(max(ahead, 0.0), LONGEST_SLEEP_S))

    async def _post(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            body = b" " * (BODY_LIMIT + 1)
        self._catch_up()
        answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def reply(status: int, content: bytes) -> None:
            if not answered.done():
                answered.set_result((status, content))

        self.gateway.post(request.path, body, request.remote or UNKNOWN_PEER, reply)
        status, content = await answered
        kind = JSON if status in (200, TOO_MANY) else TEXT
        return web.Response(status=status, body=content, headers={"Content-Type": kind})

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        self._catch_up()
        transport = request.transport
        outgoing: asyncio.Queue[str] = asyncio.Queue(BACKLOG)

        def abort() -> None:
            if transport is not None:
                transport.abort()

        def send(text: str) -> None:
            try:
                outgoing.put_nowait(text)
            except asyncio.QueueFull:
                abort()

        session = self.gateway.open(request.remote or UNKNOWN_PEER, send, abort)
        if session is None:
            return web.Response(status=TOO_MANY, text="null")
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_LIMIT, compress=False)
        writer: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            writer = asyncio.create_task(_write(socket, outgoing))
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._catch_up()
                    session.receive(message.data)
        except ConnectionError:
            abort()
        finally:
            session.closed()
            self._sockets.discard(socket)
            if writer is not None:
                writer.cancel()
        return socket


async def _write(socket: web.WebSocketResponse, outgoing: asyncio.Queue[str]) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await socket.send_str(await outgoing.get())
