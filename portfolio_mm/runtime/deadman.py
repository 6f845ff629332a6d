"""The dead man's switch: orders do not outlive the engine that watches them.

Where the venue offers it, the venue itself is told to cancel everything at a time that the engine keeps
moving ahead. Where it refuses, a process of its own listens to the engine's beats on a pipe and cancels
everything when they stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

import numpy as np

from portfolio_mm.types import NS, Orders
from portfolio_mm.venues.base import RemoteVenue, VenueError

SHARE = 3
"""The switch is moved ahead this many times within its silence."""

SWEEP_NS = 2 * NS
"""Time between two looks at what still rests."""

BEAT, GOODBYE = b".", b"q"
"""What the engine writes in every cycle, and once nothing rests any more."""


class Switch:
    """Keeps the venue's own switch ahead of time while the engine lives; a context manager.

    Parameters
    ----------
    silence_s
        After so long without the engine everything is cancelled.
    cycle_ns
        Returns the time of the engine's last cycle.
    note
        Takes words for an operator.
    """

    def __init__(
        self,
        venue: RemoteVenue,
        silence_s: float,
        cycle_ns: Callable[[], int],
        note: Callable[[str], None],
    ) -> None:
        self._venue = venue
        self._silence_s = silence_s
        self._cycle_ns = cycle_ns
        self._note = note
        self._task: asyncio.Task[None] | None = None
        self._armed = self._ahead = False

    async def __aenter__(self) -> Self:
        """Begin to move it ahead."""
        self._task = asyncio.create_task(self._keep(), name="dead man's switch")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave it armed where something may rest: it fires, or another start moves it."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def disarm(self) -> None:
        """Tell the venue that nothing is left to cancel: a switch that fires counts."""
        if self._armed:
            await self._venue.arm(None)

    async def _keep(self) -> None:
        venue, silence = self._venue, round(self._silence_s * NS)
        while True:
            # A loop that hangs lets it run out.
            if venue.now_ns - self._cycle_ns() < silence:
                moved = await venue.arm(venue.now_ns + silence)
                if not moved and not self._armed:
                    self._note("the venue offers no dead man's switch now")
                    return
                if moved != self._ahead:
                    self._note(
                        "the dead man's switch is " + ("set" if moved else "not moved ahead")
                    )
                self._armed, self._ahead = True, moved
            await asyncio.sleep(self._silence_s / SHARE)


async def guard(
    beats: Callable[[], Awaitable[bytes]], silence_s: float, cancel: Callable[[], Awaitable[None]]
) -> bool:
    """Listen to the engine; cancel when it falls silent or its end of the pipe is closed.

    Parameters
    ----------
    beats
        Waits for bytes of the engine, empty at the end of the pipe.
    silence_s
        Longest time between two beats.
    cancel
        Cancels everything.

    Returns
    -------
    Whether it had to cancel: not after a goodbye.
    """
    while True:
        try:
            async with asyncio.timeout(silence_s):
                heard = await beats()
        except TimeoutError:
            heard = b""
        if GOODBYE in heard:
            return False
        if not heard:
            await cancel()
            return True


async def sweep(venue: RemoteVenue, bound_s: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cancel whatever the venue lists, until it lists nothing or the time is over.

    Returns
    -------
    Orders that were cancelled, and orders that still rest.

    Raises
    ------
    VenueError
        When the orders could not be read in the end.
    """
    never = np.full(len(venue.universe), np.inf)
    until_ns = venue.now_ns + round(bound_s * NS)
    seen: dict[str, None] = {}
    while True:
        try:
            audit = await venue.audit(venue.now_ns)
        except VenueError:
            if venue.now_ns >= until_ns:
                raise
        else:
            names = tuple(order.cloid or str(order.oid) for order in audit.orders)
            if not names or venue.now_ns >= until_ns:
                return tuple(name for name in seen if name not in names), names
            seen |= dict.fromkeys(names)
            await venue.send(Orders(time_ns=venue.now_ns, cancels=names))
        pause_ns = venue.now_ns + SWEEP_NS
        while venue.now_ns < pause_ns:
            await venue.wait(pause_ns, never)
