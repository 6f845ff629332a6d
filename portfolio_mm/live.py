"""The real venue, or a server that speaks its protocol, put together with the engine and its guard."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from portfolio_mm.config import Config
from portfolio_mm.runtime import deadman, loop, recovery
from portfolio_mm.runtime.drill import drill
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.kill import Stop, StopFile, Stopper, Until, never
from portfolio_mm.runtime.preflight import Preflight, Standing, preflight
from portfolio_mm.types import NS
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import keys
from portfolio_mm.venues.hyperliquid.http import AiohttpTransport
from portfolio_mm.venues.hyperliquid.venue import HyperliquidVenue
from portfolio_mm.venues.settings import Hyperliquid

HOUR_NS = 3600 * NS

PATIENCE_S = 30.0
"""For the guard to end after its goodbye."""

ATTEMPTS, LONGEST_PAUSE_S = 30, 30.0
"""Of the guard to cancel everything; between them it pauses, twice as long each time."""


class NotReady(RuntimeError):
    """The preflight or the venue stands against quoting."""


class Quoted(NamedTuple):
    """How a run on the venue ended."""

    found: Preflight
    outcome: loop.Outcome


@asynccontextmanager
async def connected(config: Config) -> AsyncIterator[HyperliquidVenue]:
    """Open the venue of a configuration, and close it in the end.

    Raises
    ------
    VenueError
        When it cannot be read.
    KeyFileError
        When there is no usable key.
    """
    settings = config.venue
    assert isinstance(settings, Hyperliquid)
    signer = keys.signer(settings)
    transport = AiohttpTransport(keys.url(settings))
    try:
        venue = await HyperliquidVenue.open(
            settings, config.assets, transport, signer, np.random.default_rng()
        )
    except VenueError as error:
        await transport.close()
        if settings.network != "local":
            raise
        raise VenueError(
            f"{error}; is a server listening at {settings.url}? Start one: pmm venue CONFIG"
        ) from None
    except BaseException:
        await transport.close()
        raise
    try:
        yield venue
    finally:
        await venue.close()


async def examine(config: Config, venue: HyperliquidVenue, live: bool) -> Preflight:
    """Run the preflight; `live` drills the kill path with real orders."""
    audit = await venue.audit(venue.now_ns)
    drilled = await drill(venue, config.kill, config.name) if live else None
    standing = Standing(venue.account(), audit, venue.skew_s, drilled)
    return preflight(config, venue.universe, 0.0, standing)


async def quote(
    config: Config,
    path: Path,
    folder: Path,
    hours: float | None,
    observer: loop.Observer,
    note: Callable[[str], None],
) -> Quoted:
    """Check, recover, and quote until there is a reason to stop.

    Parameters
    ----------
    path
        Of the configuration, for the guard.
    folder
        Of the run; its journal is continued.
    hours
        How long, None: until somebody stops it.

    Raises
    ------
    NotReady
        When the preflight fails on mainnet, leverage cannot be set, or the kill path does not work.
    """
    settings = config.venue
    assert isinstance(settings, Hyperliquid)
    async with connected(config) as venue:
        found = await examine(config, venue, live=False)
        for complaint in found.complaints:
            note(complaint)
        if settings.network == "mainnet" and not found.passed:
            raise NotReady("the preflight stands against quoting: " + "; ".join(found.complaints))
        refusals = await venue.prepare()
        if refusals:
            raise NotReady("leverage could not be set: " + "; ".join(refusals))
        broken = await drill(venue, config.kill, config.name)
        if broken:
            raise NotReady("the kill path does not work: " + "; ".join(broken))
        before = recovery.past(folder, venue.universe)
        with Journal(folder, durable=config.run.durable_journal, append=True) as journal:
            start = await recovery.recover(config, venue, before)
            async with Guard(path, config.kill.deadman_s, note) as guard:
                outcome = await loop.run(
                    config,
                    venue,
                    journal,
                    observer,
                    start=start,
                    stop=stopper(folder, venue.now_ns, hours),
                    beat=guard.beat,
                    note=note,
                )
                if not outcome.resting:
                    guard.dismiss()
    return Quoted(found, outcome)


def stopper(folder: Path, now_ns: int, hours: float | None) -> Stopper:
    """Return what ends a run from outside: `pmm stop`, or the time."""
    asked = StopFile(folder)
    over: Stopper = never if hours is None else Until(now_ns + round(hours * HOUR_NS))

    def stop(now: int) -> Stop | None:
        return asked(now) or over(now)

    return stop


class Guard:
    """The dead-man process: cancels everything when our beats stop; a context manager."""

    def __init__(self, path: Path, silence_s: float, note: Callable[[str], None]) -> None:
        self._words = ("cancel", str(path), "--when-silent", f"{silence_s:g}")
        self._note = note
        self._process: asyncio.subprocess.Process | None = None
        self._lost = False

    async def __aenter__(self) -> Self:
        """Start it, away from the terminal's Ctrl-C."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "portfolio_mm.cli",
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pipe: without a goodbye it cancels everything now."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        except TimeoutError:
            self._note("the dead-man process is still cancelling")

    def beat(self) -> None:
        """Say that the engine lives."""
        self._write(deadman.BEAT)

    def dismiss(self) -> None:
        """Say that nothing rests any more."""
        self._write(deadman.GOODBYE)

    def _write(self, sign: bytes) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        if process.returncode is None:
            process.stdin.write(sign)
        elif not self._lost:
            self._lost = True
            self._note(f"the dead-man process ended with status {process.returncode}")


async def cancel(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cancel every order that rests on the assets of a configuration; see `deadman.sweep`."""
    async with connected(config) as venue:
        return await deadman.sweep(venue, config.kill.cancel_s)


async def cancel_when_silent(config: Config, silence_s: float, note: Callable[[str], None]) -> bool:
    """Listen to an engine on standard input; cancel everything when it falls silent.

    Returns
    -------
    Whether nothing is left to do.
    """
    left = False

    async def clear() -> None:
        nonlocal left
        note("the engine fell silent: cancelling everything")
        for attempt in range(ATTEMPTS):
            try:
                gone, resting = await cancel(config)
            except VenueError as error:
                note(f"nothing could be cancelled: {error}")
            else:
                note(f"cancelled: {len(gone)}, still resting: {len(resting)}")
                left = bool(resting)
                if not resting:
                    return
            left = True
            await asyncio.sleep(min(2.0**attempt, LONGEST_PAUSE_S))

    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await deadman.guard(lambda: reader.read(1024), silence_s, clear)
    return not left
