"""Decimal text of the venue: the one guard, and exact conversions.

Prices, sizes and amounts are decimal text on the wire, never JSON numbers. The types below let
through plain ASCII decimals of at most twenty digits on either side of the point, so that what a
decoder has accepted is finite and converts without a further check.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from portfolio_mm.rules.ticks import DECIMALS

_DIGITS = r"[0-9]{1,20}(\.[0-9]{1,20})?\Z"

Figure = Annotated[str, Meta(pattern=rf"^-?{_DIGITS}")]
Unsigned = Annotated[str, Meta(pattern=rf"^{_DIGITS}")]
Positive = Annotated[str, Meta(pattern=rf"^(?=[0-9.]*[1-9]){_DIGITS}")]

Millis = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]
"""Milliseconds UTC whose nanoseconds fit 64 bits."""

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Of an order, a trade, a message."""


class ParseError(ValueError):
    """A message of the venue is not what it should be; the text names the channel and the field."""


def number(figure: str) -> float:
    """Return the nearest float to a decimal a decoder has let through."""
    return float(figure)


def count(figure: str, decimals: int) -> int:
    """Return how many 10^-decimals a decimal is, exactly.

    Raises
    ------
    ParseError
        When it is not a whole number of them.
    """
    whole, _, fraction = figure.partition(".")
    if fraction[decimals:].strip("0"):
        raise ParseError(f"{figure} has more than {decimals} decimals")
    return int(whole + fraction[:decimals].ljust(decimals, "0"))


def price_units(price: str, sz_decimals: int) -> int:
    """Return a price in price units of its asset."""
    return count(price, DECIMALS - sz_decimals)


def lots(size: str, sz_decimals: int) -> int:
    """Return a size in lots of its asset."""
    return count(size, sz_decimals)
