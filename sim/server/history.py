"""The trades of each market: the last ones, candles, and the volume of the last day."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from itertools import groupby
from typing import NamedTuple

from sim.exchange.messages import Print

MS = 1_000_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
RECENT = 20
MINUTES = 10_000
CANDLES = 5_000

SPANS_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
    "3d": 259_200_000,
    "1w": 604_800_000,
}
"""Lengths of candles; a month has its own."""


class Candle(NamedTuple):
    """Trades of a stretch of time, prices in units, volume in lots and micro-dollars."""

    start_ms: int
    open: int
    close: int
    high: int
    low: int
    lots: int
    notional: int
    trades: int

    def joined(self, later: Candle) -> Candle:
        """Return this candle and a later one as one."""
        return Candle(
            self.start_ms,
            self.open,
            later.close,
            max(self.high, later.high),
            min(self.low, later.low),
            self.lots + later.lots,
            self.notional + later.notional,
            self.trades + later.trades,
        )


class History:
    """The trades of one market."""

    def __init__(self) -> None:
        self.recent: deque[Print] = deque(maxlen=RECENT)
        self._minutes: deque[Candle] = deque(maxlen=MINUTES)

    def add(self, trade: Print) -> None:
        """Take note of a trade."""
        self.recent.append(trade)
        start = trade.time_ns // MS // MINUTE_MS * MINUTE_MS
        candle = _candle(start, trade)
        if self._minutes and self._minutes[-1].start_ms == start:
            candle = self._minutes.pop().joined(candle)
        self._minutes.append(candle)

    def candles(self, interval: str, start_ms: int, end_ms: int) -> list[Candle]:
        """Return the candles that begin in a range of time, oldest first."""
        found = (c for c in self._joined(interval) if start_ms <= c.start_ms <= end_ms)
        return list(deque(found, maxlen=CANDLES))

    def last_candle(self, interval: str) -> Candle | None:
        """Return the candle that is being made, None before the first trade."""
        latest: Candle | None = None
        for minute in reversed(self._minutes):
            start = candle_start(interval, minute.start_ms)
            if latest is not None and start != latest.start_ms:
                break
            part = minute._replace(start_ms=start)
            latest = part if latest is None else part.joined(latest)
        return latest

    def day(self, now_ms: int) -> tuple[int, int, int]:
        """Return lots and micro-dollars traded in the last 24 hours, and the price before."""
        lots = notional = first = 0
        for minute in reversed(self._minutes):
            first = minute.open
            if minute.start_ms < now_ms - DAY_MS:
                break
            lots += minute.lots
            notional += minute.notional
        return lots, notional, first

    def _joined(self, interval: str) -> Iterator[Candle]:
        starts = groupby(self._minutes, key=lambda m: candle_start(interval, m.start_ms))
        for start, minutes in starts:
            yield reduce(Candle.joined, minutes)._replace(start_ms=start)


def candle_start(interval: str, time_ms: int) -> int:
    """Return when the candle that holds an instant began, ms."""
    if interval == "1M":
        day = datetime.fromtimestamp(time_ms / 1e3, UTC)
        return round(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp() * 1e3)
    span = SPANS_MS[interval]
    return time_ms // span * span


def candle_end(interval: str, start_ms: int) -> int:
    """Return the last millisecond of a candle."""
    if interval == "1M":
        return candle_start(interval, start_ms + 32 * DAY_MS) - 1
    return start_ms + SPANS_MS[interval] - 1


def _candle(start_ms: int, trade: Print) -> Candle:
    units, lots = trade.units, trade.lots
    return Candle(start_ms, units, units, units, units, lots, units * lots, 1)
