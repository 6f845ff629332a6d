"""Replay protection: which nonces a signer may still use.

The 100 highest nonces of a signer are remembered. A new one must be unused, exceed the smallest of
them once there are 100, and lie within two days before and one day after the block's time.
"""

from __future__ import annotations

from heapq import heappush, heapreplace

KEPT = 100
DAY_MS = 86_400_000
PAST_MS, FUTURE_MS = 2 * DAY_MS, DAY_MS


class Nonces:
    """The highest nonces of every signer."""

    def __init__(self) -> None:
        self._kept: dict[str, list[int]] = {}  # a heap per signer

    def refusal(self, signer: str, nonce: int, now_ms: int) -> str | None:
        """Return why a nonce cannot be used now, None if it can."""
        kept = self._kept.get(signer, [])
        if nonce in kept:
            return f"Invalid nonce: duplicate nonce {nonce}"
        if len(kept) >= KEPT and nonce < kept[0]:
            return f"Invalid nonce: nonce too low {nonce} < {kept[0]}"
        if nonce < now_ms - PAST_MS:
            return f"Invalid nonce: nonce too low {nonce} < {now_ms - PAST_MS}"
        if nonce > now_ms + FUTURE_MS:
            return f"Invalid nonce: nonce too high {nonce} > {now_ms + FUTURE_MS}"
        return None

    def use(self, signer: str, nonce: int) -> None:
        """Remember a nonce that was used."""
        kept = self._kept.setdefault(signer, [])
        if len(kept) < KEPT:
            heappush(kept, nonce)
        elif nonce > kept[0]:
            heapreplace(kept, nonce)
