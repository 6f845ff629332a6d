"""Any transport, with the faults of a plan: the same in process and over real sockets.

Everything is decided on this side of the network. A request is lost by not handing it on, an
answer by not handing it back; frames are tampered with in both directions.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.transport import (
    Answer,
    Closed,
    Lost,
    NotSent,
    Socket,
    Transport,
)
from sim.faults.plan import FRAMES, REQUESTS, Kind, Plan

MEAN_DELAY_S = 0.5
"""Of a delayed frame, which holds up those behind it, and of an overtaken one, which does not."""

APART_S = 1e-6
"""Between frames that were held up together, which keep their order."""

BREAK_S = 0.05
"""How long it takes to notice that a connection broke."""


class FaultyTransport:
    """A transport on which the plan strikes; implements `Transport`.

    Parameters
    ----------
    inner
        What really carries requests and frames.
    plan, origin_ns
        What goes wrong, and when the plan's time is 0.
    rng
        Draws what hits whom.
    struck
        Counts of what did.
    skew_ns
        By how much this machine's clock is ahead.
    """

    def __init__(
        self,
        inner: Transport,
        plan: Plan,
        origin_ns: int,
        rng: np.random.Generator,
        struck: Counter[str],
        skew_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._inner = inner
        self._plan = plan
        self._origin_ns = origin_ns
        self._rng = rng
        self._struck = struck
        self._skew_ns = skew_ns
        self._tasks: set[asyncio.Task[None]] = set()

    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        return self._inner.now_ns() + self._skew_ns()

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        """Post JSON and return the answer, unless the plan says otherwise."""
        if self.down():
            if self._rng.random() < 0.5:
                raise NotSent("the network is unreachable")
            return await self._vanish(timeout_s)
        match self.strike(REQUESTS):
            case None:
                return await self._inner.post(path, body, timeout_s)
            case Kind.REFUSED:
                await asyncio.sleep(BREAK_S)
                raise NotSent("connection refused")
            case Kind.LOST_REQUEST:
                return await self._vanish(timeout_s)
            case Kind.LATE_REQUEST:
                late = timeout_s * (1.0 + float(self._rng.exponential()))
                self.start(self._post_late(path, body, timeout_s, late))
                return await self._vanish(timeout_s)
            case Kind.RATE_LIMITED:
                await asyncio.sleep(BREAK_S)
                return Answer(429, b"null")
            case Kind.UNAVAILABLE:
                await asyncio.sleep(BREAK_S)
                return Answer(503, b"<html>Service Unavailable</html>")
            case kind:
                return self._spoil(kind, await self._inner.post(path, body, timeout_s))

    async def connect(self) -> FaultySocket:
        """Open a websocket, unless the network is down."""
        if self.down():
            await asyncio.sleep(BREAK_S)
            raise NotSent("the network is unreachable")
        socket = FaultySocket(self, await self._inner.connect())
        self.start(socket.carry())
        for time_s in self._plan.closes:
            if time_s > self._elapsed_s():
                self.start(self._close_at(socket, time_s))
        return socket

    async def close(self) -> None:
        """Release the connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await self._inner.close()

    def silent(self) -> bool:
        """Say whether no frame arrives any more."""
        return self._plan.silent(self._elapsed_s())

    def down(self) -> bool:
        """Say whether the network is down now."""
        if not self._plan.down(self._elapsed_s()):
            return False
        self._struck[Kind.GAP] += 1
        return True

    def strike(self, kinds: tuple[Kind, ...]) -> Kind | None:
        """Draw what hits one message, if anything."""
        for kind, probability in self._plan.chances(kinds, self._elapsed_s()):
            if self._rng.random() < probability:
                self._struck[kind] += 1
                return kind
        return None

    def delay_s(self) -> float:
        """Draw by how much a frame is late."""
        return MEAN_DELAY_S * float(self._rng.exponential())

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _elapsed_s(self) -> float:
        return (self._inner.now_ns() - self._origin_ns) / NS

    def _spoil(self, kind: Kind, answer: Answer) -> Answer:
        half = answer.body[: len(answer.body) // 2]
        match kind:
            case Kind.LOST_ANSWER:
                raise Lost("the connection was closed")
            case Kind.HALF_BODY:
                raise Lost("the connection broke within the answer")
            case Kind.GARBLED:
                return Answer(answer.status, half)
            case _:
                return Answer(502, b"<html>Bad Gateway</html>")

    async def _vanish(self, timeout_s: float) -> Answer:
        await asyncio.sleep(timeout_s)
        raise Lost(f"no answer within {timeout_s:g} s")

    async def _post_late(self, path: str, body: bytes, timeout_s: float, late_s: float) -> None:
        await asyncio.sleep(late_s)
        try:
            await self._inner.post(path, body, timeout_s)
        except (Lost, NotSent):
            return

    async def _close_at(self, socket: FaultySocket, time_s: float) -> None:
        await asyncio.sleep(time_s - self._elapsed_s())
        self._struck[Kind.CLOSE] += 1
        await socket.close()


class FaultySocket:
    """A websocket on which the plan strikes; implements `Socket`."""

    def __init__(self, owner: FaultyTransport, inner: Socket) -> None:
        self._owner = owner
        self._inner = inner
        self._inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._free_s = 0.0

    async def send(self, text: str) -> None:
        """Send a text frame, once, twice, or not at all."""
        if self._owner.down():
            return
        match self._owner.strike((Kind.DROP, Kind.DUPLICATE)):
            case Kind.DROP:
                return
            case Kind.DUPLICATE:
                await self._inner.send(text)
        await self._inner.send(text)

    async def receive(self) -> str | bytes:
        """Return the next frame."""
        frame = await self._inbox.get()
        if frame is None:
            self._inbox.put_nowait(None)
            raise Closed("the socket was closed")
        return frame

    async def close(self) -> None:
        """Close it; closing twice does nothing."""
        await self._inner.close()

    async def carry(self) -> None:
        """Hand on the frames of the inner socket until it closes."""
        try:
            while True:
                self._carry(await self._inner.receive())
        except Closed:
            return
        finally:
            self._inbox.put_nowait(None)

    def _carry(self, frame: str | bytes) -> None:
        owner = self._owner
        if owner.silent() or owner.down():
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        match owner.strike(FRAMES):
            case Kind.DROP:
                return
            case Kind.DUPLICATE:
                loop.call_at(now + owner.delay_s(), self._inbox.put_nowait, frame)
            case Kind.REORDER:
                loop.call_at(now + owner.delay_s(), self._inbox.put_nowait, frame)
                return
            case Kind.DELAY:
                self._free_s = max(self._free_s, now + owner.delay_s())
        if self._free_s <= now:
            self._inbox.put_nowait(frame)
        else:
            self._free_s += APART_S
            loop.call_at(self._free_s, self._inbox.put_nowait, frame)
