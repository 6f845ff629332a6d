"""The network in process: requests and frames between an engine and a venue, with latency only.

It keeps its own queue of what is on its way, so that what a killed process had sent still arrives.
What goes wrong is added by `sim.faults.transport`, the same way as over real sockets.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

import numpy as np

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.transport import Answer, Closed, Lost, NotSent

BASE_S, JITTER_S = 0.02, 0.005
"""One way: least, and mean of an exponential on top."""


class Session(Protocol):
    """The venue's end of a websocket."""

    def receive(self, text: str) -> None:
        """Take a frame of the client."""
        ...

    def closed(self) -> None:
        """Take note that the client is gone."""
        ...


class Gateway(Protocol):
    """A venue without sockets and without a clock: `sim.server.gateway.Gateway`."""

    @property
    def now_ns(self) -> int:
        """Venue time."""
        ...

    @property
    def next_ns(self) -> int:
        """When the next thing happens."""
        ...

    def advance(self, until_ns: int) -> None:
        """Let everything happen that is due until then."""
        ...

    def post(self, path: str, body: bytes, ip: str, reply: Callable[[int, bytes], None]) -> None:
        """Take a request; `reply` is called with status and body."""
        ...

    def open(
        self, ip: str, send: Callable[[str], None], close: Callable[[], None]
    ) -> Session | None:
        """Take a websocket, or refuse it."""
        ...


class Network:
    """What is on its way, in venue time; `Surroundings` of a virtual loop."""

    def __init__(self, gateway: Gateway, rng: np.random.Generator) -> None:
        self.gateway = gateway
        self._rng = rng
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = count()
        self.refused = 0
        """Connections that the venue did not take."""

    @property
    def next_ns(self) -> int:
        """When something happens next, at the venue or on the way."""
        return min(self._heap[0][0], self.gateway.next_ns) if self._heap else self.gateway.next_ns

    def advance(self, until_ns: int) -> None:
        """Let everything happen that is due until then."""
        heap, gateway = self._heap, self.gateway
        while (time_ns := self.next_ns) <= until_ns:
            gateway.advance(time_ns)
            while heap and heap[0][0] <= time_ns:
                _, _, action, arguments = heappop(heap)
                action(*arguments)
        if gateway.now_ns < until_ns:
            gateway.advance(until_ns)

    def at(self, time_ns: int, action: Callable[..., None], *arguments: Any) -> None:
        """Have something happen at a time."""
        heappush(self._heap, (time_ns, next(self._sequence), action, arguments))

    def arrival(self, time_ns: int) -> int:
        """Return when a message sent at `time_ns` arrives."""
        return time_ns + round(NS * (BASE_S + JITTER_S * float(self._rng.exponential())))


class Line:
    """One machine's access to the network; implements `Transport`."""

    def __init__(self, network: Network, ip: str, clock: Callable[[], int]) -> None:
        self._network = network
        self._ip = ip
        self._clock = clock
        self._sockets: list[Wire] = []
        self.cut = False

    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        return self._clock()

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        """Post JSON and return the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        network = self._network

        def receive(status: int, content: bytes) -> None:
            network.at(network.arrival(network.gateway.now_ns), settle, Answer(status, content))

        def settle(result: Answer) -> None:
            if not self.cut and not answer.done():
                answer.set_result(result)

        network.at(
            network.arrival(self.now_ns()), network.gateway.post, path, body, self._ip, receive
        )
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise Lost(f"no answer within {timeout_s:g} s") from None

    async def connect(self) -> Wire:
        """Open a websocket; it takes a round trip."""
        opened: asyncio.Future[Wire | None] = asyncio.get_running_loop().create_future()
        network = self._network

        def arrive() -> None:
            wire = Wire(self)
            session = network.gateway.open(self._ip, wire.sent, wire.ended)
            wire.session = session
            network.refused += session is None
            network.at(network.arrival(network.gateway.now_ns), settle, wire if session else None)

        def settle(wire: Wire | None) -> None:
            if not self.cut and not opened.done():
                opened.set_result(wire)

        network.at(network.arrival(self.now_ns()), arrive)
        wire = await opened
        if wire is None:
            raise NotSent("the venue takes no more connections")
        self._sockets.append(wire)
        return wire

    async def close(self) -> None:
        """Close all sockets."""
        for wire in self._sockets:
            await wire.close()

    def kill(self) -> None:
        """Let the machine's process be gone: nothing reaches it, the venue sees closed sockets."""
        self.cut = True
        for wire in self._sockets:
            wire.hang_up()


class Wire:
    """A websocket in process; frames keep their order."""

    def __init__(self, line: Line) -> None:
        self.session: Session | None = None
        self._line = line
        self._network = line._network  # noqa: SLF001 (one idea in two classes)
        self._inbox: deque[str] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._up_ns = self._down_ns = 0
        self._closed = False

    async def send(self, text: str) -> None:
        """Send a text frame."""
        if self._closed:
            raise Closed("the socket is closed")
        self._up_ns = max(self._up_ns, self._network.arrival(self._line.now_ns()))
        self._network.at(self._up_ns, self._deliver_up, text)

    async def receive(self) -> str:
        """Return the next frame."""
        while not self._inbox:
            if self._closed:
                raise Closed("the socket was closed")
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        return self._inbox.popleft()

    async def close(self) -> None:
        """Close it; closing twice does nothing."""
        if not self._closed:
            self.hang_up()
            self._end()

    def hang_up(self) -> None:
        """Tell the venue that this end is gone."""
        network = self._network
        network.at(network.arrival(network.gateway.now_ns), self._leave)

    def sent(self, text: str) -> None:
        """Take a frame of the venue on its way."""
        network = self._network
        self._down_ns = max(self._down_ns, network.arrival(network.gateway.now_ns))
        network.at(self._down_ns, self._deliver_down, text)

    def ended(self) -> None:
        """Take the venue's closing on its way."""
        network = self._network
        self.session = None
        self._down_ns = max(self._down_ns, network.arrival(network.gateway.now_ns))
        network.at(self._down_ns, self._end)

    def _deliver_up(self, text: str) -> None:
        if self.session is not None:
            self.session.receive(text)

    def _leave(self) -> None:
        if self.session is not None:
            self.session.closed()
            self.session = None

    def _deliver_down(self, text: str) -> None:
        if not self._closed and not self._line.cut:
            self._inbox.append(text)
            self._wake()

    def _end(self) -> None:
        self._closed = True
        if not self._line.cut:
            self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
