"""Books and trades in the venue's shape."""

from __future__ import annotations

from typing import Any

from portfolio_mm.types import Instrument
from sim.exchange.matching import Book
from sim.exchange.messages import Print
from sim.server import text
from sim.server.history import MS, Candle, candle_end

LEVELS, FAST_LEVELS = 20, 5
BUY, SELL = "B", "A"

Level = dict[str, Any]


def book(
    source: Book,
    instrument: Instrument,
    time_ns: int,
    *,
    levels: int = LEVELS,
    figures: int | None = None,
    mantissa: int | None = None,
) -> dict[str, Any]:
    """Return the best levels of a book, merged to significant figures if asked."""
    sides = [
        side_levels(source, instrument, side, levels, figures, mantissa or 1) for side in (0, 1)
    ]
    return {"coin": instrument.name, "time": time_ns // MS, "levels": sides}


def best(source: Book, instrument: Instrument, time_ns: int) -> dict[str, Any]:
    """Return the best level of each side."""
    sides = [side_levels(source, instrument, side, 1, None, 1) for side in (0, 1)]
    return {
        "coin": instrument.name,
        "time": time_ns // MS,
        "bbo": [levels[0] if levels else None for levels in sides],
    }


def side_levels(
    source: Book,
    instrument: Instrument,
    side: int,
    levels: int,
    figures: int | None,
    mantissa: int,
) -> list[Level]:
    """Return the best levels of a side, best first."""
    if figures is None:
        merged = _plain(source, side, levels)
    else:
        merged = _merged(source, side, levels, figures, mantissa)
    return [
        {
            "px": text.price(units, instrument.sz_decimals),
            "sz": text.size(lots, instrument.sz_decimals),
            "n": orders,
        }
        for units, lots, orders in merged
    ]


def trade(row: Print, instrument: Instrument, buyer: str, seller: str) -> dict[str, Any]:
    """Return a public trade."""
    return {
        "coin": instrument.name,
        "side": SELL if row.side else BUY,
        "px": text.price(row.units, instrument.sz_decimals),
        "sz": text.size(row.lots, instrument.sz_decimals),
        "time": row.time_ns // MS,
        "hash": transaction(row.tid),
        "tid": row.tid,
        "users": [buyer, seller],
    }


def candle(row: Candle, instrument: Instrument, interval: str) -> dict[str, Any]:
    """Return a candle."""
    decimals = instrument.sz_decimals
    return {
        "t": row.start_ms,
        "T": candle_end(interval, row.start_ms),
        "s": instrument.name,
        "i": interval,
        "o": text.price(row.open, decimals),
        "c": text.price(row.close, decimals),
        "h": text.price(row.high, decimals),
        "l": text.price(row.low, decimals),
        "v": text.size(row.lots, decimals),
        "n": row.trades,
    }


def transaction(number: int) -> str:
    """Return a transaction hash; the simulated chain just numbers them."""
    return f"0x{number:064x}"


def _plain(source: Book, side: int, levels: int) -> list[tuple[int, int, int]]:
    prices, totals = source.depth(side, levels)
    return [
        (units, lots, sum(1 for _ in source.queue(side, units)))
        for units, lots in zip(prices, totals, strict=True)
    ]


def _merged(
    source: Book, side: int, levels: int, figures: int, mantissa: int
) -> list[tuple[int, int, int]]:
    merged: dict[int, tuple[int, int]] = {}
    for units, lots, orders in _plain(source, side, len(source.orders)):
        step = mantissa * 10 ** max(len(str(units)) - figures, 0)
        price = units // step * step if side == 0 else -(-units // step) * step
        if price not in merged and len(merged) == levels:
            break
        before = merged.get(price, (0, 0))
        merged[price] = (before[0] + lots, before[1] + orders)
    return [(units, *rest) for units, rest in merged.items()]
