"""An engine's process: it can be killed at any point where one of its tasks is resumed.

A killed process runs no `finally`: its loop is left as it stands, and what it held is kept from
the garbage collector, which would otherwise unwind the coroutines.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

from sim.faults.virtual import DeadlockError, VirtualLoop

T = TypeVar("T")

GRAVEYARD: list[object] = []
"""What killed processes held, which must never be unwound: it outlives the interpreter itself."""

ctypes.pythonapi.Py_IncRef(ctypes.py_object(GRAVEYARD))


class Killed(SystemExit):
    """The process is gone; like any `SystemExit`, it leaves a loop at once."""


class Process:
    """Counts the resumptions of all tasks of a loop, and dies at a given one.

    Parameters
    ----------
    kill_at
        The process is gone when a task would be resumed for this time, counted from 1; None: never.
    """

    def __init__(self, kill_at: int | None = None) -> None:
        self.resumptions = 0
        self._kill_at = kill_at
        self._ended = False

    def step(self) -> None:
        """Count one resumption.

        Raises
        ------
        Killed
            When it is the last one.
        """
        if self._ended:
            return
        if self._kill_at is not None and self.resumptions + 1 >= self._kill_at:
            raise Killed
        self.resumptions += 1

    def run(self, loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T | None:
        """Run `main` on `loop` to its end, or until the process is killed: then return None.

        Raises
        ------
        DeadlockError
            When it waits for what never happens; then too nothing is unwound.
        """
        loop.set_task_factory(self._task)
        done = loop.create_task(main)
        done.add_done_callback(lambda _: loop.stop())
        try:
            loop.run_forever()
        except Killed:
            GRAVEYARD.append((loop, asyncio.all_tasks(loop)))
            return None
        except DeadlockError:
            GRAVEYARD.append((loop, asyncio.all_tasks(loop)))
            raise
        finally:
            self._ended = True
        _cancel_rest(loop)
        loop.close()
        return done.result()

    def _task(
        self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(_Stepped(coro, self), loop=loop, **options)


class _Stepped(Coroutine[Any, Any, T]):
    """A coroutine whose resumptions are counted."""

    def __init__(self, coro: Coroutine[Any, Any, T], process: Process) -> None:
        self._coro = coro
        self._process = process

    def send(self, value: Any) -> Any:
        """Resume it."""
        self._step()
        return self._coro.send(value)

    def throw(
        self,
        kind: Any,
        value: Any = None,
        traceback: TracebackType | None = None,
    ) -> Any:
        """Resume it with an exception."""
        self._step()
        return self._coro.throw(kind if value is None else value)

    def close(self) -> None:
        """End it."""
        self._coro.close()

    def _step(self) -> None:
        try:
            self._process.step()
        except Killed:
            GRAVEYARD.append(self)  # its task ends with this exception, and would let go of it
            raise

    def __await__(self) -> Generator[Any, None, T]:
        return self._coro.__await__()


def _cancel_rest(loop: VirtualLoop) -> None:
    """Cancel what `main` left behind, and let it end."""
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
