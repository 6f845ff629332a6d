"""Numbers as the venue writes them: decimal text, at least one and at most ten decimals."""

from __future__ import annotations

from portfolio_mm.rules import ticks
from sim.exchange.messages import MICRO

PLACES = 10


def decimal(value: float) -> str:
    """Return a number as text."""
    text = f"{value:.{PLACES}f}".rstrip("0")
    text = text + "0" if text.endswith(".") else text
    return "0.0" if text == "-0.0" else text


def micro(amount: int) -> str:
    """Return micro-dollars as dollars."""
    return _fixed(amount, 6)


def price(units: int, sz_decimals: int) -> str:
    """Return a price in units."""
    return _fixed(units, ticks.DECIMALS - sz_decimals)


def size(lots: int, sz_decimals: int) -> str:
    """Return a size in lots, which may be negative."""
    return _fixed(lots, sz_decimals)


def dollars(amount: float) -> str:
    """Return an amount of dollars rounded to a micro-dollar."""
    return micro(round(amount * MICRO))


def _fixed(count: int, decimals: int) -> str:
    if decimals == 0:
        return f"{count}.0"
    digits = str(abs(count)).zfill(decimals + 1)
    fraction = digits[-decimals:].rstrip("0") or "0"
    return f"{'-' if count < 0 else ''}{digits[:-decimals]}.{fraction}"
