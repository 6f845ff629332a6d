"""Where a session takes place: in process on a virtual clock, or over real sockets in real time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from portfolio_mm.runtime.loop import Outcome
from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.http import AiohttpTransport
from portfolio_mm.venues.hyperliquid.transport import Transport
from portfolio_mm.venues.settings import Server
from sim.faults.network import Line, Network
from sim.faults.process import Process
from sim.faults.virtual import DeadlockError, VirtualLoop
from sim.server.app import Application
from sim.server.gateway import Gateway

IP = "10.0.0.1"

Engine = Callable[[Transport], Coroutine[Any, Any, Outcome]]


class Lived(NamedTuple):
    """What one start of an engine came to."""

    outcome: Outcome | None  # None: killed
    resumptions: int


class Ground(Protocol):
    """A venue, a clock, and a place for an engine to run."""

    gateway: Gateway

    @property
    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        ...

    @property
    def unconnected(self) -> int:
        """Connections that the venue refused."""
        ...

    def live(self, engine: Engine, kill_at: int | None, horizon_ns: int) -> Lived:
        """Run an engine to its end; raises what it raises, and `DeadlockError` at the horizon."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass without an engine."""
        ...

    def close(self) -> None:
        """Stop the venue."""
        ...


class VirtualGround:
    """Everything in one thread, on the virtual clock."""

    def __init__(self, settings: Server, rng: np.random.Generator) -> None:
        self.gateway = Gateway(settings)
        self._network = Network(self.gateway, rng)
        self._now_ns = self.gateway.now_ns

    @property
    def now_ns(self) -> int:
        """Virtual wall clock, ns UTC."""
        return self._now_ns

    @property
    def unconnected(self) -> int:
        """Connections that the venue refused."""
        return self._network.refused

    def live(self, engine: Engine, kill_at: int | None, horizon_ns: int) -> Lived:
        """Run an engine on a loop of its own; a killed one leaves only what it had sent."""
        loop = VirtualLoop(self._now_ns, self._network, horizon_ns)
        line = Line(self._network, IP, lambda: loop.now_ns)
        process = Process(kill_at)
        try:
            outcome = process.run(loop, engine(line))
        finally:
            self._now_ns = loop.now_ns
        if outcome is None:
            line.kill()
        return Lived(outcome, process.resumptions)

    def wait(self, seconds: float) -> None:
        """Move the clock."""
        self._now_ns += round(seconds * NS)
        self._network.advance(self._now_ns)

    def close(self) -> None:
        """Leave everything to the garbage collector."""


class SocketGround:
    """The venue behind aiohttp in a thread of its own, in real time; nothing is killed here."""

    def __init__(self, settings: Server) -> None:
        now = msgspec.structs.replace(settings, start=datetime.now(UTC))
        self.gateway = Gateway(now)
        self.unconnected = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="venue", daemon=True)
        self._thread.start()
        self._application = Application(self.gateway, 1.0)
        self._url = self._run(self._application.start("127.0.0.1", 0))

    @property
    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        return time.time_ns()

    def live(self, engine: Engine, kill_at: int | None, horizon_ns: int) -> Lived:
        """Run an engine until it ends."""
        del kill_at

        async def bounded() -> Outcome:
            async with asyncio.timeout((horizon_ns - self.now_ns) / NS):
                return await engine(AiohttpTransport(self._url))

        try:
            return Lived(asyncio.run(bounded()), 0)
        except TimeoutError:
            raise DeadlockError("still waiting when its time was over") from None

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def close(self) -> None:
        """Stop the server and its thread."""
        self._run(self._application.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
