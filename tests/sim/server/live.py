"""The server on real sockets, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from portfolio_mm.venues.settings import Server
from sim.server.serve import serve

PATIENCE_S = 30.0


@contextmanager
def served(settings: Server, faucet_usd: float = 0.0) -> Iterator[str]:
    """Serve on a free port of the loopback and yield the address."""
    urls: list[str] = []
    listening = threading.Event()
    loop = asyncio.new_event_loop()

    def ready(url: str) -> None:
        urls.append(url)
        listening.set()

    async def main() -> None:
        await serve(settings, faucet_usd=faucet_usd, ready=ready)

    task = loop.create_task(main())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()
            listening.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert listening.wait(PATIENCE_S)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(PATIENCE_S)
