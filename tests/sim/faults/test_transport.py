from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.transport import Answer, Closed, Lost, NotSent
from sim.faults.plan import FRAMES, REQUESTS, Kind, Plan, Rate
from sim.faults.transport import FaultyTransport
from sim.faults.virtual import VirtualLoop, run

BODY = b'{"status":"ok"}'


class PerfectSocket:
    """Hands over what is put into it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.frames: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, text: str) -> None:
        self.sent.append(text)

    async def receive(self) -> str:
        frame = await self.frames.get()
        if frame is None:
            raise Closed
        return frame

    async def close(self) -> None:
        self.frames.put_nowait(None)


class PerfectTransport:
    """Answers everything after a tenth of a second."""

    def __init__(self) -> None:
        self.executed: list[tuple[int, bytes]] = []
        self.sockets: list[PerfectSocket] = []

    def now_ns(self) -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return loop.now_ns

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        await asyncio.sleep(0.05)
        self.executed.append((self.now_ns(), body))
        await asyncio.sleep(0.05)
        return Answer(200, BODY)

    async def connect(self) -> PerfectSocket:
        self.sockets.append(PerfectSocket())
        return self.sockets[-1]

    async def close(self) -> None:
        for socket in self.sockets:
            await socket.close()


def faulty(plan: Plan, seed: int = 0) -> tuple[PerfectTransport, FaultyTransport, Counter[str]]:
    inner, struck = PerfectTransport(), Counter[str]()
    return inner, FaultyTransport(inner, plan, 0, np.random.default_rng(seed), struck), struck


def always(kind: Kind) -> Plan:
    return Plan(seed=0, rates=(Rate(kind, 1.0, 0.0, 60.0),))


@pytest.mark.parametrize(
    ("kind", "outcome", "executed"),
    [
        (Kind.REFUSED, NotSent, False),
        (Kind.LOST_REQUEST, Lost, False),
        (Kind.LATE_REQUEST, Lost, True),
        (Kind.LOST_ANSWER, Lost, True),
        (Kind.HALF_BODY, Lost, True),
        (Kind.RATE_LIMITED, 429, False),
        (Kind.UNAVAILABLE, 503, False),
        (Kind.BAD_GATEWAY, 502, True),
        (Kind.GARBLED, 200, True),
    ],
)
def test_each_fault_of_a_request(
    kind: Kind, outcome: type[Exception] | int, executed: bool
) -> None:
    async def main() -> tuple[PerfectTransport, Counter[str]]:
        inner, transport, struck = faulty(always(kind))
        if isinstance(outcome, int):
            answer = await transport.post("/exchange", b"order", 5.0)
            assert answer.status == outcome
            assert answer.body != BODY
        else:
            with pytest.raises(outcome):
                await transport.post("/exchange", b"order", 5.0)
        await asyncio.sleep(60.0)
        return inner, struck

    inner, struck = run(main())
    assert struck == {kind: 1}
    assert bool(inner.executed) == executed
    if kind is Kind.LATE_REQUEST:
        assert inner.executed[0][0] > 5 * NS


def test_no_fault_outside_of_its_window() -> None:
    plan = Plan(seed=0, rates=tuple(Rate(kind, 1.0, 10.0, 20.0) for kind in REQUESTS + FRAMES))

    async def main() -> Counter[str]:
        _, transport, struck = faulty(plan)
        assert await transport.post("/info", b"{}", 5.0) == Answer(200, BODY)
        await asyncio.sleep(20.0)
        assert await transport.post("/info", b"{}", 5.0) == Answer(200, BODY)
        return struck

    assert not run(main())


async def frames_through(transport: FaultyTransport, inner: PerfectTransport) -> list[str]:
    socket = await transport.connect()
    for index in range(20):
        inner.sockets[0].frames.put_nowait(str(index))
        await asyncio.sleep(0.1)
    await asyncio.sleep(20.0)
    await transport.close()
    frames = []
    try:
        while True:
            frames.append(str(await socket.receive()))
    except Closed:
        return frames


@pytest.mark.parametrize("kind", FRAMES)
def test_each_fault_of_a_frame(kind: Kind) -> None:
    async def main() -> list[str]:
        inner, transport, _ = faulty(Plan(seed=0, rates=(Rate(kind, 0.5, 0.0, 60.0),)))
        return await frames_through(transport, inner)

    frames = run(main())
    in_order = [str(index) for index in range(20)]
    match kind:
        case Kind.DROP:
            assert 0 < len(frames) < 20
            assert frames == sorted(frames, key=int)
        case Kind.DELAY:
            assert frames == in_order
        case Kind.DUPLICATE:
            assert len(frames) > 20
            assert set(frames) == set(in_order)
        case _:
            assert frames != in_order
            assert sorted(frames, key=int) == in_order


def test_a_gap_loses_everything_and_refuses_connections() -> None:
    async def main() -> None:
        inner, transport, struck = faulty(Plan(seed=0, gaps=((5.0, 10.0),)))
        socket = await transport.connect()
        await asyncio.sleep(6.0)
        inner.sockets[0].frames.put_nowait("missed")
        await socket.send("unheard")
        for _ in range(8):
            with pytest.raises((NotSent, Lost)):
                await transport.post("/exchange", b"order", 0.1)
        with pytest.raises(NotSent):
            await transport.connect()
        await asyncio.sleep(5.0)
        inner.sockets[0].frames.put_nowait("heard")
        assert await socket.receive() == "heard"
        assert not inner.executed
        assert not inner.sockets[0].sent
        assert struck[Kind.GAP] > 0
        await transport.close()

    run(main())


def test_sockets_close_when_the_plan_says() -> None:
    async def main() -> tuple[list[int], Counter[str]]:
        _, transport, struck = faulty(Plan(seed=0, closes=(3.0, 7.0)))
        closed = []
        for _ in range(2):
            socket = await transport.connect()
            with pytest.raises(Closed):
                await socket.receive()
            closed.append(transport.now_ns() // NS)
        await transport.close()
        return closed, struck

    closed, struck = run(main())
    assert closed == [3, 7]
    assert struck[Kind.CLOSE] >= 2
