"""How many actions an address may send: an allowance, and more with volume."""

from __future__ import annotations

from portfolio_mm.rules.requests import TRICKLE_S, cancel_limit
from portfolio_mm.types import NS

WAIT_NS = round(TRICKLE_S * NS)


class Requests:
    """The budget of one address. Refused actions cost nothing."""

    def __init__(self, allowance: float) -> None:
        self.cap = allowance
        self.used = 0
        self._last_ns = 0

    @property
    def left(self) -> float:
        """Actions left before the limit, at least 0."""
        return max(float(self.limit() - self.used), 0.0)

    def limit(self, *, cancel: bool = False) -> int:
        """Return the limit of orders or of cancels, whole actions."""
        cap = int(self.cap)
        return cancel_limit(cap) if cancel else cap

    def admit(self, now_ns: int, *, count: int = 1, cancel: bool = False) -> bool:
        """Count the actions of a request, or return False if they are too many."""
        exhausted = self.used + count - 1 >= self.limit(cancel=cancel)
        if exhausted and (count > 1 or now_ns < self._last_ns + WAIT_NS):
            return False
        self._last_ns = now_ns
        self.used += count
        return True
