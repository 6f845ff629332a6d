"""Cards at the local server: one of its own for each card, in a thread, on a free port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from queue import SimpleQueue

from sim.conformance import settings
from sim.conformance.card import Scene
from sim.conformance.sdk import SdkBench
from sim.market.latency import MS
from sim.server.app import Application
from sim.server.gateway import Gateway

LOOPBACK = "127.0.0.1"
SETTLED_MS = 2000
STOP_S = 10.0


class _Served:
    """An application that runs in a thread."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._ready: SimpleQueue[str | BaseException] = SimpleQueue()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        self._thread.start()
        started = self._ready.get()
        if isinstance(started, BaseException):
            raise started
        self.url = started

    def call(self, action: Callable[..., object], *arguments: object) -> None:
        """Have something done in the thread, and wait until it is."""
        finished = threading.Event()

        def act() -> None:
            action(*arguments)
            finished.set()

        self._loop.call_soon_threadsafe(act)
        finished.wait(STOP_S)

    def stop(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(STOP_S)

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._ready.put(await self._application.start(LOOPBACK, 0))
            await self._over.wait()
        except OSError as error:
            self._ready.put(error)
        finally:
            await self._application.stop()


class ServerBench(SdkBench):
    """A server and clients of it."""

    def __init__(self, scene: Scene) -> None:
        gateway = Gateway(settings.server(scene, datetime.now(UTC)))
        gateway.advance(gateway.now_ns + SETTLED_MS * MS)
        self._gateway = gateway
        self._served = _Served(Application(gateway, scene.speed))
        numbers = count(1)
        try:
            super().__init__(self._served.url, scene.markets, lambda: f"0x{next(numbers):064x}")
        except BaseException:
            self._served.stop()
            raise

    def restart(self, post_only_s: float) -> None:
        """Restart the venue."""
        self._served.call(self._gateway.restart, post_only_s)

    def close(self) -> None:
        """Close every connection and stop the server."""
        try:
            super().close()
        finally:
            self._served.stop()
