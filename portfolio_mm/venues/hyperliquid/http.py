"""The transport over real sockets: aiohttp, one pool of connections, UTC of this machine."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from portfolio_mm.venues.hyperliquid.transport import Answer, Closed, Lost, NotSent

CONNECT_S = 5.0
"""A connection that takes longer is refused."""

FRAME_BYTES = 16 * 1024 * 1024
"""Largest frame that is accepted."""

_CLOSING = aiohttp.ClientWSTimeout(ws_close=1.0)
_FRAMES = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class AiohttpSocket:
    """One websocket; implements `transport.Socket`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send a text frame; raises `Closed`."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise Closed(str(error)) from None

    async def receive(self) -> str | bytes:
        """Return the next frame; raises `Closed`."""
        try:
            message = await self._socket.receive()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise Closed(str(error)) from None
        if message.type not in _FRAMES:
            raise Closed(f"closed with code {self._socket.close_code}")
        frame: str | bytes = message.data
        return frame

    async def close(self) -> None:
        """Close it; closing twice does nothing."""
        await self._socket.close()


class AiohttpTransport:
    """HTTP and websockets of one venue; implements `transport.Transport`.

    `base_url` has the scheme and no trailing slash, "http://127.0.0.1:8791". A connection is kept
    for reuse, and a request is never repeated: whoever sent it decides what a failure means.
    """

    def __init__(self, base_url: str) -> None:
        self._url = base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        return time.time_ns()

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        """Post JSON and return the answer; raises `NotSent` or `Lost`."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_S, timeout_s))
        try:
            async with self._open().post(
                self._url + path, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                return Answer(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Lost(type(error).__name__) from None

    async def connect(self) -> AiohttpSocket:
        """Open a websocket; raises `NotSent`."""
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await self._open().ws_connect(
                    self._url + "/ws", max_msg_size=FRAME_BYTES, timeout=_CLOSING
                )
        except (aiohttp.ClientError, OSError) as error:
            raise NotSent(type(error).__name__) from None
        return AiohttpSocket(socket)

    async def close(self) -> None:
        """Release the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Content-Type": "application/json"},
                connector=aiohttp.TCPConnector(limit=32, keepalive_timeout=30.0),
            )
        return self._session
