"""Serving the simulated exchange until somebody stops it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from portfolio_mm.venues.settings import Server
from sim.server.app import Application
from sim.server.gateway import Gateway

LOOPBACK = "127.0.0.1"


async def serve(
    settings: Server,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    faucet_usd: float = 0.0,
    ready: Callable[[str], None],
) -> None:
    """Serve the exchange until cancelled.

    The market starts now, whatever start the settings name: clients sign with the time of the day,
    and the venue refuses what is days off.

    Parameters
    ----------
    settings
        Of the market and the venue.
    host, port
        Where to listen; port 0 takes a free one.
    faucet_usd
        Credited to every address on first contact; 0 leaves it to the settings.
    ready
        Called with the address for clients once it listens.
    """
    now = datetime.now(UTC)
    settings = msgspec.structs.replace(
        settings, start=now, faucet_usd=faucet_usd or settings.faucet_usd
    )
    application = Application(Gateway(settings), settings.speed)
    try:
        ready(await application.start(host, port))
        await application.run()
    finally:
        await application.stop()
