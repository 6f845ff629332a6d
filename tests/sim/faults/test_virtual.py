from __future__ import annotations

import asyncio
import time

import pytest

from portfolio_mm.types import NS
from sim.faults.virtual import DeadlockError, VirtualLoop, run

START_NS = 1_767_623_400 * NS


def clock_ns() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_ns


class Bell:
    """Surroundings that ring at given times."""

    def __init__(self, times_ns: list[int]) -> None:
        self.times_ns = times_ns
        self.rung: list[int] = []
        self.waiting: asyncio.Future[int] | None = None

    @property
    def next_ns(self) -> int | None:
        return self.times_ns[0] if self.times_ns else None

    def advance(self, until_ns: int) -> None:
        while self.times_ns and self.times_ns[0] <= until_ns:
            self.rung.append(self.times_ns.pop(0))
            if self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(self.rung[-1])


def test_sleep_takes_exactly_its_virtual_time() -> None:
    async def main() -> int:
        await asyncio.sleep(0.25)
        return clock_ns()

    assert run(main(), START_NS) == START_NS + NS // 4


def test_a_day_passes_in_no_time() -> None:
    async def main() -> int:
        for _ in range(1440):
            await asyncio.sleep(60.0)
        return clock_ns()

    begun = time.perf_counter()
    assert run(main(), START_NS) == START_NS + 86_400 * NS
    assert time.perf_counter() - begun < 1.0


def test_sleepers_wake_in_the_order_of_time_then_of_going_to_sleep() -> None:
    order: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, clock_ns() - START_NS))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("a2", 1.0)):
                group.create_task(sleeper(name, seconds))

    run(main(), START_NS)
    assert order == [("a", NS), ("a2", NS), ("b", 2 * NS), ("c", 3 * NS)]


def test_wait_for_and_timeout_fire_at_their_time() -> None:
    async def main() -> tuple[int, int]:
        never = asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(never, 5.0)
        first = clock_ns()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return first, clock_ns()

    assert run(main()) == (5 * NS, 7 * NS + NS // 2)


def test_wait_for_returns_what_came_in_time() -> None:
    async def main() -> tuple[str, int]:
        async def answer() -> str:
            await asyncio.sleep(1.0)
            return "here"

        return await asyncio.wait_for(answer(), 5.0), clock_ns()

    assert run(main()) == ("here", NS)


def test_waiting_for_nothing_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="nothing is scheduled"):
        run(main())


def test_the_horizon_ends_what_goes_on_for_ever() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1.0)

    with pytest.raises(DeadlockError, match=r"after 10\.000 s"):
        run(main(), START_NS, horizon_ns=START_NS + 10 * NS)


def test_surroundings_move_with_the_clock_and_wake_the_loop() -> None:
    bell = Bell([START_NS + NS, START_NS + 2 * NS, START_NS + 9 * NS])

    async def main() -> list[tuple[str, int]]:
        bell.waiting = asyncio.get_running_loop().create_future()
        rung = await bell.waiting
        heard = [("rung", rung - START_NS), ("heard", clock_ns() - START_NS)]
        await asyncio.sleep(4.0)
        return [*heard, ("slept", clock_ns() - START_NS), ("rings", len(bell.rung))]

    assert run(main(), START_NS, bell) == [
        ("rung", NS),
        ("heard", NS),
        ("slept", 5 * NS),
        ("rings", 2),
    ]


def test_surroundings_alone_keep_a_waiting_loop_alive_until_they_end() -> None:
    bell = Bell([NS, 2 * NS])

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run(main(), 0, bell)
    assert bell.rung == [NS, 2 * NS]


def test_threads_take_no_virtual_time() -> None:
    async def main() -> tuple[int, int]:
        return await asyncio.to_thread(lambda: 42), clock_ns()

    def fail() -> None:
        raise OSError("disk")

    async def failing() -> None:
        await asyncio.to_thread(fail)

    assert run(main(), 7) == (42, 7)
    with pytest.raises(OSError, match="disk"):
        run(failing())


def test_two_runs_interleave_alike() -> None:
    def trace() -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []

        async def walker(index: int) -> None:
            for step in range(20):
                await asyncio.sleep((7 * index + 3 * step) % 5 / 10)
                seen.append((index, clock_ns()))

        async def main() -> None:
            await asyncio.gather(*(walker(index) for index in range(5)))

        run(main())
        return seen

    assert trace() == trace()
