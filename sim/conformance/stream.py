"""A websocket that a card reads frame by frame."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage, WSMsgType

from sim.conformance.card import Broken

TIMEOUT_S = 10.0
DRAINED_S = 0.001

Frame = dict[str, Any]


class Stream:
    """One connection, used from one thread."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._kept: list[Frame] = []
        self._session: ClientSession | None = None
        try:
            self._runner.run(self._open(url))
        except BaseException:
            self.close()
            raise

    def send(self, message: object) -> None:
        """Send a message, as it is where it is text."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._runner.run(self._socket.send_str(text))

    def subscribe(self, **subscription: object) -> None:
        """Ask for a subscription."""
        self.send({"method": "subscribe", "subscription": subscription})

    def unsubscribe(self, **subscription: object) -> None:
        """End a subscription."""
        self.send({"method": "unsubscribe", "subscription": subscription})

    def next(self, channel: str) -> Frame:
        """Return the next frame of a channel.

        Raises
        ------
        Broken
            When the venue hangs up, or is silent for too long.
        """
        for index, frame in enumerate(self._kept):
            if frame["channel"] == channel:
                return self._kept.pop(index)
        while True:
            frame = self._frame(self._receive(), f"before a frame of {channel}")
            if frame["channel"] == channel:
                return frame
            self._kept.append(frame)

    def arrived(self, channel: str) -> list[Frame]:
        """Return the frames of a channel that are there already."""
        try:
            while True:
                message = self._runner.run(self._socket.receive(DRAINED_S))
                self._kept.append(self._frame(message, f"while {channel} was read"))
        except TimeoutError:
            found = [frame for frame in self._kept if frame["channel"] == channel]
            self._kept = [frame for frame in self._kept if frame["channel"] != channel]
            return found

    def last_words(self) -> tuple[list[Frame], int | None]:
        """Return the frames that come before the venue hangs up, and its closing code."""
        frames, self._kept = self._kept, []
        while (message := self._receive()).type is WSMsgType.TEXT:
            frames.append(json.loads(message.data))
        return frames, self._socket.close_code

    def close(self) -> None:
        """Hang up."""
        self._runner.run(self._close())
        self._runner.close()

    def _receive(self) -> WSMessage:
        try:
            return self._runner.run(self._socket.receive(TIMEOUT_S))
        except TimeoutError:
            raise Broken(f"the websocket was silent for {TIMEOUT_S:.0f} seconds") from None

    @staticmethod
    def _frame(message: WSMessage, when: str) -> Frame:
        if message.type is not WSMsgType.TEXT:
            raise Broken(f"the venue hung up {when}")
        frame: Frame = json.loads(message.data)
        return frame

    async def _open(self, url: str) -> None:
        self._session = ClientSession()
        self._socket: ClientWebSocketResponse = await self._session.ws_connect(f"{url}/ws")

    async def _close(self) -> None:
        if self._session is not None:
            await self._session.close()
