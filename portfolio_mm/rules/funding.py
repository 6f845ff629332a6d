"""Hourly funding of the venue.

With the premium P averaged over the hour's five-second samples and the hourly interest rate i,

    F = m clip( P/8 + clip(i - P/8, -c/8, c/8), -4 %, 4 % )

where c = 0.0005 and m is the market's multiplier (1 on the venue's own markets). At settlement a
position of q contracts pays q * oracle * F: longs pay when F > 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from portfolio_mm.types import Floats

HOURS = 8.0
"""The premium is a rate over so many hours."""

INTEREST = 1e-4 / HOURS
"""Interest rate per hour."""

CLAMP = 5e-4
CAP = 0.04
SAMPLE_SECONDS = 5.0


def hourly_rate(
    premium: ArrayLike,
    *,
    multiplier: ArrayLike = 1.0,
    interest: ArrayLike = INTEREST,
    clamp: ArrayLike = CLAMP,
) -> Floats:
    """Return the rate F of one hourly settlement, a fraction of notional paid by longs."""
    per_hour = np.asarray(premium, dtype=np.float64) / HOURS
    bound = np.asarray(clamp, dtype=np.float64) / HOURS
    pull = np.clip(np.asarray(interest, dtype=np.float64) - per_hour, -bound, bound)
    capped = np.clip(per_hour + pull, -CAP, CAP)
    return np.asarray(multiplier, dtype=np.float64) * capped


def premium(impact_bid: ArrayLike, impact_ask: ArrayLike, oracle: ArrayLike) -> Floats:
    """Return the premium of the venue's own markets: how far the impact prices miss the oracle."""
    reference = np.asarray(oracle, dtype=np.float64)
    above = np.maximum(np.asarray(impact_bid, dtype=np.float64) - reference, 0.0)
    below = np.maximum(reference - np.asarray(impact_ask, dtype=np.float64), 0.0)
    return (above - below) / reference


def deployed_premium(impact_bid: ArrayLike, impact_ask: ArrayLike, oracle: ArrayLike) -> Floats:
    """Return the premium of a HIP-3 market: impact mid over oracle less one, without dead zone."""
    bid, ask = np.asarray(impact_bid, dtype=np.float64), np.asarray(impact_ask, dtype=np.float64)
    return 0.5 * (bid + ask) / np.asarray(oracle, dtype=np.float64) - 1.0


def payment(position: ArrayLike, oracle: ArrayLike, rate: ArrayLike) -> Floats:
    """Return the USD paid at a settlement for positions in contracts, negative when received."""
    notional = np.asarray(position, dtype=np.float64) * np.asarray(oracle, dtype=np.float64)
    return notional * np.asarray(rate, dtype=np.float64)
