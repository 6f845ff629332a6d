"""Nonces: milliseconds that never repeat and never go back."""

from __future__ import annotations

from threading import Lock


class Nonces:
    """Give out nonces; any number of threads may ask.

    The venue keeps the highest nonces of a key and refuses one it has seen or that is below all of
    them. n = max(now, last + 1) is unique, increasing, and as close to the clock as can be.
    """

    def __init__(self, last: int = 0) -> None:
        self._last = last
        self._lock = Lock()

    @property
    def last(self) -> int:
        """The last one that was given out."""
        return self._last

    def next(self, now_ms: int) -> int:
        """Return the nonce of an action that is signed at `now_ms`."""
        with self._lock:
            self._last = max(now_ms, self._last + 1)
            return self._last
