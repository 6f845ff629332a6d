"""Latency of one stream of messages: a constant, an exponential on top, and no overtaking.

A message sent at t arrives at  max(previous arrival, t + base + jitter * Exp(1)).
"""

from __future__ import annotations

import numpy as np

MS = 1_000_000
"""Nanoseconds in a millisecond."""

_BLOCK = 4096


class Stream:
    """Messages from one sender to one receiver, in order."""

    def __init__(self, rng: np.random.Generator, base_ms: float, jitter_ms: float) -> None:
        self._rng = rng
        self._base_ns = base_ms * MS
        self._jitter_ns = jitter_ms * MS
        self._draws: list[float] = []
        self._last_ns = 0

    def arrival(self, sent_ns: int) -> int:
        """Return when a message sent now arrives; calls must be in order of sending."""
        if not self._draws:
            self._draws = self._rng.exponential(self._jitter_ns, _BLOCK).tolist()
        self._last_ns = max(self._last_ns, sent_ns + int(self._base_ns + self._draws.pop()))
        return self._last_ns
