"""What an address may ask of the venue: an allowance of requests, and more with its volume.

Every order and every cancel of a batch is one request. A dollar traded earns one, a tenth in growth
mode. Cancels may go beyond the limit L, up to min(L + 100 000, 2 L), and an exhausted address may
act once in ten seconds.
"""

from __future__ import annotations

CANCEL_EXTRA = 100_000
"""Requests beyond the limit that are for cancels alone."""

TRICKLE_S = 10.0
"""Between two actions of an exhausted address."""


def per_usd(growth: bool) -> float:
    """Return the requests that a dollar of volume earns."""
    return 0.1 if growth else 1.0


def cancel_limit(cap: int) -> int:
    """Return the limit of cancels where `cap` is the limit of everything else."""
    return min(cap + CANCEL_EXTRA, 2 * cap)
