"""What the adapter needs of a network: one request, one socket, one clock.

The protocols are small so that a network can be replaced by one in process, on a virtual clock,
that loses what a real one would lose. The exceptions say the one thing that matters of a failed
exchange: whether the message may have arrived.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """What came back for a request: the status of HTTP and the whole body."""

    status: int
    body: bytes


class NotSent(Exception):
    """The request certainly never left: the connection was refused, or never attempted."""


class Lost(Exception):
    """The request may have arrived: a timeout, a closed connection, half of an answer."""


class Closed(Exception):
    """The socket is gone."""


class Socket(Protocol):
    """One websocket."""

    async def send(self, text: str) -> None:
        """Send a text frame; raises `Closed`."""
        ...

    async def receive(self) -> str | bytes:
        """Return the next frame; raises `Closed`."""
        ...

    async def close(self) -> None:
        """Close it; closing twice does nothing."""
        ...


class Transport(Protocol):
    """A network and its clock."""

    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        ...

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        """Post JSON and return the answer; raises `NotSent` or `Lost`."""
        ...

    async def connect(self) -> Socket:
        """Open a websocket; raises `NotSent`."""
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...
