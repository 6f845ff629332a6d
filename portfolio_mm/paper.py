"""Everything but the real venue put together with the engine: simulated exchanges, recordings, shadow."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec
import numpy as np

from portfolio_mm import live, terminal
from portfolio_mm import report as reporting
from portfolio_mm.config import Config
from portfolio_mm.cycle import Cycle
from portfolio_mm.report.summary import Summary
from portfolio_mm.runtime import loop
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.kill import Stopper, never
from portfolio_mm.types import NS, AccountState, MarketSnapshot, Universe
from portfolio_mm.venues.base import Venue
from portfolio_mm.venues.hyperliquid import keys
from portfolio_mm.venues.hyperliquid.http import AiohttpTransport
from portfolio_mm.venues.hyperliquid.limits import Limiter
from portfolio_mm.venues.hyperliquid.questions import Questions
from portfolio_mm.venues.settings import (
    Embedded,
    Hyperliquid,
    Recorded,
    Server,
    Shadow,
    Simulated,
)
from sim.embedded import EmbeddedVenue
from sim.live import shadow
from sim.live.feed import public_universe
from sim.live.shadow import ShadowStatistics
from sim.market.listing import build_universe as listed_universe
from sim.recorded import recorder
from sim.recorded.listing import build_universe as recorded_universe
from sim.recorded.tape import Tape
from sim.recorded.tape import load as load_tape


class InputError(ValueError):
    """Bad input; the message is one line."""


def run(
    config: Config,
    venue: Venue,
    folder: Path,
    observer: loop.Observer,
    stop: Stopper = never,
) -> Summary:
    """Run the engine on a simulated venue and return the summary of its journal."""
    with Journal(folder, durable=config.run.durable_journal) as journal:
        asyncio.run(loop.run(config, venue, journal, observer, stop=stop))
    return reporting.summary(reporting.load(folder))


def quote_embedded(
    config: Config, settings: Embedded, folder: Path, hours: float | None
) -> tuple[Summary, tuple[str, ...]]:
    """Quote on the embedded exchange; return the summary and what the exchange saw."""
    if hours is not None:
        settings = msgspec.structs.replace(settings, hours=hours)
        config = msgspec.structs.replace(config, venue=settings)
    venue = EmbeddedVenue(settings, _listed(config))
    with terminal.progress("quoting") as advance:
        observer = watch(advance, venue.now_ns, settings.hours)
        summary = run(config, venue, folder, observer)
    seen = venue.statistics()
    words = (
        f"at the exchange: margin used at most {seen.peak_margin_use.max():.1%} of equity at any "
        f"instant, {sum(seen.rejections.values())} actions refused"
    )
    return summary, (words,)


def quote_shadow(
    config: Config, settings: Shadow, folder: Path, hours: float | None
) -> tuple[Summary, tuple[str, ...]]:
    """Quote on live data, with orders simulated against them."""

    async def quoted(observer: loop.Observer) -> ShadowStatistics:
        venue = await shadow.connect(settings, config.assets, _transport(settings))
        with Journal(folder, durable=config.run.durable_journal) as journal:
            stop = live.stopper(folder, venue.now_ns, hours)
            await loop.run(config, venue, journal, observer, stop=stop, note=terminal.note)
        return venue.statistics()

    with terminal.progress("quoting") as advance:
        seen = asyncio.run(quoted(watch(advance, None, hours)))
    words = (
        f"{sum(seen.rejections.values())} actions refused; {seen.late:,} of {seen.rows:,} rows of data "
        f"came after their instant was simulated, at most {seen.missed_s:.1f} s were missed at once"
    )
    return reporting.summary(reporting.load(folder)), (words,)


def watch(advance: terminal.Advance, start_ns: int | None, hours: float | None) -> loop.Observer:
    """Return an observer that shows how far a run is, and what it earned since it began."""
    begun: list[tuple[int, float]] = []

    def observe(snapshot: MarketSnapshot, account: AccountState, cycle: Cycle) -> None:
        del cycle
        equity = float(account.equity.sum())
        if not begun:
            begun.append((snapshot.time_ns if start_ns is None else start_ns, equity))
        since_ns, opening = begun[0]
        span = (hours or math.inf) * 3600.0 * NS
        advance((snapshot.time_ns - since_ns) / span, f"PnL {equity - opening:+,.2f} USD")

    return observe


def universe(config: Config) -> Universe:
    """Return the instruments that a configuration trades where the account is simulated."""
    match config.venue:
        case Embedded():
            return _listed(config)
        case Shadow() as settings:
            return asyncio.run(_shadowed(config, settings))
        case venue:
            assert isinstance(venue, Recorded)
            assert config.replay is not None
            names = [asset.name for asset in config.assets]
            return recorded(config, venue, load_tape(Path(config.replay.data), names))


def _listed(config: Config) -> Universe:
    """Return the instruments of the embedded exchange that the configuration names."""
    assets = config.assets
    try:
        return listed_universe(
            [asset.name for asset in assets],
            leverage={asset.name: asset.leverage for asset in assets},
            size_usd={asset.name: asset.size_usd for asset in assets},
            isolated=[asset.name for asset in assets if asset.isolated],
        )
    except ValueError as error:
        raise InputError(f"assets: {error}") from None


def recorded(config: Config, venue: Recorded, tape: Tape) -> Universe:
    """Return the instruments of a recording at the fees of a scenario."""
    return recorded_universe(
        tape,
        leverage=[asset.leverage for asset in config.assets],
        size_usd=[asset.size_usd for asset in config.assets],
        maker_fee=1e-4 * venue.maker_fee_bps,
        taker_fee=1e-4 * venue.taker_fee_bps,
    )


async def _shadowed(config: Config, settings: Shadow) -> Universe:
    """Return the instruments of the real venue."""
    transport = _transport(settings)
    try:
        questions = Questions(transport, Limiter(np.random.default_rng(settings.seed)), "")
        return await public_universe(questions, config.assets)
    finally:
        await transport.close()


def served(path: Path, config: Config) -> Server:
    """Return what `pmm venue` serves."""
    if config.server is not None:
        return config.server
    if not isinstance(config.venue, Embedded):
        raise InputError(f"{path}: neither a table [server] nor an embedded venue to serve")
    return Server(**{key: getattr(config.venue, key) for key in Simulated.__struct_fields__})


async def record(
    config: Config,
    settings: Hyperliquid | Shadow,
    folder: Path,
    hours: float | None,
    advance: terminal.Advance,
) -> recorder.Recorded:
    """Record the markets of a configuration."""
    transport = _transport(settings)
    try:
        coins = [asset.name for asset in config.assets]
        return await recorder.record(transport, coins, folder, hours=hours, progress=advance)
    finally:
        await transport.close()


def _transport(settings: Hyperliquid | Shadow) -> AiohttpTransport:
    """Return the network that leads to a venue."""
    return AiohttpTransport(settings.url or keys.URLS[settings.network])
