"""Price and size grids of the venue.

A perpetual's price has at most five significant figures and at most 6 - szDecimals decimals;
integers are always valid. A size is a multiple of 10^-szDecimals.

Inside the engine both are integers: a price counts *price units* of 10^-(6 - szDecimals) USD, a
size counts *lots* of 10^-szDecimals contracts. One unit times one lot is 1e-6 USD for every asset.
With d the number of digits of u, the step of the grid at u units is

    step(u) = min( 10^max(d - 5, 0), 10^(6 - szDecimals) )

Everything takes scalars or arrays that broadcast.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from portfolio_mm.types import Bools, Floats, Ints

MIN_NOTIONAL = 10.0
"""Smallest order value, USD, at its limit price."""

MICRO_USD = 1e-6
"""USD in one price unit times one lot."""

SIGNIFICANT = 5
DECIMALS = 6
TOLERANCE = 1e-9
_EXACT = 2.0**53
_POWERS = 10 ** np.arange(19, dtype=np.int64)
_SCALES = 10.0 ** np.arange(DECIMALS + 1)


def _step(units: Any, sz_decimals: Any) -> Any:
    excess = np.searchsorted(_POWERS, units, side="right") - SIGNIFICANT
    return _POWERS.take(np.minimum(np.maximum(excess, 0), DECIMALS - sz_decimals))


def _snap_down(ratio: Any) -> Any:
    return np.floor(ratio + np.minimum(TOLERANCE * np.abs(ratio), 0.5))


def _usable(scaled: Any) -> Any:
    return np.where((scaled > 0.0) & (scaled < _EXACT), scaled, 0.0)


def to_units(price: ArrayLike, sz_decimals: ArrayLike, side: ArrayLike) -> Ints:
    """Round prices to price units, never to the more aggressive side.

    Parameters
    ----------
    price
        USD. A price within 1e-9 of a valid one is taken as valid.
    sz_decimals
        szDecimals of the asset.
    side
        +1 for bids (rounded down), -1 for asks (rounded up).

    Returns
    -------
    Price units, 0 where no valid price exists.
    """
    decimals, sign = np.asarray(sz_decimals), np.asarray(side)
    scaled = _usable(np.asarray(price, dtype=np.float64) * _SCALES.take(DECIMALS - decimals))
    signed_step = sign * _step(scaled, decimals)
    units: Ints = (_snap_down(scaled / signed_step) * signed_step).astype(np.int64)[()]
    return units


def from_units(units: ArrayLike, sz_decimals: ArrayLike) -> Floats:
    """Return the price in USD of a number of price units, correctly rounded."""
    price: Floats = np.divide(units, _SCALES.take(DECIMALS - np.asarray(sz_decimals)))
    return price


def to_lots(size: ArrayLike, sz_decimals: ArrayLike) -> Ints:
    """Round sizes in contracts down to lots, 0 where none is valid."""
    scaled = _usable(np.asarray(size, dtype=np.float64) * _SCALES.take(np.asarray(sz_decimals)))
    lots: Ints = _snap_down(scaled).astype(np.int64)[()]
    return lots


def from_lots(lots: ArrayLike, sz_decimals: ArrayLike) -> Floats:
    """Return the size in contracts of a number of lots, correctly rounded."""
    size: Floats = np.divide(lots, _SCALES.take(np.asarray(sz_decimals)))
    return size


def valid_units(units: ArrayLike, sz_decimals: ArrayLike) -> Bools:
    """Tell which numbers of price units the venue accepts as a price."""
    count = np.asarray(units, dtype=np.int64)
    valid: Bools = (count > 0) & (count % _step(count, np.asarray(sz_decimals)) == 0)
    return valid


def tick_units(units: ArrayLike, sz_decimals: ArrayLike, direction: ArrayLike = 1) -> Ints:
    """Return the distance in units from a valid price to its valid neighbour.

    `direction` is +1 for the neighbour above, -1 for the one below: at a power of ten the one
    below is ten times closer. The neighbour below the smallest price is 0, which is no price.
    """
    count = np.asarray(units, dtype=np.int64)
    inside = count - (np.asarray(direction) < 0)
    step: Ints = np.asarray(_step(inside, np.asarray(sz_decimals)))[()]
    return step


@overload
def round_price(price: float, sz_decimals: int, side: int) -> float: ...
@overload
def round_price(price: ArrayLike, sz_decimals: ArrayLike, side: ArrayLike) -> Floats: ...
def round_price(price: ArrayLike, sz_decimals: ArrayLike, side: ArrayLike) -> float | Floats:
    """Return the nearest valid price that is not more aggressive.

    Parameters
    ----------
    price
        USD.
    sz_decimals
        szDecimals of the asset.
    side
        +1 rounds down (bid), -1 rounds up (ask).

    Returns
    -------
    USD, 0 where no valid price exists.
    """
    return from_units(to_units(price, sz_decimals, side), sz_decimals)


@overload
def round_size(size: float, sz_decimals: int) -> float: ...
@overload
def round_size(size: ArrayLike, sz_decimals: ArrayLike) -> Floats: ...
def round_size(size: ArrayLike, sz_decimals: ArrayLike) -> float | Floats:
    """Return the largest valid size that is not larger, in contracts, 0 where none is valid."""
    return from_lots(to_lots(size, sz_decimals), sz_decimals)


def _text(count: int, decimals: int) -> str:
    digits = str(count).zfill(decimals + 1)
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    return f"{whole}.{fraction}".rstrip("0").rstrip(".")


def price_text(units: int, sz_decimals: int) -> str:
    """Return a price as the venue writes it: decimal, without trailing zeros."""
    return _text(int(units), DECIMALS - sz_decimals)


def size_text(lots: int, sz_decimals: int) -> str:
    """Return a size as the venue writes it: decimal, without trailing zeros."""
    return _text(int(lots), sz_decimals)
