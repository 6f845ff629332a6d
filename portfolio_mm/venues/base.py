"""The seam between the engine and any market: embedded, recorded, or real.

A venue owns time. The engine asks it to wait; a simulated venue moves its virtual clock, a real one
sleeps on its sockets. Everything that `snapshot` and `account` return is what is known locally at
`now_ns`, after feed latency: a venue never shows the exchange's state ahead of its messages.
"""

from __future__ import annotations

from typing import Protocol

from portfolio_mm.types import AccountState, Events, MarketSnapshot, Orders, Universe


class Venue(Protocol):
    """A place to trade."""

    @property
    def universe(self) -> Universe:
        """The instruments of this run, in index order."""
        ...

    @property
    def now_ns(self) -> int:
        """Local time, ns UTC."""
        ...

    async def wait(self, deadline_ns: int) -> Events:
        """Wait until `deadline_ns`, or return earlier when a fill of ours was reported."""
        ...

    def snapshot(self) -> MarketSnapshot:
        """Return the local view of all markets; trades are those since the last snapshot."""
        ...

    def account(self) -> AccountState:
        """Return the account as the venue last reported it; its orders are left empty."""
        ...

    async def send(self, orders: Orders) -> None:
        """Hand orders over. Acknowledgements arrive as `OrderUpdate`s."""
        ...

    async def close(self) -> None:
        """Release what the venue holds."""
        ...
