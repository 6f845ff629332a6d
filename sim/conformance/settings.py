"""The simulated market a card asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from portfolio_mm.venues.settings import Server, Simulated
from sim.conformance.card import Scene

SEED = 20_260_105
CALM, WILD = 0.01, 100.0
EPOCH = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def simulated(scene: Scene) -> Simulated:
    """Return the market of an embedded exchange; takers hardly ever come."""
    return Simulated(**_market(scene, EPOCH))


def server(scene: Scene, now: datetime) -> Server:
    """Return the market and the venue of a server that starts about now."""
    return Server(
        **_market(scene, now),
        markets=scene.markets,
        speed=scene.speed,
        block_ms=scene.block_ms,
        account=scene.mode,
        faucet_usd=scene.usd,
    )


def _market(scene: Scene, start: datetime) -> dict[str, Any]:
    if scene.before_hour_s:
        hour = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        start = hour - timedelta(seconds=scene.before_hour_s)
    return {
        "seed": SEED,
        "start": start,
        "requests": scene.requests,
        "volatility_scale": WILD if scene.wild else CALM,
        "arrival_scale": 0.01,
        "informed_scale": 0.0,
    }
