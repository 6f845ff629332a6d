"""How far the local clock is from the venue's.

An answer that carries the venue's time t was asked for at local t0 and came at local t1. If the
clocks agree, t0 - a <= t <= t1 where a is the age an answer may have. What lies outside proves a
skew of at least

    max(t - t1, 0) - max(t0 - a - t, 0)

and the median of the last proofs is believed.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from portfolio_mm.types import NS

ANSWER_AGE_NS = 2 * NS
"""An answer may show a state as old as this."""

PROOFS = 5
"""So many are looked at."""


class Skew:
    """Proofs of skew, newest last."""

    def __init__(self) -> None:
        self._proofs: deque[float] = deque(maxlen=PROOFS)

    def observe(self, asked_ns: int, venue_ns: int, answered_ns: int) -> None:
        """Take one answer."""
        ahead = max(venue_ns - answered_ns, 0)
        behind = max(asked_ns - ANSWER_AGE_NS - venue_ns, 0)
        self._proofs.append((ahead - behind) / NS)

    @property
    def seconds(self) -> float:
        """Venue's clock less ours, as far as it is proved; 0 before the first answer."""
        return median(self._proofs) if self._proofs else 0.0
