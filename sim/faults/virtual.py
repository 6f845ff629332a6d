"""An asyncio event loop on virtual time: where it would block, the clock jumps ahead instead.

What happens outside of the loop's own timers (an exchange, a network) is a `Surroundings`: it says
when it has something to do next, and does it when the clock gets there. Nothing depends on the
real clock, on threads or on file descriptors, so a run is a function of its inputs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

from portfolio_mm.types import NS

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class DeadlockError(RuntimeError):
    """Everything waits and nothing is scheduled, or virtual time ran out."""


class Surroundings(Protocol):
    """A world that has events of its own on the same clock."""

    @property
    def next_ns(self) -> int | None:
        """When something happens next; None if nothing is scheduled."""
        ...

    def advance(self, until_ns: int) -> None:
        """Let everything happen that is due until then."""
        ...


class _Selector:
    """Where an event loop waits: it moves the clock instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        """Let `timeout` seconds pass, or less when a callback became ready."""
        if timeout is None or timeout > 0.0:
            self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """Release nothing."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time is virtual.

    Parameters
    ----------
    start_ns
        Wall clock at which the loop's own time is 0, ns UTC.
    surroundings
        What else happens; nothing by default.
    horizon_ns
        Wall clock beyond which nothing may be waited for.
    """

    def __init__(
        self,
        start_ns: int,
        surroundings: Surroundings | None = None,
        horizon_ns: int | None = None,
    ) -> None:
        super().__init__()
        self._start_ns = start_ns
        self._elapsed_ns = 0
        self._surroundings = surroundings
        self._horizon_ns = horizon_ns
        self._woken = False
        self._selector = _Selector(self)
        self._clock_resolution = 0.5e-9

    @property
    def now_ns(self) -> int:
        """Wall clock, ns UTC."""
        return self._start_ns + self._elapsed_ns

    def time(self) -> float:
        """Return the seconds since the loop's start."""
        return self._elapsed_ns / NS

    def pass_time(self, seconds: float | None) -> None:
        """Move the clock by `seconds`, or to where a callback becomes ready; None: to that only.

        Raises
        ------
        DeadlockError
            When nothing will ever happen, or not before the horizon.
        """
        until = None if seconds is None else self.now_ns + max(1, round(seconds * NS))
        self._woken = False
        while not self._woken:
            due = None if self._surroundings is None else self._surroundings.next_ns
            if due is None or (until is not None and until < due):
                self._move(until)
                return
            self._move(due)
            assert self._surroundings is not None
            self._surroundings.advance(self.now_ns)

    def _move(self, time_ns: int | None) -> None:
        if time_ns is None:
            raise DeadlockError(f"everything waits at {self.time():.3f} s and nothing is scheduled")
        if self._horizon_ns is not None and time_ns > self._horizon_ns:
            raise DeadlockError(f"still waiting after {self.time():.3f} s of virtual time")
        self._elapsed_ns = max(self._elapsed_ns, time_ns - self._start_ns)

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback in the next turn, at the present instant."""
        self._woken = True
        return super().call_soon(callback, *args, context=context)

    def run_in_executor(
        self, executor: object, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` at once: a thread takes no virtual time."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (it is raised where the future is awaited)
            future.set_exception(error)
        return future

    def _process_events(self, event_list: list[object]) -> None:
        """Handle what the selector returned: nothing."""

    def _write_to_self(self) -> None:
        """Wake the selector for a callback of another thread: it never sleeps."""


def run(
    main: Coroutine[Any, Any, T],
    start_ns: int = 0,
    surroundings: Surroundings | None = None,
    horizon_ns: int | None = None,
) -> T:
    """Run a coroutine in virtual time, cancel what it left behind, and return its result.

    Raises
    ------
    DeadlockError
        When it waits for what never happens.
    """
    with asyncio.Runner(
        loop_factory=lambda: VirtualLoop(start_ns, surroundings, horizon_ns)
    ) as runner:
        return runner.run(main)
