from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import numpy as np
import pytest

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.transport import Answer, Closed, Lost, NotSent
from sim.faults.network import BASE_S, Line, Network
from sim.faults.virtual import VirtualLoop, run

BLOCK_NS = NS // 10
FAR_NS = 2**62


class EchoSession:
    """Sends back what it gets, and closes when told to."""

    def __init__(self, send: Callable[[str], None], close: Callable[[], None]) -> None:
        self.send, self.close = send, close
        self.received: list[str] = []
        self.gone = False

    def receive(self, text: str) -> None:
        self.received.append(text)
        if text == "close":
            self.send("bye")
            self.close()
        else:
            self.send(f"echo {text}")

    def closed(self) -> None:
        self.gone = True


class EchoGateway:
    """Answers every request one block later."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.due: list[tuple[int, Callable[[int, bytes], None], bytes]] = []
        self.sessions: list[EchoSession] = []
        self.executed: list[bytes] = []
        self.mute = False

    @property
    def next_ns(self) -> int:
        return self.due[0][0] if self.due else FAR_NS

    def advance(self, until_ns: int) -> None:
        while self.due and self.due[0][0] <= until_ns:
            self.now_ns, reply, body = self.due.pop(0)
            self.executed.append(body)
            if not self.mute:
                reply(200, body)
        self.now_ns = until_ns

    def post(self, path: str, body: bytes, ip: str, reply: Callable[[int, bytes], None]) -> None:
        assert path == "/info"
        assert ip == "10.0.0.1"
        self.due.append((self.now_ns + BLOCK_NS, reply, body))

    def open(
        self, ip: str, send: Callable[[str], None], close: Callable[[], None]
    ) -> EchoSession | None:
        if len(self.sessions) >= 2:
            return None
        self.sessions.append(EchoSession(send, close))
        return self.sessions[-1]


def clock_ns() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_ns


def network(seed: int = 0) -> tuple[EchoGateway, Network, Line]:
    gateway = EchoGateway()
    net = Network(gateway, np.random.default_rng(seed))
    return gateway, net, Line(net, "10.0.0.1", clock_ns)


def test_a_request_takes_a_round_trip_and_a_block() -> None:
    _, net, line = network()

    async def main() -> tuple[Answer, int]:
        return await line.post("/info", b"{}", 5.0), clock_ns()

    answer, took_ns = run(main(), 0, net)
    assert answer == Answer(200, b"{}")
    assert took_ns >= BLOCK_NS + round(2 * BASE_S * NS)
    assert took_ns < BLOCK_NS + NS // 10


def test_no_answer_in_time_is_lost_and_the_request_was_executed() -> None:
    gateway, net, line = network()
    gateway.mute = True

    async def main() -> int:
        with pytest.raises(Lost):
            await line.post("/info", b"order", 2.0)
        return clock_ns()

    assert run(main(), 0, net) == 2 * NS
    assert gateway.executed == [b"order"]


def test_frames_keep_their_order_both_ways() -> None:
    gateway, net, line = network()
    texts = [json.dumps(i) for i in range(50)]

    async def main() -> list[str]:
        socket = await line.connect()
        for text in texts:
            await socket.send(text)
        return [await socket.receive() for _ in texts]

    assert run(main(), 0, net) == [f"echo {text}" for text in texts]
    assert gateway.sessions[0].received == texts


def test_the_venue_closes_after_what_it_sent_before() -> None:
    _, net, line = network()

    async def main() -> str:
        socket = await line.connect()
        await socket.send("close")
        last = await socket.receive()
        with pytest.raises(Closed):
            await socket.receive()
        with pytest.raises(Closed):
            await socket.send("x")
        await socket.close()
        return last

    assert run(main(), 0, net) == "bye"


def test_closing_wakes_who_receives_and_tells_the_venue() -> None:
    gateway, net, line = network()

    async def main() -> None:
        socket = await line.connect()
        waiting = asyncio.create_task(socket.receive())
        await asyncio.sleep(1.0)
        await socket.close()
        with pytest.raises(Closed):
            await waiting
        await asyncio.sleep(1.0)

    run(main(), 0, net)
    assert gateway.sessions[0].gone


def test_too_many_connections_are_refused() -> None:
    _, net, line = network()

    async def main() -> None:
        await line.connect()
        await line.connect()
        with pytest.raises(NotSent):
            await line.connect()

    run(main(), 0, net)


def test_what_a_killed_process_sent_arrives_and_nothing_comes_back() -> None:
    gateway, net, line = network()

    async def first() -> None:
        socket = await line.connect()
        await socket.send("hello")
        asyncio.get_running_loop().create_task(line.post("/info", b"order", 5.0))
        await asyncio.sleep(0.001)

    loop = VirtualLoop(0, net)
    loop.run_until_complete(first())
    assert gateway.executed == []
    line.kill()

    async def second() -> None:
        await asyncio.sleep(1.0)

    run(second(), loop.now_ns, net)
    assert gateway.executed == [b"order"]
    assert gateway.sessions[0].received == ["hello"]
    assert gateway.sessions[0].gone
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_one_seed_gives_one_course() -> None:
    def course(seed: int) -> list[int]:
        _, net, line = network(seed)
        times = []

        async def main() -> None:
            for _ in range(10):
                await line.post("/info", b"{}", 5.0)
                times.append(clock_ns())

        run(main(), 0, net)
        return times

    assert course(3) == course(3)
    assert course(3) != course(4)
