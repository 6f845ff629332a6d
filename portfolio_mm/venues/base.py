"""The seam between the engine and any market: embedded, recorded, or real.

A venue owns time. The engine asks it to wait; a simulated venue moves its virtual clock, a real one
sleeps on its sockets. Everything that `snapshot` and `account` return is what is known locally at
`now_ns`, after feed latency: a venue never shows the exchange's state ahead of its messages.
"""

from __future__ import annotations

from typing import Protocol

from portfolio_mm.types import (
    AccountState,
    Audit,
    Events,
    Floats,
    MarketSnapshot,
    Orders,
    Universe,
)


class VenueError(RuntimeError):
    """The venue could not be read. What is not known is never taken for empty."""


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

    async def wait(self, deadline_ns: int, moves: Floats) -> Events:
        """Wait until `deadline_ns`, or return earlier when there is something to act on.

        That is a fill or a word on an order of ours, or a mid that is further than `moves` (N,)
        in logarithm from where the last snapshot showed it; infinite moves wait for none.
        """
        ...

    def snapshot(self) -> MarketSnapshot:
        """Return the local view of all markets; trades are those since the last snapshot."""
        ...

    def account(self) -> AccountState:
        """Return the account as the venue last reported it; its orders are left empty."""
        ...

    async def send(self, orders: Orders) -> None:
        """Hand orders over; it never raises on what the venue or the network does.

        Every order gets one first word as an `OrderUpdate`, `UNKNOWN` or `UNSENT` among them.
        """
        ...

    async def close(self) -> None:
        """Release what the venue holds."""
        ...


class RemoteVenue(Venue, Protocol):
    """A venue behind a network, where messages get lost and its own word is the authority."""

    async def inquire(self, cloids: tuple[str, ...]) -> None:
        """Ask what became of orders; the answers arrive as `OrderUpdate`s, or not at all."""
        ...

    async def audit(self, since_ns: int) -> Audit:
        """Read positions, open orders, and the fills since `since_ns`.

        Raises
        ------
        VenueError
            When any part of it could not be read.
        """
        ...

    async def arm(self, deadline_ns: int | None) -> bool:
        """Have the venue cancel everything at `deadline_ns`, None to disarm; False if refused."""
        ...
