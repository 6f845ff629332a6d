"""The micro-price: the book's own estimate of fair value, with a noise derived from its spread."""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import Floats


def microprice(
    bid_price: Floats, bid_size: Floats, ask_price: Floats, ask_size: Floats, tick: Floats
) -> tuple[Floats, Floats]:
    """Return the logarithm of the micro-price and the variance of its error.

    With p = (b q_a + a q_b) / (q_a + q_b) and the half-spread h = ln(a / b) / 2, the fair value is
    taken to lie anywhere inside the spread, so the error has the variance of a uniform law, h²/3,
    and never less than that of rounding to the tick, tick²/12.

    Parameters
    ----------
    bid_price, bid_size, ask_price, ask_size : (N,)
        Best level of each side.
    tick : (N,)
        Tick as a fraction of the price.

    Returns
    -------
    log_price, variance : (N,)
        NaN where a side has no price or no size.

    Source: Stoikov, "The micro-price" (2018), first-order form.
    """
    present = (bid_size > 0) & (ask_size > 0) & (bid_price > 0) & (ask_price > 0)
    bid = np.where(present, bid_price, np.nan)
    ask = np.where(present, ask_price, np.nan)
    weight = bid_size / np.where(present, bid_size + ask_size, 1.0)
    half = 0.5 * np.log(ask / bid)
    variance: Floats = np.maximum(half * half / 3.0, tick * tick / 12.0)
    return np.log(bid + weight * (ask - bid)), variance
