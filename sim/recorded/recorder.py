"""Record the live feed of some markets, as `recording` reads it.

The recorder stands beside the readers of recordings, because the two share the names of files and
columns; of the adapter it needs only public market data, no key and no account.

Every row has the time of its receipt; contexts have no other. Prints that the venue repeats after a
subscription are recorded once, and marked as backfill where they are older than the first book.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from portfolio_mm.types import NS, Frozen
from portfolio_mm.venues.hyperliquid.figures import number
from portfolio_mm.venues.hyperliquid.frames import (
    BestFrame,
    BookFrame,
    ContextFrame,
    Frame,
    TradesFrame,
)
from portfolio_mm.venues.hyperliquid.limits import Limiter
from portfolio_mm.venues.hyperliquid.questions import Questions
from portfolio_mm.venues.hyperliquid.transport import Transport
from portfolio_mm.venues.hyperliquid.wire import AssetContext, Best, Book, Level, Trade
from sim.live.feed import Feed, refuse_unlisted
from sim.recorded.files import BEST, CONTEXTS, GAPS, LEVELS, PRINTS, WHOLE, HourlyWriter, Row

MS = 1_000_000

LOOK_S, FLUSH_S, FLUSH_ROWS = 1.0, 30.0, 50_000
"""The recorder looks at itself this often, and writes what it holds this often, or once it is much."""

REMEMBERED = 5000
"""Prints of each market that are recognised when they are repeated."""


class Recorded(Frozen, frozen=True, kw_only=True):
    """What was recorded."""

    folder: str
    seconds: float
    rows: dict[str, int]  # by table
    bytes: int  # of complete files
    connections: int  # sockets opened
    unreadable: int  # frames that made no sense


class Rows:
    """Turns frames into rows of a writer."""

    def __init__(self, writer: HourlyWriter) -> None:
        self._writer = writer
        self._opened: dict[str, int] = {}  # time of the first book, ms
        self._printed: dict[str, dict[int, None]] = {}  # ids of prints, oldest first

    def take(self, frame: Frame, now_ns: int) -> None:
        """Take a frame that arrived now."""
        match frame:
            case BookFrame(data=book):
                self._opened.setdefault(book.coin, book.time)
                self._writer.add(WHOLE, _book(book, now_ns))
            case BestFrame(data=best):
                self._opened.setdefault(best.coin, best.time)
                self._writer.add(BEST, _best(best, now_ns))
            case TradesFrame(data=trades):
                for trade in trades:
                    self._trade(trade, now_ns)
            case ContextFrame(data=data):
                self._writer.add(CONTEXTS, _context(data.coin, data.ctx, now_ns))
            case _:
                pass

    def miss(self, coins: Sequence[str], from_ns: int, until_ns: int) -> None:
        """Note that nothing of some coins arrived for a while."""
        for coin in coins:
            self._writer.add(GAPS, (until_ns, from_ns, coin))

    def _trade(self, trade: Trade, now_ns: int) -> None:
        known = self._printed.setdefault(trade.coin, {})
        if number(trade.sz) <= 0.0 or (trade.tid and trade.tid in known):
            return
        known[trade.tid] = None
        if len(known) > REMEMBERED:
            del known[next(iter(known))]
        opened = self._opened.get(trade.coin)
        self._writer.add(
            PRINTS,
            (
                now_ns,
                trade.time * MS,
                trade.coin,
                number(trade.px),
                number(trade.sz),
                "buy" if trade.side == "B" else "sell",
                trade.tid,
                opened is None or trade.time < opened,
            ),
        )


def _book(book: Book, now_ns: int) -> Row:
    ladders = (column for side in book.levels for column in _ladder(side))
    return (now_ns, book.time * MS, book.coin, *(value for column in ladders for value in column))


def _ladder(levels: Sequence[Level]) -> Iterator[list[float | None]]:
    """Yield prices, then sizes, best first and as many as a table holds."""
    shown = levels[:LEVELS]
    missing = [None] * (LEVELS - len(shown))
    yield [number(level.px) for level in shown] + missing
    yield [number(level.sz) for level in shown] + missing


def _best(best: Best, now_ns: int) -> Row:
    sides = ((None, None) if b is None else (number(b.px), number(b.sz)) for b in best.bbo)
    return (now_ns, best.time * MS, best.coin, *(value for side in sides for value in side))


def _context(coin: str, context: AssetContext, now_ns: int) -> Row:
    impact = context.impact_pxs or (None, None)
    figures = (
        context.mark_px,
        context.oracle_px,
        context.mid_px,
        *impact,
        context.premium,
        context.funding,
        context.open_interest,
        context.day_ntl_vlm,
    )
    return (now_ns, None, coin, *(None if f is None else number(f) for f in figures))


async def record(
    transport: Transport,
    coins: Sequence[str],
    folder: Path,
    *,
    hours: float | None = None,
    progress: Callable[[float, str], object] | None = None,
) -> Recorded:
    """Record markets until cancelled, or for some hours; whatever ends it, the files are complete.

    Parameters
    ----------
    transport
        Network and clock; left open.
    coins
        Names of markets.
    folder
        Of the recording; a recording that is there is continued.
    hours
        How long, None for ever.
    progress
        Called every second with the share that is over, and what there is.

    Raises
    ------
    VenueError
        When the venue could not be asked what it lists.
    MarketError
        When it does not list a market.
    OSError
        When the folder cannot be written to.
    """
    begin_ns = now_ns = transport.now_ns()
    end_ns = None if hours is None else begin_ns + round(hours * 3600 * NS)
    rng = np.random.default_rng(begin_ns)
    limiter = Limiter(rng)
    await refuse_unlisted(Questions(transport, limiter, ""), coins)
    writer = HourlyWriter(folder, begin_ns)
    rows = Rows(writer)
    feed = Feed(transport, limiter, rng, coins, take=rows.take, miss=rows.miss)
    listening = asyncio.create_task(feed.run())
    flushed_ns = begin_ns
    try:
        while not listening.done() and (end_ns is None or now_ns < end_ns):
            rest_s = LOOK_S if end_ns is None else min(LOOK_S, (end_ns - now_ns) / NS)
            await asyncio.wait([listening], timeout=rest_s)
            now_ns = transport.now_ns()
            if now_ns - flushed_ns >= FLUSH_S * NS or writer.pending >= FLUSH_ROWS:
                writer.flush(now_ns)
                flushed_ns = now_ns
            writer.tidy()
            if progress is not None:
                share = 0.0 if end_ns is None else (now_ns - begin_ns) / (end_ns - begin_ns)
                progress(min(share, 1.0), f"{sum(writer.rows.values()):,} rows")
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        writer.close(transport.now_ns())
    if not listening.cancelled():
        listening.result()
    return Recorded(
        folder=str(folder),
        seconds=(transport.now_ns() - begin_ns) / NS,
        rows=dict(writer.rows),
        bytes=writer.bytes,
        connections=feed.connections,
        unreadable=feed.unreadable,
    )
