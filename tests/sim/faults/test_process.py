from __future__ import annotations

import asyncio

from sim.faults.process import Process
from sim.faults.virtual import VirtualLoop


class Engine:
    """Two tasks that write down what they do, and would clean up."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def main(self) -> str:
        helper = asyncio.create_task(self.helper())
        try:
            for step in range(3):
                self.log.append(f"main {step}")
                await asyncio.sleep(1.0)
        finally:
            self.log.append("cleaned up")
        await helper
        return "done"

    async def helper(self) -> None:
        try:
            for step in range(3):
                self.log.append(f"helper {step}")
                await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise


def live(kill_at: int | None) -> tuple[str | None, list[str], int]:
    engine, process = Engine(), Process(kill_at)
    result = process.run(VirtualLoop(0), engine.main())
    return result, engine.log, process.resumptions


def test_a_process_that_is_not_killed_ends() -> None:
    result, log, points = live(None)
    assert result == "done"
    assert log[-1] == "cleaned up"
    assert points == 9


def test_a_killed_process_does_what_came_before_and_nothing_else() -> None:
    _, whole, points = live(None)
    lengths = []
    for point in range(1, points + 1):
        result, log, done = live(point)
        assert result is None
        assert done == point - 1
        assert log == whole[: len(log)]
        assert len(log) < len(whole) or log[-1] == "cleaned up"
        lengths.append(len(log))
    assert lengths[0] == 0
    assert lengths == sorted(lengths)


def test_a_point_beyond_the_end_kills_nothing() -> None:
    assert live(1000)[0] == "done"


def test_background_work_is_cancelled_when_main_is_done() -> None:
    engine = Engine()

    async def main() -> None:
        engine.task = asyncio.create_task(engine.helper())  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)

    Process().run(VirtualLoop(0), main())
    assert engine.log == ["helper 0", "cancelled"]
